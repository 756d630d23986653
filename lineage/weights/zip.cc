#include "lineage/weights/zip.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/text.h"

namespace stemma::lineage {
namespace {

constexpr uint32_t kEndMark = 0x06054b50, kEnd64Mark = 0x06064b50, kLocatorMark = 0x07064b50;
constexpr uint32_t kCentralMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kLocalBytes = 30, kCommentMax = 65535;
constexpr uint64_t kDirectoryMax = 64 << 20;
constexpr uint32_t kIn64 = 0xffffffff;  // the number stands in the zip64 field instead
constexpr uint16_t kField64 = 1;

Status Corrupt(const std::string& what) { return {Code::kCorruption, "zip archive: " + what}; }

// What one member's line in the directory says.
struct CentralEntry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint64_t stored = 0, bytes = 0, header = 0;  // header: where the local one is
};

struct DirectoryPlace {
  uint64_t begin = 0, bytes = 0, entries = 0;
};

Result<std::string> ReadPart(ReadableFile& file, uint64_t begin, uint64_t bytes) {
  std::string part(bytes, '\0');
  STEMMA_RETURN_IF_ERROR(file.Read(begin, bytes, part.data()));
  return part;
}

// The zip64 end record, which the locator right before the plain one points to.
Result<DirectoryPlace> ReadEnd64(ReadableFile& file, uint64_t end) {
  if (end < kLocatorBytes) return Corrupt("its zip64 locator is missing");
  STEMMA_ASSIGN_OR_RETURN(const std::string locator,
                          ReadPart(file, end - kLocatorBytes, kLocatorBytes));
  Decoder in(locator);
  if (in.U32() != kLocatorMark) return Corrupt("its zip64 locator is missing");
  in.U32();  // disk
  const uint64_t at = in.U64();
  if (at > end || end - at < kEnd64Bytes) return Corrupt("its zip64 end lies outside of the file");
  STEMMA_ASSIGN_OR_RETURN(const std::string record, ReadPart(file, at, kEnd64Bytes));
  Decoder fields(record);
  if (fields.U32() != kEnd64Mark) return Corrupt("its zip64 end is missing");
  fields.Raw(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, entries on this disk
  DirectoryPlace place;
  place.entries = fields.U64();
  place.bytes = fields.U64();
  place.begin = fields.U64();
  return place;
}

Result<DirectoryPlace> FindDirectory(ReadableFile& file, uint64_t file_bytes) {
  if (file_bytes < kEndBytes)
    return Corrupt("the file has " + std::to_string(file_bytes) + " bytes");
  const uint64_t tail_bytes = std::min(file_bytes, kEndBytes + kCommentMax);
  STEMMA_ASSIGN_OR_RETURN(const std::string tail,
                          ReadPart(file, file_bytes - tail_bytes, tail_bytes));
  // The end record is the last whose comment fills the file.
  for (uint64_t back = kEndBytes; back <= tail_bytes; ++back) {
    Decoder in(std::string_view(tail).substr(tail_bytes - back));
    if (in.U32() != kEndMark) continue;
    in.Raw(2 + 2 + 2);  // disks, entries on this disk
    DirectoryPlace place;
    place.entries = in.U16();
    place.bytes = in.U32();
    place.begin = in.U32();
    if (in.U16() != back - kEndBytes) continue;
    if (place.entries == 0xffff || place.bytes == kIn64 || place.begin == kIn64) {
      STEMMA_ASSIGN_OR_RETURN(place, ReadEnd64(file, file_bytes - back));
    }
    if (place.begin > file_bytes || place.bytes > file_bytes - place.begin) {
      return Corrupt("its directory lies outside of the file");
    }
    return place;
  }
  return Corrupt("its end is missing: the file was cut short, or is none");
}

// Numbers that did not fit into 32 bits, in this order.
void ReadField64(std::string_view extra, CentralEntry* entry) {
  Decoder in(extra);
  while (in.remaining() >= 4) {
    const uint16_t id = in.U16();
    const std::string_view body = in.Raw(in.U16());
    if (id != kField64) continue;
    Decoder numbers(body);
    for (uint64_t* number : {&entry->bytes, &entry->stored, &entry->header}) {
      if (*number == kIn64) *number = numbers.U64();
    }
    return;
  }
}

Result<CentralEntry> ReadCentral(Decoder* in) {
  CentralEntry entry;
  if (in->U32() != kCentralMark) return Corrupt("its directory is damaged");
  in->Raw(2 + 2);  // versions
  entry.flags = in->U16();
  entry.method = in->U16();
  in->Raw(2 + 2 + 4);  // time, date, CRC-32
  entry.stored = in->U32();
  entry.bytes = in->U32();
  const uint16_t name = in->U16(), extra = in->U16(), comment = in->U16();
  in->Raw(2 + 2 + 4);  // disk, attributes
  entry.header = in->U32();
  entry.name = std::string(in->Raw(name));
  ReadField64(in->Raw(extra), &entry);
  in->Raw(comment);
  if (!in->ok()) return Corrupt("its directory is cut short");
  return entry;
}

Status CheckPlain(const CentralEntry& entry) {
  if ((entry.flags & 1) != 0) {
    return {Code::kInvalidArgument, "its member '" + Printable(entry.name) + "' is encrypted"};
  }
  if (entry.method == 0 && entry.stored != entry.bytes) {
    return Corrupt("'" + Printable(entry.name) + "' has two lengths");
  }
  return {};
}

// Where the data begins: behind the local header, whose length only it knows.
Result<ZipMember> Locate(ReadableFile& file, const CentralEntry& entry, uint64_t limit) {
  const std::string where = "'" + Printable(entry.name) + "' ";
  const uint64_t least = kLocalBytes + entry.name.size();
  if (entry.header > limit || limit - entry.header < least) {
    return Corrupt(where + "lies outside of the file");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string header, ReadPart(file, entry.header, least));
  Decoder in(header);
  const bool marked = in.U32() == kLocalMark;
  in.Raw(22);
  const uint16_t name = in.U16(), extra = in.U16();
  if (!marked || name != entry.name.size() || in.Raw(name) != entry.name) {
    return Corrupt(where + "is called otherwise where it lies");
  }
  const ZipMember member = {entry.header + least + extra, entry.stored, entry.method != 0};
  if (member.begin > limit || member.bytes > limit - member.begin) {
    return Corrupt(where + "lies outside of the file");
  }
  return member;
}

Status CheckDisjoint(const ZipDirectory& zip) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [name, member] : zip) {
    if (member.bytes > 0) ranges.emplace_back(member.begin, member.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i - 1].first + ranges[i - 1].second > ranges[i].first) {
      return Corrupt("two members share bytes");
    }
  }
  return {};
}

}  // namespace

Result<ZipDirectory> ReadZip(ReadableFile& file, uint64_t file_bytes) {
  STEMMA_ASSIGN_OR_RETURN(const DirectoryPlace place, FindDirectory(file, file_bytes));
  if (place.bytes > kDirectoryMax) return Corrupt("its directory has more than 64 MiB");
  STEMMA_ASSIGN_OR_RETURN(const std::string directory, ReadPart(file, place.begin, place.bytes));
  Decoder in(directory);
  ZipDirectory zip;
  for (uint64_t i = 0; i < place.entries; ++i) {
    STEMMA_ASSIGN_OR_RETURN(const CentralEntry entry, ReadCentral(&in));
    STEMMA_RETURN_IF_ERROR(CheckPlain(entry));
    STEMMA_ASSIGN_OR_RETURN(const ZipMember member, Locate(file, entry, place.begin));
    if (!zip.emplace(entry.name, member).second) {
      return Corrupt("it has '" + Printable(entry.name) + "' twice");
    }
  }
  STEMMA_RETURN_IF_ERROR(CheckDisjoint(zip));
  return zip;
}

}  // namespace stemma::lineage
