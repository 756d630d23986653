#include "lineage/weights/zip_writer.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/check.h"
#include "lineage/weights/crc32.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kBufferBytes = 4 << 20;  // appended at once
constexpr uint64_t kDataAlign = 64, kLocalBytes = 30;
constexpr uint64_t kIn64 = 0xffffffff, kCountIn64 = 0xffff;
constexpr uint16_t kPlainVersion = 20, k64Version = 45;
constexpr uint16_t kCrcFollows = 1 << 3;  // flag: CRC-32 and lengths stand behind the data
constexpr uint16_t kField64 = 1, kPaddingField = 0x5453;
constexpr uint16_t kTime = 0, kDate = 1 << 5 | 1;  // the first of January 1980: no clock gets in

uint32_t Below64(uint64_t value) { return static_cast<uint32_t>(std::min(value, kIn64)); }

std::string LocalHeader(const std::string& name, uint64_t at, uint64_t bytes) {
  const bool is_64 = bytes >= kIn64;
  const uint64_t fixed = kLocalBytes + name.size() + (is_64 ? 20 : 0) + 4;
  const uint64_t padding = (kDataAlign - (at + fixed) % kDataAlign) % kDataAlign;
  Encoder out;
  out.U32(0x04034b50);
  out.U16(is_64 ? k64Version : kPlainVersion);
  out.U16(kCrcFollows);
  out.U16(0);  // stored
  out.U16(kTime);
  out.U16(kDate);
  out.U32(0);  // CRC-32
  out.U32(is_64 ? static_cast<uint32_t>(kIn64) : 0);
  out.U32(is_64 ? static_cast<uint32_t>(kIn64) : 0);
  out.U16(static_cast<uint16_t>(name.size()));
  out.U16(static_cast<uint16_t>((is_64 ? 20 : 0) + 4 + padding));
  out.Raw(name);
  if (is_64) {
    out.U16(kField64);
    out.U16(16);
    out.U64(0);
    out.U64(0);
  }
  out.U16(kPaddingField);
  out.U16(static_cast<uint16_t>(padding));
  out.Raw(std::string(padding, '\0'));
  return out.Take();
}

}  // namespace

Status ZipWriter::Begin(const std::string& name, uint64_t bytes) {
  members_.push_back({name, written_, bytes, 0});
  in_member_ = 0;
  return Put(LocalHeader(name, written_, bytes));
}

Status ZipWriter::Append(std::string_view bytes) {
  Member& member = members_.back();
  member.crc = Crc32(member.crc, bytes);
  in_member_ += bytes.size();
  return Put(bytes);
}

Status ZipWriter::End() {
  const Member& member = members_.back();
  STEMMA_CHECK(in_member_ == member.bytes, "a member has the length that was announced");
  const bool is_64 = member.bytes >= kIn64;
  Encoder out;
  out.U32(0x08074b50);
  out.U32(member.crc);
  for (int i = 0; i < 2; ++i) {
    if (is_64) {
      out.U64(member.bytes);
    } else {
      out.U32(static_cast<uint32_t>(member.bytes));
    }
  }
  return Put(out.bytes());
}

Status ZipWriter::Add(const std::string& name, std::string_view bytes) {
  STEMMA_RETURN_IF_ERROR(Begin(name, bytes.size()));
  STEMMA_RETURN_IF_ERROR(Append(bytes));
  return End();
}

Status ZipWriter::Finish() {
  const uint64_t begin = written_;
  for (const Member& member : members_) {
    Encoder large;  // what does not fit into 32 bits, in this order
    if (member.bytes >= kIn64) {
      large.U64(member.bytes);
      large.U64(member.bytes);
    }
    if (member.header >= kIn64) large.U64(member.header);
    const auto extra = static_cast<uint16_t>(large.bytes().empty() ? 0 : 4 + large.bytes().size());
    Encoder out;
    out.U32(0x02014b50);
    out.U16(k64Version);
    out.U16(extra > 0 ? k64Version : kPlainVersion);
    out.U16(kCrcFollows);
    out.U16(0);  // stored
    out.U16(kTime);
    out.U16(kDate);
    out.U32(member.crc);
    out.U32(Below64(member.bytes));
    out.U32(Below64(member.bytes));
    out.U16(static_cast<uint16_t>(member.name.size()));
    out.U16(extra);
    out.Raw(std::string(2 + 2 + 2 + 4, '\0'));  // comment, disk, attributes
    out.U32(Below64(member.header));
    out.Raw(member.name);
    if (extra > 0) {
      out.U16(kField64);
      out.U16(static_cast<uint16_t>(large.bytes().size()));
      out.Raw(large.bytes());
    }
    STEMMA_RETURN_IF_ERROR(Put(out.bytes()));
  }
  const uint64_t end = written_, count = members_.size();
  Encoder out;
  if (count >= kCountIn64 || begin >= kIn64 || end - begin >= kIn64) {
    out.U32(0x06064b50);
    out.U64(44);  // what follows of this record
    out.U16(k64Version);
    out.U16(k64Version);
    out.U64(0);  // disks
    out.U64(count);
    out.U64(count);
    out.U64(end - begin);
    out.U64(begin);
    out.U32(0x07064b50);
    out.U32(0);  // disk
    out.U64(end);
    out.U32(1);  // disks
  }
  out.U32(0x06054b50);
  out.U32(0);  // disks
  for (int i = 0; i < 2; ++i) out.U16(static_cast<uint16_t>(std::min(count, kCountIn64)));
  out.U32(Below64(end - begin));
  out.U32(Below64(begin));
  out.U16(0);  // comment
  STEMMA_RETURN_IF_ERROR(Put(out.bytes()));
  return Flush();
}

Status ZipWriter::Put(std::string_view bytes) {
  buffer_ += bytes;
  written_ += bytes.size();
  return buffer_.size() >= kBufferBytes ? Flush() : Status();
}

Status ZipWriter::Flush() {
  STEMMA_RETURN_IF_ERROR(file_.Append(buffer_));
  buffer_.clear();
  return {};
}

}  // namespace stemma::lineage
