// Bytes with explicit sizes, little-endian, for everything that reaches disk or another rank.
// Encoder appends; Decoder reads a view and never past its end: the first short read makes it
// failed, every later read returns zero, and the caller asks ok() once at the end.
//
//   Encoder out;                         Decoder in(bytes);
//   out.U32(7); out.String("lr");        uint32_t n = in.U32(); std::string s = in.String();
//   Send(out.Take());                    if (!in.ok()) return Corrupt();
//
// Plain values; no thread rule applies.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace stemma {

class Encoder {
 public:
  void U8(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void U16(uint16_t v) { Little(v, 2); }
  void U32(uint32_t v) { Little(v, 4); }
  void U64(uint64_t v) { Little(v, 8); }
  void I64(int64_t v) { U64(static_cast<uint64_t>(v)); }
  void F64(double v) {
    uint64_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    U64(bits);
  }
  void Raw(std::string_view bytes) { out_.append(bytes); }
  // u32 length, then the bytes.
  void String(std::string_view text) {
    U32(static_cast<uint32_t>(text.size()));
    Raw(text);
  }
  const std::string& bytes() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  void Little(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
  }
  std::string out_;
};

// Keeps a view: the bytes outlive the Decoder.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  uint8_t U8() { return static_cast<uint8_t>(Little(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Little(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Little(4)); }
  uint64_t U64() { return Little(8); }
  int64_t I64() { return static_cast<int64_t>(U64()); }
  double F64() {
    const uint64_t bits = U64();
    double v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
  }
  std::string_view Raw(size_t count) {
    if (count > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const std::string_view bytes = in_.substr(0, count);
    in_.remove_prefix(count);
    return bytes;
  }
  std::string String() { return std::string(Raw(U32())); }
  bool ok() const { return ok_; }
  size_t remaining() const { return in_.size(); }

 private:
  uint64_t Little(int bytes) {
    const std::string_view raw = Raw(static_cast<size_t>(bytes));
    uint64_t v = 0;
    for (size_t i = 0; i < raw.size(); ++i) v |= uint64_t{static_cast<uint8_t>(raw[i])} << (8 * i);
    return v;
  }
  std::string_view in_;
  bool ok_ = true;
};

// Lower-case hexadecimal, two digits a byte.
std::string Hex(std::string_view bytes);
// The inverse; empty when `hex` is no even number of hexadecimal digits.
std::string FromHex(std::string_view hex);

}  // namespace stemma
