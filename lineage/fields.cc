#include "lineage/fields.h"

#include "core/check.h"

namespace stemma::lineage {
namespace {

constexpr size_t kFieldHeader = 6;

}  // namespace

void FieldWriter::Bytes(uint16_t tag, std::string_view value) {
  STEMMA_CHECK(static_cast<int>(tag) > last_, "tags ascend");
  STEMMA_CHECK(value.size() <= 0xffffffff, "a field has at most 4 GiB");
  last_ = tag;
  out_.U16(tag);
  out_.String(value);
}

void FieldWriter::U8(uint16_t tag, uint8_t v) {
  Encoder value;
  value.U8(v);
  Bytes(tag, value.bytes());
}
void FieldWriter::U32(uint16_t tag, uint32_t v) {
  Encoder value;
  value.U32(v);
  Bytes(tag, value.bytes());
}
void FieldWriter::U64(uint16_t tag, uint64_t v) {
  Encoder value;
  value.U64(v);
  Bytes(tag, value.bytes());
}
void FieldWriter::F64(uint16_t tag, double v) {
  Encoder value;
  value.F64(v);
  Bytes(tag, value.bytes());
}

FieldReader::FieldReader(std::string_view bytes) : rest_(bytes) {}

// Makes the next field pending; false at the end or when what follows is no field.
bool FieldReader::Next() {
  if (rest_.empty() || bad_) return false;
  Decoder in(rest_);
  const int tag = in.U16();
  const uint32_t length = in.U32();
  const std::string_view value = in.Raw(length);
  if (!in.ok() || tag <= tag_) {
    bad_ = true;
    return false;
  }
  tag_ = tag;
  value_ = value;
  rest_.remove_prefix(kFieldHeader + length);
  pending_ = true;
  return true;
}

std::string_view FieldReader::Bytes(uint16_t tag) {
  while (pending_ || Next()) {
    if (tag_ > tag) return {};
    pending_ = false;
    if (tag_ == tag) return value_;
    if (tag_ >= kCriticalTag) critical_ = true;
  }
  return {};
}

// Exactly `length` bytes, or empty where the field is not there.
std::string_view FieldReader::Fixed(uint16_t tag, size_t length) {
  const std::string_view value = Bytes(tag);
  if (tag_ == tag && value.size() != length) bad_ = true;
  return value.size() == length ? value : std::string_view();
}

uint8_t FieldReader::U8(uint16_t tag) {
  Decoder in(Fixed(tag, 1));
  return in.U8();
}
uint32_t FieldReader::U32(uint16_t tag) {
  Decoder in(Fixed(tag, 4));
  return in.U32();
}
uint64_t FieldReader::U64(uint16_t tag) {
  Decoder in(Fixed(tag, 8));
  return in.U64();
}
double FieldReader::F64(uint16_t tag) {
  Decoder in(Fixed(tag, 8));
  return in.F64();
}

Status FieldReader::Finish(std::string_view what) {
  while (pending_ || Next()) {
    if (tag_ >= kCriticalTag) critical_ = true;
    pending_ = false;
  }
  if (bad_) return Status(Code::kCorruption, std::string(what) + ": its fields are damaged");
  if (!critical_) return {};
  return Status(Code::kIncompatible, std::string(what) +
                                         ": written by a newer version with a field that must "
                                         "not be skipped: use that version");
}

}  // namespace stemma::lineage
