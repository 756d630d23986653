#include <charconv>

#include "core/bytes.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/pack_format.h"
#include "lineage/safetensors.h"

namespace stemma::lineage {

Result<PackOwner> ReadPackOwner(Storage& storage, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t size, storage.SizeOf(path));
  STEMMA_ASSIGN_OR_RETURN(const std::string length, storage.ReadAt(path, 0, 8));
  const uint64_t header = Decoder(length).U64();
  if (header > kSafetensorsHeaderMax || header + 8 > size) {
    return Status(Code::kCorruption, path + ": no pack's header");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string json, storage.ReadAt(path, 8, header));
  STEMMA_ASSIGN_OR_RETURN(SafetensorsHeader parsed, ParseSafetensors(json, size - 8 - header));
  PackOwner owner;
  owner.run = parsed.metadata[kKeyRun];
  const std::string& number = parsed.metadata[kKeyInc];
  const char* const end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, owner.incarnation);
  if (IsUlid(owner.run) && read.ec == std::errc() && read.ptr == end) return owner;
  return Status(Code::kCorruption, path + ": its header names no run and incarnation");
}

}  // namespace stemma::lineage
