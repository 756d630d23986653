// The element types that Stemma moves, reduces and stores. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stemma {

// These numbers reach disk and the wire: never renumber, only append.
enum class DType : uint8_t {
  kU8 = 1,
  kI8 = 2,
  kI32 = 3,
  kI64 = 4,
  kF16 = 5,
  kBF16 = 6,
  kF32 = 7,
  kF64 = 8,
  kBool = 9,
  kI16 = 10,
};

// Bytes of one element; 0 for a number that is no DType (a file may hold any).
inline size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kI8:
    case DType::kBool:
      return 1;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI32:
    case DType::kF32:
      return 4;
    case DType::kI64:
    case DType::kF64:
      return 8;
  }
  return 0;
}

// "f32", "bf16", ...; "?" for a number that is no DType.
inline std::string_view NameOf(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return "u8";
    case DType::kI8:
      return "i8";
    case DType::kBool:
      return "bool";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kI16:
      return "i16";
    case DType::kI32:
      return "i32";
    case DType::kF32:
      return "f32";
    case DType::kI64:
      return "i64";
    case DType::kF64:
      return "f64";
  }
  return "?";
}

inline bool IsFloat(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

}  // namespace stemma
