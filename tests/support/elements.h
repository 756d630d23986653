// Elements of every dtype as plain numbers, for contracts that are closed forms over small
// integers.
#pragma once

#include <cstring>
#include <vector>

#include "comm/communicator.h"
#include "comm/reduce_kernels.h"
#include "core/dtype.h"

namespace stemma::tests::internal {

constexpr DType kAllDTypes[] = {DType::kU8,  DType::kI8,   DType::kI32, DType::kI64,
                                DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

// One element of any dtype from a small integer, and back.
inline void Write(DType dtype, double value, char* at) {
  const auto put = [at](auto typed) { std::memcpy(at, &typed, sizeof typed); };
  switch (dtype) {
    case DType::kU8:
      return put(static_cast<uint8_t>(value));
    case DType::kI8:
      return put(static_cast<int8_t>(value));
    case DType::kI16:
      return put(static_cast<int16_t>(value));
    case DType::kI32:
      return put(static_cast<int32_t>(value));
    case DType::kI64:
      return put(static_cast<int64_t>(value));
    case DType::kF16:
      return put(comm::HalfFromFloat(static_cast<float>(value)));
    case DType::kBF16:
      return put(comm::BfloatFromFloat(static_cast<float>(value)));
    case DType::kF32:
      return put(static_cast<float>(value));
    default:
      return put(value);
  }
}

template <typename T>
T Get(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline double Read(DType dtype, const char* at) {
  switch (dtype) {
    case DType::kU8:
      return Get<uint8_t>(at);
    case DType::kI8:
      return Get<int8_t>(at);
    case DType::kI16:
      return Get<int16_t>(at);
    case DType::kI32:
      return Get<int32_t>(at);
    case DType::kI64:
      return static_cast<double>(Get<int64_t>(at));
    case DType::kF16:
      return comm::FloatFromHalf(Get<uint16_t>(at));
    case DType::kBF16:
      return comm::FloatFromBfloat(Get<uint16_t>(at));
    case DType::kF32:
      return Get<float>(at);
    default:
      return Get<double>(at);
  }
}

// `count` elements of one dtype, element i being value(i).
struct Elements {
  template <typename Value>
  Elements(DType type, int64_t n, Value value)
      : dtype(type), count(n), bytes(static_cast<size_t>(n) * SizeOf(type)) {
    for (int64_t i = 0; i < n; ++i) Write(type, value(i), bytes.data() + i * SizeOf(type));
  }
  double operator[](int64_t i) const {
    return Read(dtype, bytes.data() + static_cast<size_t>(i) * SizeOf(dtype));
  }
  comm::Span span() { return {bytes.data(), count, dtype}; }
  comm::Span part(int64_t first, int64_t n) {
    return {bytes.data() + static_cast<size_t>(first) * SizeOf(dtype), n, dtype};
  }
  comm::ConstSpan in() const { return {bytes.data(), count, dtype}; }

  const DType dtype;
  const int64_t count;
  std::vector<char> bytes;
};

}  // namespace stemma::tests::internal
