#include "lineage/planes.h"

#include <cstdint>
#include <cstring>

#include "core/check.h"

namespace stemma::lineage {
namespace {

template <int kShift>
void Split(std::string_view f32, char* out) {
  STEMMA_DCHECK(f32.size() % 4 == 0, "whole elements");
  const char* in = f32.data();
  const size_t count = f32.size() / 4;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, in + 4 * i, sizeof bits);
    const auto half = static_cast<uint16_t>(bits >> kShift);
    std::memcpy(out + 2 * i, &half, sizeof half);
  }
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "planes are copied, not converted");

}  // namespace

void SplitHigh(std::string_view f32, char* high) { Split<16>(f32, high); }
void SplitLow(std::string_view f32, char* low) { Split<0>(f32, low); }

void MergePlanes(std::string_view high, std::string_view low, char* f32) {
  STEMMA_CHECK(high.size() == low.size(), "planes of one span are equally long");
  const char* const upper = high.data();
  const char* const lower = low.data();
  const size_t count = high.size() / 2;
  for (size_t i = 0; i < count; ++i) {
    uint16_t h, l;
    std::memcpy(&h, upper + 2 * i, sizeof h);
    std::memcpy(&l, lower + 2 * i, sizeof l);
    const uint32_t bits = uint32_t{h} << 16 | l;
    std::memcpy(f32 + 4 * i, &bits, sizeof bits);
  }
}

void FillMidpoint(std::string_view high, char* f32) {
  const size_t count = high.size() / 2;
  for (size_t i = 0; i < count; ++i) {
    uint16_t h;
    std::memcpy(&h, high.data() + 2 * i, sizeof h);
    const uint32_t exponent = h & 0x7f80;
    const uint32_t low = exponent == 0 || exponent == 0x7f80 ? 0 : 0x8000;
    const uint32_t bits = uint32_t{h} << 16 | low;
    std::memcpy(f32 + 4 * i, &bits, sizeof bits);
  }
}

}  // namespace stemma::lineage
