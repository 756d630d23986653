#include "tools/cli/tensor_change.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.h"

namespace stemma::cli {
namespace {

template <typename T>
T Load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double Bf16(const char* at) {
  const uint32_t bits = uint32_t{Load<uint16_t>(at)} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

// IEEE half: 1 sign, 5 exponent, 10 fraction.
double F16(const char* at) {
  const uint16_t bits = Load<uint16_t>(at);
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(1024 + fraction, exponent - 25);
  }
  return bits & 0x8000 ? -value : value;
}

template <typename T>
double As(const char* at) {
  return static_cast<double>(Load<T>(at));
}

// The larger; one that is no number stays.
double Larger(double a, double b) { return std::isnan(a) || b <= a ? a : b; }

using Reader = double (*)(const char*);

Reader ReaderOf(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kBool:
      return As<uint8_t>;
    case DType::kI8:
      return As<int8_t>;
    case DType::kI16:
      return As<int16_t>;
    case DType::kI32:
      return As<int32_t>;
    case DType::kI64:
      return As<int64_t>;
    case DType::kF16:
      return F16;
    case DType::kBF16:
      return Bf16;
    case DType::kF32:
      return As<float>;
    case DType::kF64:
      return As<double>;
  }
  return nullptr;
}

}  // namespace

void Change::Add(const Change& other) {
  count += other.count;
  different += other.different;
  changed += other.changed;
  difference_squared += other.difference_squared;
  a_squared += other.a_squared;
  b_squared += other.b_squared;
  dot += other.dot;
  max = Larger(max, other.max);
}

double Change::L2() const { return std::sqrt(difference_squared); }

double Change::RelativeL2() const {
  return difference_squared == 0 ? 0 : std::sqrt(difference_squared / a_squared);
}

double Change::Cosine() const {
  if (a_squared == 0 && b_squared == 0) return 1;
  if (a_squared == 0 || b_squared == 0) return 0;
  return std::clamp(dot / std::sqrt(a_squared) / std::sqrt(b_squared), -1.0, 1.0);
}

Change Compare(DType dtype, std::string_view a, std::string_view b, double eps) {
  const size_t size = SizeOf(dtype);
  const Reader read = ReaderOf(dtype);
  STEMMA_CHECK(read && a.size() == b.size() && a.size() % size == 0,
               "compared tensors differ in size or are of no known type");
  Change change;
  change.count = a.size() / size;
  for (size_t at = 0; at < a.size(); at += size) {
    const double x = read(a.data() + at), y = read(b.data() + at);
    const bool same_bits = std::memcmp(a.data() + at, b.data() + at, size) == 0;
    const double difference = same_bits ? 0 : std::fabs(y - x);
    change.different += !same_bits;
    // Written so that a number that is none counts as changed.
    change.changed += eps > 0 ? !(difference <= eps) : !same_bits;
    change.max = Larger(change.max, difference);
    change.difference_squared += difference * difference;
    change.a_squared += x * x;
    change.b_squared += y * y;
    change.dot += x * y;
  }
  return change;
}

}  // namespace stemma::cli
