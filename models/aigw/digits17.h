// A double as text with 17 significant digits, which is enough to read the very double back: what
// printf's %.17g prints, byte for byte, in a fifth of std::to_chars' time and in every locale.
//
//   char text[kDigits17Bytes];
//   char* end = PutDigits17(text, -0.125);             // "-0.125"; no terminating zero
//
// Numbers of 1e-4 to 1e17 take a short way: x = m 2^e, and m 10^k for the k that leaves 17 digits
// before the point needs 100 bits, so 128-bit integers give the digits and their rounding (to even)
// exactly. All others, 0 included, go to std::to_chars.
//
// Pure function; any thread; cannot fail.
#pragma once

#include <cstddef>

namespace stemma::models {

constexpr size_t kDigits17Bytes = 24;  // "-1.2345678901234567e-308"

// Writes from `out` on, where there is room for kDigits17Bytes; returns the end of the text.
char* PutDigits17(char* out, double value);

}  // namespace stemma::models
