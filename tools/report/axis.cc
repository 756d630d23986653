#include "tools/report/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace stemma::report {
namespace {

constexpr double kLargest = 1e300;  // differences of two values stay finite
constexpr int kMostTicks = 200;

// The least of 1, 2, 5, 10, 20, ... (times any power of ten) that is not less than `least`.
double NiceStep(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string Superscript(int number) {
  constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = number < 0 ? "⁻" : "";
  for (const char digit : std::to_string(std::abs(number))) text += kDigits[digit - '0'];
  return text;
}

std::string Formatted(const char* format, int digits, double value) {
  char text[400];
  std::snprintf(text, sizeof(text), format, digits, value);
  return text;
}

std::string WithoutTrailingZeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string WithThousands(std::string text) {
  const size_t digits = text.find_first_of("0123456789");
  const size_t point = std::min(text.find('.'), text.size());
  for (size_t at = point; at > digits + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Scientific(double value) {
  int exponent = static_cast<int>(std::floor(std::log10(std::fabs(value))));
  double mantissa = value / std::pow(10, exponent);
  if (std::fabs(mantissa) >= 9.995) mantissa /= 10, ++exponent;
  const std::string digits = WithoutTrailingZeros(Formatted("%.*f", 2, mantissa));
  const std::string power = "10" + Superscript(exponent);
  if (digits == "1") return power;
  return digits == "-1" ? "-" + power : digits + "·" + power;
}

// Digits 1, 2 .. 9 of every decade between two logarithms, or only those given.
std::vector<double> OfDecades(double low, double high, const std::vector<int>& digits) {
  std::vector<double> values;
  for (double decade = std::floor(low); decade <= high; ++decade) {
    for (const int digit : digits) {
      const double logarithm = decade + std::log10(digit);
      if (logarithm < low - 1e-9 || logarithm > high + 1e-9) continue;
      values.push_back(digit * std::pow(10, decade));
    }
  }
  return values;
}

}  // namespace

std::string Label(double value, double step) {
  if (!std::isfinite(value)) return "";
  if (value == 0) return "0";
  const double size = std::fabs(value);
  if (size >= 1e7 || size < 1e-3) return Scientific(value);
  if (step <= 0) {
    const double exponent = std::floor(std::log10(size));
    const int digits = std::max(0, 3 - static_cast<int>(exponent));
    return WithThousands(WithoutTrailingZeros(Formatted("%.*f", digits, value)));
  }
  const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  return WithThousands(Formatted("%.*f", std::min(digits, 12), value));
}

Ruler::Ruler(const Axis& axis, const std::vector<double>& values, double from, double to)
    : axis_(axis), from_(from), to_(to) {
  if (!axis_.words.empty()) {
    axis_.scale = Scale::kLinear;
    low_ = -0.5;
    high_ = static_cast<double>(axis_.words.size()) - 0.5;
    return;
  }
  std::vector<double> all;
  const auto add = [&](double value) {
    if (Has(value)) all.push_back(axis_.scale == Scale::kLog ? std::log10(value) : value);
  };
  for (const double value : values) add(value);
  const size_t from_data = all.size();
  if (axis_.low) add(*axis_.low);
  if (axis_.high) add(*axis_.high);
  if (all.empty()) all = {0, 1};
  low_ = *std::min_element(all.begin(), all.end());
  high_ = *std::max_element(all.begin(), all.end());
  const bool log = axis_.scale == Scale::kLog;
  if (!(high_ > low_)) {
    const double half = log ? 0.3 : std::max(0.1 * std::fabs(low_), 1e-9);
    low_ -= half;
    high_ += half;
  }
  if (log) {
    const double margin = from_data == 0 ? 0 : 0.04 * (high_ - low_);
    low_ -= margin;
    high_ += margin;
    return;
  }
  // Whole steps; a quarter of the axis or less below the data is no reason to leave zero out.
  if (low_ > 0 && low_ < 0.35 * high_) low_ = 0;
  const double step = NiceStep((high_ - low_) / std::max(2.0, std::floor(Length() / 45)));
  if (!axis_.low || low_ < *axis_.low) low_ = step * std::floor(low_ / step + 1e-9);
  if (!axis_.high || high_ > *axis_.high) high_ = step * std::ceil(high_ / step - 1e-9);
}

double Ruler::Length() const { return std::fabs(to_ - from_); }

bool Ruler::Has(double value) const {
  if (!std::isfinite(value) || std::fabs(value) > kLargest) return false;
  if (!axis_.words.empty()) return value >= 0 && value < static_cast<double>(axis_.words.size());
  return axis_.scale == Scale::kLinear || value > 1 / kLargest;
}

double Ruler::At(double value) const {
  const double place = axis_.scale == Scale::kLog ? std::log10(value) : value;
  return from_ + (to_ - from_) * (place - low_) / (high_ - low_);
}

std::vector<Tick> Ruler::Thinned(const std::vector<double>& values, double distance) const {
  std::vector<Tick> ticks;
  double last = -1e9;
  for (const double value : values) {
    if (!Has(value)) continue;
    const double at = std::fabs(At(value) - from_);
    if (at > Length() + 1e-6 || (At(value) - from_) * (to_ - from_) < -1e-6) continue;
    const bool room = at - last >= distance;
    ticks.push_back({value, room ? Label(value) + axis_.unit : ""});
    if (room) last = at;
  }
  return ticks;
}

std::vector<Tick> Ruler::LinearTicks(double distance) const {
  const bool log = axis_.scale == Scale::kLog;
  const double low = log ? std::pow(10, low_) : low_;
  const double high = log ? std::pow(10, high_) : high_;
  const double step = NiceStep((high - low) / std::max(1.0, std::floor(Length() / distance)));
  std::vector<Tick> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    if (static_cast<int>(ticks.size()) == kMostTicks) break;
    ticks.push_back({k * step, Label(k * step, step) + axis_.unit});
  }
  // One number alone is no scale.
  if (ticks.size() < 2) ticks = {{low, Label(low) + axis_.unit}, {high, Label(high) + axis_.unit}};
  return ticks;
}

std::vector<Tick> Ruler::LogTicks(double distance) const {
  const double decade = Length() / (high_ - low_);
  const auto grid = OfDecades(low_, high_, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const std::vector<std::pair<std::vector<int>, double>> choices = {
      {{1, 2, 3, 4, 5, 6, 7, 8, 9}, std::log10(10.0 / 9)},
      {{1, 2, 5}, std::log10(2.0)},
      {{1, 3}, std::log10(3.0)},
      {{1}, 1}};
  for (const auto& [digits, closest] : choices) {
    if (closest * decade < distance && closest < 1) continue;
    const std::vector<double> labelled = OfDecades(low_, high_, digits);
    if (labelled.size() < 3 && high_ - low_ < 1) return LinearTicks(2 * distance);
    std::vector<Tick> ticks = Thinned(labelled, distance);
    if (decade < 100) return ticks;
    for (const double value : grid) {
      const bool there = std::any_of(ticks.begin(), ticks.end(), [&](const Tick& tick) {
        return std::fabs(tick.value / value - 1) < 1e-9;
      });
      if (!there) ticks.push_back({value, ""});
    }
    return ticks;
  }
  return {};
}

std::vector<Tick> Ruler::WordTicks(double distance) const {
  std::vector<Tick> ticks;
  double last = -1e9;
  for (size_t k = 0; k < axis_.words.size(); ++k) {
    const auto value = static_cast<double>(k);
    const double at = std::fabs(At(value) - from_);
    if (at - last < distance) continue;
    ticks.push_back({value, axis_.words[k]});
    last = at;
  }
  return ticks;
}

std::vector<Tick> Ruler::Ticks(double distance) const {
  if (!axis_.words.empty()) return WordTicks(distance);
  if (!axis_.ticks.empty()) return Thinned(axis_.ticks, distance);
  return axis_.scale == Scale::kLog ? LogTicks(distance) : LinearTicks(distance);
}

}  // namespace stemma::report
