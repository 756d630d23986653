// How one setting's value is read, checked and printed. For settings.cc; users need settings.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/status.h"

namespace stemma::internal {

using SettingValue = std::variant<bool, int64_t, double, std::string>;
using SettingTarget = std::variant<bool*, int64_t*, double*, std::string*>;

// "true or false", "a whole number", "a number", "text".
const char* TypeName(const SettingTarget& target);

SettingValue ValueOf(const SettingTarget& target);

// The text of a command line as the target's type; nothing when it is none. Strings are taken as
// they are, but for one pair of double quotes around them.
bool ParseAs(const SettingTarget& target, std::string_view text, SettingValue* value);

// Fits a value to the target's type: a whole number serves as a double. False: another type.
bool FitTo(const SettingTarget& target, SettingValue* value);

// Empty when `value` is allowed by `range` (see Help::range); else "allowed: ...", with the choice
// that was probably meant.
std::string RangeComplaint(const SettingValue& value, std::string_view range);

void Store(const SettingTarget& target, const SettingValue& value);

// "lamb | sgd | adamw" -> its words. Empty when `range` is an interval or "".
std::vector<std::string> Choices(std::string_view range);

}  // namespace stemma::internal
