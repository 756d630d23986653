#include "models/aigw/digits17.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace stemma::models {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kFives[] = {1,
                               5,
                               25,
                               125,
                               625,
                               3125,
                               15625,
                               78125,
                               390625,
                               1953125,
                               9765625,
                               48828125,
                               244140625,
                               1220703125,
                               6103515625,
                               30517578125,
                               152587890625,
                               762939453125,
                               3814697265625,
                               19073486328125,
                               95367431640625,
                               476837158203125};

// m 2^e 10^k, rounded to the nearest integer, halves to even. REQUIRES: m < 2^53, 0 <= k <= 21, and
// the result is below 2^63.
uint64_t Scaled(uint64_t m, int e, int k) {
  const Wide product = static_cast<Wide>(m) * kFives[k];
  const int shift = -(e + k);
  if (shift <= 0) return static_cast<uint64_t>(product << -shift);
  const Wide rest = product & ((static_cast<Wide>(1) << shift) - 1);
  const Wide half = static_cast<Wide>(1) << (shift - 1);
  const auto whole = static_cast<uint64_t>(product >> shift);
  return whole + (rest > half || (rest == half && (whole & 1) != 0) ? 1 : 0);
}

// The last `count` decimal digits of `number`, leading zeros included.
void PutDecimal(char* out, uint64_t number, int count) {
  while (count-- > 0) {
    out[count] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

}  // namespace

char* PutDigits17(char* out, double value) {
  const double size = std::abs(value);
  if (!(size >= 1e-4 && size < 1e17)) {
    return std::to_chars(out, out + kDigits17Bytes, value, std::chars_format::general, 17).ptr;
  }
  constexpr uint64_t kLow = 10000000000000000, kHigh = 10 * kLow;  // 17 digits: [kLow, kHigh)
  uint64_t bits;
  std::memcpy(&bits, &size, sizeof bits);
  const int exponent = static_cast<int>(bits >> 52) - 1023;  // of 2; size is normal
  const uint64_t m = (bits & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
  // The power of ten of the first digit: log10(2) = 0.30103 makes it right, or one too small.
  int power = static_cast<int>(std::floor(exponent * 0.30102999566398120));
  uint64_t digits = Scaled(m, exponent - 52, 16 - power);
  if (digits >= kHigh) digits = Scaled(m, exponent - 52, 16 - ++power);

  char text[17];
  PutDecimal(text, digits / 100000000, 9);
  PutDecimal(text + 9, digits % 100000000, 8);
  int count = 17;  // without the zeros at the end
  while (text[count - 1] == '0') --count;
  if (value < 0) *out++ = '-';
  if (power < 0) {
    std::memcpy(out, "0.000", 5);
    out += 1 - power;
    std::memcpy(out, text, 17);
    return out + count;
  }
  const int before = power + 1;
  std::memcpy(out, text, static_cast<size_t>(before));
  out += before;
  if (count <= before) return out;
  *out++ = '.';
  std::memcpy(out, text + before, static_cast<size_t>(count - before));
  return out + (count - before);
}

}  // namespace stemma::models
