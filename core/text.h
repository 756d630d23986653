// Text for people: what was probably meant, and numbers with units. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stemma {

// Inserted, deleted, replaced letters and swapped neighbours that turn one word into the other.
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate that `word` was probably meant to be, or "" when none is near: nobody is helped by
// a wild guess. Near means a third of the letters wrong at most (two in short words, but never
// all), or one is the beginning of the other. The first of equals wins.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

// What somebody else wrote, for a message: other characters than printable ASCII as '?', so that
// none of them reaches a terminal, and "..." behind the first `most` where there are more.
std::string Printable(std::string_view text, size_t most = 200);

// "0 B", "812 B", "41.2 MB", "1.20 GB": powers of 1000, as disks and networks count.
std::string HumanBytes(uint64_t bytes);

// "350 us", "41.2 ms", "3.50 s", "4m05s", "19h12m", "3d04h".
std::string HumanDuration(double seconds);

}  // namespace stemma
