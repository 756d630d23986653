// The values that a query compares, and three-valued logic: a predicate on a value that a state
// does not have is neither true nor false but unknown, and so is its negation.
//
//   Compared(Comparison::kLess, int64_t{3}, 3.5)         true
//   Compared(Comparison::kLess, Scalar(), 3.5)           unknown: the first is missing
//   Compared(Comparison::kLess, "lamb", 3.5)             an error: a text and a number
//
// true and false count as 1 and 0 beside numbers. Integers and floats compare by value, exactly.
// NaN is a value: it differs from everything, itself too, and is neither above nor below anything.
// Whole numbers stay whole under + - * and %, and become floats where they do not fit; / always
// gives a float. Dividing by zero gives a missing value. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/status.h"

namespace stemma::lineage {

// monostate: missing.
using Scalar = std::variant<std::monostate, bool, int64_t, double, std::string>;

// As in TOML but without quotes; "" for missing.
std::string TextOf(const Scalar& value);

namespace query {

enum class Truth : uint8_t { kFalse = 0, kUnknown = 1, kTrue = 2 };
using Truths = std::vector<Truth>;  // by row

inline Truth TruthOf(bool yes) { return yes ? Truth::kTrue : Truth::kFalse; }
inline Truth And(Truth a, Truth b) { return a < b ? a : b; }
inline Truth Or(Truth a, Truth b) { return a < b ? b : a; }
inline Truth Not(Truth a) { return static_cast<Truth>(2 - static_cast<int>(a)); }

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kMore, kMoreEqual };
Comparison ComparisonOf(std::string_view mark);  // "=", "!=", "<", "<=", ">", anything else: ">="

bool IsMissing(const Scalar& value);
bool IsText(const Scalar& value);
bool IsNan(const Scalar& value);
// REQUIRES: neither missing nor a text.
double NumberOf(const Scalar& value);
// "the text 'lamb'", "the number 0.1", "true".
std::string Described(const Scalar& value);

// kInvalidArgument for a text beside a number.
Result<Truth> Compared(Comparison how, const Scalar& a, const Scalar& b);
// `mark` is + - * / or %. kInvalidArgument for a text.
Result<Scalar> Calculated(char mark, const Scalar& a, const Scalar& b);

}  // namespace query
}  // namespace stemma::lineage
