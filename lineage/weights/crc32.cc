#include "lineage/weights/crc32.h"

#include <array>
#include <cstring>

namespace stemma::lineage {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// Table 0 moves the register by one byte; table k by one byte that k more follow.
Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

}  // namespace

uint32_t Crc32(uint32_t crc, std::string_view bytes) {
  static const Tables tables = MakeTables();
  crc = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    uint32_t low, high;  // little-endian, as everything that Stemma runs on
    std::memcpy(&low, bytes.data(), sizeof low);
    std::memcpy(&high, bytes.data() + 4, sizeof high);
    low ^= crc;
    crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
          tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
          tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
  }
  for (const char c : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

}  // namespace stemma::lineage
