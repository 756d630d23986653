// Tagged fields, the encoding of everything that lives in a frame: tag u16, length u32, value. Tags
// ascend and none comes twice, so one content has one encoding. A reader skips tags that it does
// not know below 0x8000 and refuses the others: that is how the format grows.
//
//   FieldWriter out;                              FieldReader in(bytes);
//   out.U64(3, step);                             uint64_t step = in.U64(3);
//   out.Text(7, run_name);                        std::string run_name = in.Text(7);
//   bytes = out.Take();                           STEMMA_RETURN_IF_ERROR(in.Finish("record"));
//
// Getters ask in ascending order of tags. A missing field is zero or empty; one of the wrong length
// makes Finish() fail. Plain values; one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/status.h"

namespace stemma::lineage {

constexpr uint16_t kCriticalTag = 0x8000;  // from here on: unknown means "do not use this entry"

class FieldWriter {
 public:
  // REQUIRES: tags ascend.
  void Bytes(uint16_t tag, std::string_view value);
  void Text(uint16_t tag, std::string_view value) { Bytes(tag, value); }
  void U8(uint16_t tag, uint8_t v);
  void U32(uint16_t tag, uint32_t v);
  void U64(uint16_t tag, uint64_t v);
  void I64(uint16_t tag, int64_t v) { U64(tag, static_cast<uint64_t>(v)); }
  void F64(uint16_t tag, double v);
  std::string Take() { return out_.Take(); }

 private:
  Encoder out_;
  int last_ = -1;
};

// Keeps a view: the bytes outlive the reader.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes);
  std::string_view Bytes(uint16_t tag);  // a view into the bytes
  std::string Text(uint16_t tag) { return std::string(Bytes(tag)); }
  uint8_t U8(uint16_t tag);
  uint32_t U32(uint16_t tag);
  uint64_t U64(uint16_t tag);
  int64_t I64(uint16_t tag) { return static_cast<int64_t>(U64(tag)); }
  double F64(uint16_t tag);
  // kCorruption: not whole fields, tags out of order, a wrong length. kIncompatible: an unknown
  // critical tag. Skips what is left.
  Status Finish(std::string_view what);

 private:
  bool Next();
  std::string_view Fixed(uint16_t tag, size_t length);

  std::string_view rest_, value_;
  int tag_ = -1;  // of value_, the field that was read but not asked for yet
  bool pending_ = false, bad_ = false, critical_ = false;
};

}  // namespace stemma::lineage
