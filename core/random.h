// Randomness that depends on keys alone: Philox4x32-10 (Salmon et al., SC'11), a function from
// (key, counter) to four 32-bit words. No state is carried, so nothing has to be captured, and the
// same key gives the same numbers on any rank, thread or machine. No std:: distribution is used:
// their results are implementation-defined.
//
//   Random draw(Key({seed, epoch, sample}), "augment");
//   double u = draw.Uniform();                       // [0, 1), 53 bits
//   uint64_t i = draw.Below(n);                      // unbiased
//
// A Random is a plain value that counts its own draws; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace stemma {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A 64-bit key out of several numbers; order matters, neighbours do not collide.
uint64_t Key(std::initializer_list<uint64_t> parts);

class Random {
 public:
  // `purpose` separates streams that share a key.
  Random(uint64_t key, std::string_view purpose);
  uint32_t U32();
  uint64_t U64();
  double Uniform();                // [0, 1), a multiple of 2^-53
  uint64_t Below(uint64_t bound);  // [0, bound), by multiply-shift with rejection; bound > 0
  double Normal();                 // mean 0, variance 1 (Box-Muller, one value a call)

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> words_{};
  uint64_t block_ = 0;
  int used_ = 4;
};

}  // namespace stemma
