#include "core/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace stemma {
namespace {

bool Near(std::string_view word, std::string_view candidate, size_t distance) {
  const size_t longer = std::max(word.size(), candidate.size());
  const size_t shorter = std::min(word.size(), candidate.size());
  const size_t allowed = std::min(std::max<size_t>(2, longer / 3), longer - 1);
  if (distance <= allowed && distance < shorter) return true;
  const bool begins = word.substr(0, shorter) == candidate.substr(0, shorter);
  return begins && shorter >= 3;
}

template <typename... Args>
std::string Printed(const char* format, Args... args) {
  char text[64];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> two(b.size() + 1), one(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) one[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = one[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, one[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], two[j - 2] + 1);
    }
    std::swap(two, one);
    std::swap(one, row);
  }
  return one[b.size()];
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (word.empty() || candidate.empty()) continue;
    const size_t distance = EditDistance(word, candidate);
    if (!Near(word, candidate, distance)) continue;
    if (!best.empty() && distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string Printable(std::string_view text, size_t most) {
  std::string shown(text.substr(0, most));
  for (char& c : shown) c = c >= ' ' && c <= '~' ? c : '?';
  return text.size() > most ? shown + "..." : shown;
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  constexpr std::array<const char*, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  // 999.5 of a unit would print as 1000.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return Printed("%.*f %s", digits, value, kUnits[unit]);
}

std::string HumanDuration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) return "-" + HumanDuration(-seconds);
  if (seconds < 0.9995e-3) return Printed("%.0f us", seconds * 1e6);
  if (seconds < 0.99995) return Printed("%.1f ms", seconds * 1e3);
  if (seconds < 59.995) return Printed("%.2f s", seconds);
  const long long whole = static_cast<long long>(std::min(seconds + 0.5, 9e15));
  if (whole < 3600) return Printed("%lldm%02llds", whole / 60, whole % 60);
  if (whole < 86400) return Printed("%lldh%02lldm", whole / 3600, whole / 60 % 60);
  return Printed("%lldd%02lldh", whole / 86400, whole / 3600 % 24);
}

}  // namespace stemma
