#include "models/data/hdf5/hdf5_number.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace stemma::models::internal {
namespace {

template <typename Stored, bool kSwap, typename Value>
void Convert(const char* raw, int64_t count, Value* out) {
  for (int64_t i = 0; i < count; ++i) {
    char bytes[sizeof(Stored)];
    std::memcpy(bytes, raw + static_cast<size_t>(i) * sizeof bytes, sizeof bytes);
    if constexpr (kSwap) std::reverse(bytes, bytes + sizeof bytes);
    Stored value;
    std::memcpy(&value, bytes, sizeof value);
    out[i] = static_cast<Value>(value);
  }
}

template <typename Stored, bool kSwap>
StoredNumber Of() {
  const NumberKind kind = std::is_same_v<Stored, uint8_t> ? NumberKind::kByte
                          : std::is_integral_v<Stored>    ? NumberKind::kInteger
                          : kSwap                         ? NumberKind::kSwapped
                          : sizeof(Stored) == 4           ? NumberKind::kFloat
                                                          : NumberKind::kDouble;
  return {kind, sizeof(Stored), Convert<Stored, kSwap, float>, Convert<Stored, kSwap, double>};
}

struct Known {
  hid_t little, big;
  StoredNumber as_little, as_big;
};

template <typename Stored>
Known Both(hid_t little, hid_t big) {
  return {little, big, Of<Stored, false>(), Of<Stored, true>()};
}

}  // namespace

std::optional<StoredNumber> NumberOf(hid_t type) {
  const Known all[] = {
      Both<float>(H5T_IEEE_F32LE, H5T_IEEE_F32BE),  Both<double>(H5T_IEEE_F64LE, H5T_IEEE_F64BE),
      Both<uint8_t>(H5T_STD_U8LE, H5T_STD_U8BE),    Both<int8_t>(H5T_STD_I8LE, H5T_STD_I8BE),
      Both<uint16_t>(H5T_STD_U16LE, H5T_STD_U16BE), Both<int16_t>(H5T_STD_I16LE, H5T_STD_I16BE),
      Both<uint32_t>(H5T_STD_U32LE, H5T_STD_U32BE), Both<int32_t>(H5T_STD_I32LE, H5T_STD_I32BE),
      Both<uint64_t>(H5T_STD_U64LE, H5T_STD_U64BE), Both<int64_t>(H5T_STD_I64LE, H5T_STD_I64BE)};
  for (const Known& known : all) {
    if (H5Tequal(type, known.little) > 0) return known.as_little;
    if (H5Tequal(type, known.big) > 0) return known.as_big;
  }
  return std::nullopt;
}

}  // namespace stemma::models::internal
