// How the numbers of a table are stored, and how they become float and double. Internal to
// models/data/hdf5.
//
//   const std::optional<StoredNumber> number = NumberOf(type);     // none: no number that is read
//   number->to_float(raw, count, out);
//
// IEEE floating point of 32 and 64 bits and integers of 8 to 64, in either byte order. An integer
// becomes the nearest floating-point number, so a float has integers up to 2^24 exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "models/data/hdf5/library.h"

namespace stemma::models::internal {

// kFloat, kDouble: as they are in memory; kByte: an unsigned integer of 8 bits, kInteger: another;
// kSwapped: floating point in the other byte order.
enum class NumberKind { kFloat, kDouble, kByte, kInteger, kSwapped };

struct StoredNumber {
  NumberKind kind = NumberKind::kSwapped;
  size_t width = 0;  // bytes
  // `raw` is as the file has it, at any address.
  void (*to_float)(const char* raw, int64_t count, float* out) = nullptr;
  void (*to_double)(const char* raw, int64_t count, double* out) = nullptr;
};

// With the library's lock held.
std::optional<StoredNumber> NumberOf(hid_t type);

}  // namespace stemma::models::internal
