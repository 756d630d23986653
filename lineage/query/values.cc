#include "lineage/query/values.h"

#include <cmath>

#include "core/toml.h"

namespace stemma::lineage {

std::string TextOf(const Scalar& value) {
  if (const bool* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const int64_t* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const double* number = std::get_if<double>(&value)) return DoubleText(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  return "";
}

namespace query {
namespace {

constexpr size_t kShownMax = 60;

// Wider than both kinds of number, so that no integer is rounded.
long double Wide(const Scalar& value) {
  if (const bool* yes = std::get_if<bool>(&value)) return *yes ? 1 : 0;
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    return static_cast<long double>(*number);
  }
  return static_cast<long double>(std::get<double>(value));
}

template <typename T>
bool Holds(Comparison how, const T& a, const T& b) {
  switch (how) {
    case Comparison::kEqual:
      return a == b;
    case Comparison::kNotEqual:
      return a != b;
    case Comparison::kLess:
      return a < b;
    case Comparison::kLessEqual:
      return a <= b;
    case Comparison::kMore:
      return a > b;
    case Comparison::kMoreEqual:
      return a >= b;
  }
  return false;
}

Scalar OfFloats(char mark, double a, double b) {
  if ((mark == '/' || mark == '%') && b == 0) return {};
  switch (mark) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    default:
      return std::fmod(a, b);
  }
}

// Missing: it is not a whole number.
Scalar OfIntegers(char mark, int64_t a, int64_t b) {
  int64_t out = 0;
  if (mark == '+' && !__builtin_add_overflow(a, b, &out)) return out;
  if (mark == '-' && !__builtin_sub_overflow(a, b, &out)) return out;
  if (mark == '*' && !__builtin_mul_overflow(a, b, &out)) return out;
  if (mark == '%' && b == -1) return int64_t{0};  // the quotient may not fit
  if (mark == '%' && b != 0) return a % b;
  return {};
}

bool IsWhole(const Scalar& value) {
  return std::holds_alternative<int64_t>(value) || std::holds_alternative<bool>(value);
}

int64_t WholeOf(const Scalar& value) {
  if (const bool* yes = std::get_if<bool>(&value)) return *yes ? 1 : 0;
  return std::get<int64_t>(value);
}

}  // namespace

Comparison ComparisonOf(std::string_view mark) {
  if (mark == "=") return Comparison::kEqual;
  if (mark == "!=") return Comparison::kNotEqual;
  if (mark == "<") return Comparison::kLess;
  if (mark == "<=") return Comparison::kLessEqual;
  if (mark == ">") return Comparison::kMore;
  return Comparison::kMoreEqual;
}

bool IsMissing(const Scalar& value) { return std::holds_alternative<std::monostate>(value); }
bool IsText(const Scalar& value) { return std::holds_alternative<std::string>(value); }
bool IsNan(const Scalar& value) {
  const double* number = std::get_if<double>(&value);
  return number && std::isnan(*number);
}

double NumberOf(const Scalar& value) { return static_cast<double>(Wide(value)); }

std::string Described(const Scalar& value) {
  if (IsMissing(value)) return "missing";
  if (std::holds_alternative<bool>(value)) return TextOf(value);
  if (!IsText(value)) return "the number " + TextOf(value);
  const std::string& text = std::get<std::string>(value);
  return "the text '" + (text.size() > kShownMax ? text.substr(0, kShownMax) + "..." : text) + "'";
}

Result<Truth> Compared(Comparison how, const Scalar& a, const Scalar& b) {
  if (IsMissing(a) || IsMissing(b)) return Truth::kUnknown;
  if (IsText(a) != IsText(b)) {
    return Status(Code::kInvalidArgument,
                  Described(a) + " cannot be compared with " + Described(b));
  }
  if (IsText(a)) return TruthOf(Holds(how, std::get<std::string>(a), std::get<std::string>(b)));
  return TruthOf(Holds(how, Wide(a), Wide(b)));
}

Result<Scalar> Calculated(char mark, const Scalar& a, const Scalar& b) {
  for (const Scalar* value : {&a, &b}) {
    if (!IsText(*value)) continue;
    return Status(Code::kInvalidArgument,
                  std::string("'") + mark + "' needs numbers, not " + Described(*value));
  }
  if (IsMissing(a) || IsMissing(b)) return Scalar();
  if (IsWhole(a) && IsWhole(b)) {
    Scalar whole = OfIntegers(mark, WholeOf(a), WholeOf(b));
    if (!IsMissing(whole)) return whole;
  }
  return OfFloats(mark, NumberOf(a), NumberOf(b));
}

}  // namespace query
}  // namespace stemma::lineage
