#include "core/settings_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "core/check.h"
#include "core/text.h"

namespace stemma::internal {
namespace {

std::string Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

bool ParseDouble(std::string_view text, double* value) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), *value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

bool ParseInt(std::string_view text, int64_t* value) {
  std::string digits(text);
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  if (!digits.empty() && digits[0] == '+') digits.erase(0, 1);
  const char* end_of_text = digits.data() + digits.size();
  const auto end = std::from_chars(digits.data(), end_of_text, *value);
  return end.ec == std::errc() && end.ptr == end_of_text;
}

// "(0, inf)" -> ends, and whether each belongs to it.
struct Interval {
  double low = 0, high = 0;
  bool has_low = false, has_high = false;
};

Interval ParseInterval(std::string_view range) {
  const size_t comma = range.find(',');
  Interval in;
  const bool shaped = range.size() >= 5 && comma != std::string_view::npos;
  STEMMA_CHECK(shaped && ParseDouble(Trim(range.substr(1, comma - 1)), &in.low) &&
                   ParseDouble(Trim(range.substr(comma + 1, range.size() - comma - 2)), &in.high),
               "a range is '[low, high)' and the like, not '" + std::string(range) + "'");
  in.has_low = range.front() == '[';
  in.has_high = range.back() == ']';
  return in;
}

bool Inside(double v, const Interval& in) {
  const bool above = in.has_low ? v >= in.low : v > in.low;
  const bool below = in.has_high ? v <= in.high : v < in.high;
  return above && below;
}

std::string ChoiceComplaint(const std::string& word, std::string_view range) {
  const std::vector<std::string> choices = Choices(range);
  if (std::find(choices.begin(), choices.end(), word) != choices.end()) return "";
  const std::string meant = Nearest(word, choices);
  const std::string hint = meant.empty() ? "" : "; did you mean '" + meant + "'?";
  return "allowed: " + std::string(range) + hint;
}

}  // namespace

const char* TypeName(const SettingTarget& target) {
  switch (target.index()) {
    case 0:
      return "true or false";
    case 1:
      return "a whole number";
    case 2:
      return "a number";
    default:
      return "text";
  }
}

SettingValue ValueOf(const SettingTarget& target) {
  return std::visit([](const auto* field) { return SettingValue(*field); }, target);
}

bool ParseAs(const SettingTarget& target, std::string_view text, SettingValue* value) {
  switch (target.index()) {
    case 0:
      *value = text == "true";
      return text == "true" || text == "false";
    case 1: {
      int64_t number = 0;
      if (!ParseInt(text, &number)) return false;
      *value = number;
      return true;
    }
    case 2: {
      double number = 0;
      if (!ParseDouble(text, &number)) return false;
      *value = number;
      return true;
    }
    default: {
      const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
      *value = std::string(quoted ? text.substr(1, text.size() - 2) : text);
      return true;
    }
  }
}

bool FitTo(const SettingTarget& target, SettingValue* value) {
  const bool widened = target.index() == 2 && value->index() == 1;
  if (widened) *value = static_cast<double>(std::get<int64_t>(*value));
  return target.index() == value->index();
}

std::string RangeComplaint(const SettingValue& value, std::string_view range) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return range.empty() ? "" : ChoiceComplaint(*text, range);
  }
  if (std::holds_alternative<bool>(value)) return "";
  const auto* number = std::get_if<double>(&value);
  const double v = number ? *number : static_cast<double>(std::get<int64_t>(value));
  if (range.empty()) return std::isfinite(v) ? "" : "allowed: finite numbers";
  return Inside(v, ParseInterval(range)) ? "" : "allowed: " + std::string(range);
}

void Store(const SettingTarget& target, const SettingValue& value) {
  std::visit([&](auto* field) { *field = std::get<std::remove_pointer_t<decltype(field)>>(value); },
             target);
}

std::vector<std::string> Choices(std::string_view range) {
  std::vector<std::string> choices;
  if (range.empty() || range[0] == '(' || range[0] == '[') return choices;
  while (true) {
    const size_t bar = range.find('|');
    choices.push_back(Trim(range.substr(0, bar)));
    if (bar == std::string_view::npos) return choices;
    range.remove_prefix(bar + 1);
  }
}

}  // namespace stemma::internal
