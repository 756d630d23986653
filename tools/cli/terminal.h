// What stdout can show, and text that fits it. Never colour when stdout is no terminal or NO_COLOR
// is set; ASCII where the locale is not UTF-8; cut to the width on a terminal only, because a pipe
// has none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stemma::cli {

struct Terminal {
  bool utf8 = false;
  size_t columns = 0;  // 0: no limit
};

Terminal TerminalOfStdout();

// Columns that a terminal needs for UTF-8 text without wide characters or escape sequences.
size_t Width(std::string_view text);
// The first `columns` columns; all of it for 0.
std::string Cut(std::string_view text, size_t columns);
// Blanks after the text up to `width`.
std::string Padded(std::string text, size_t width);
// Rows as columns of equal width with two blanks between. Rows may differ in length; a column that
// is empty in all rows takes no room.
std::vector<std::string> Columns(const std::vector<std::vector<std::string>>& rows);

void Print(std::string_view text);  // to stdout, as it is

}  // namespace stemma::cli
