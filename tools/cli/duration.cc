#include "tools/cli/duration.h"

#include <charconv>
#include <map>

namespace stemma::cli {

Result<double> SecondsIn(const std::string& flag, const std::string& text) {
  static const std::map<std::string, double> units = {
      {"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const auto unit = units.find(std::string(read.ptr, end));
  if (read.ec == std::errc() && unit != units.end() && number >= 0) return number * unit->second;
  return Status(Code::kInvalidArgument,
                "--" + flag + "=" + text + ": expected a duration such as 90s, 10m, 2h or 7d");
}

}  // namespace stemma::cli
