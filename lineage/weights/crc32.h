// CRC-32 as zip archives have it (ISO 3309, polynomial 0xedb88320 reflected), eight bytes at a
// time by tables.
//
//   uint32_t crc = 0;
//   crc = Crc32(crc, first); crc = Crc32(crc, second);      // of both, one after the other
//
// Pure function; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace stemma::lineage {

uint32_t Crc32(uint32_t crc, std::string_view bytes);

}  // namespace stemma::lineage
