#include "core/random.h"

#include <cmath>
#include <string>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiply0 = 0xD2511F53, kMultiply1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kMultiply0 * counter[0], b = kMultiply1 * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

uint64_t Key(std::initializer_list<uint64_t> parts) {
  Encoder bytes;
  for (const uint64_t part : parts) bytes.U64(part);
  return Xxh64(bytes.bytes());
}

Random::Random(uint64_t key, std::string_view purpose) {
  const uint64_t mixed = Xxh64(purpose, key);
  key_ = {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
}

uint32_t Random::U32() {
  if (used_ == 4) {
    words_ = Philox4x32({static_cast<uint32_t>(block_), static_cast<uint32_t>(block_ >> 32), 0, 0},
                        key_);
    ++block_;
    used_ = 0;
  }
  return words_[used_++];
}

uint64_t Random::U64() {
  const uint64_t low = U32();
  return low | uint64_t{U32()} << 32;
}

double Random::Uniform() { return static_cast<double>(U64() >> 11) * 0x1p-53; }

uint64_t Random::Below(uint64_t bound) {
  const uint64_t reject_below = (0 - bound) % bound;  // 2^64 mod bound
  for (;;) {
    const unsigned __int128 wide = static_cast<unsigned __int128>(U64()) * bound;
    if (static_cast<uint64_t>(wide) >= reject_below) return static_cast<uint64_t>(wide >> 64);
  }
}

double Random::Normal() {
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
  return radius * std::cos(6.283185307179586476925 * Uniform());
}

}  // namespace stemma
