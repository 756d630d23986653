#include "tools/cli/image_file.h"

#include <algorithm>
#include <string_view>

#include "lineage/weights/crc32.h"

namespace stemma::cli {

namespace {

void Big32(uint32_t v, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(v >> shift));
}

uint32_t Adler32(std::string_view bytes) {
  uint32_t a = 1, b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

std::string ZlibStored(std::string_view bytes) {
  constexpr size_t kBlock = 65535;
  std::string out("\x78\x01", 2);
  for (size_t at = 0;; at += kBlock) {
    const size_t size = std::min(kBlock, bytes.size() - at);
    const bool last = at + size == bytes.size();
    out.push_back(last ? 1 : 0);
    for (const size_t v : {size, ~size}) {
      out.push_back(static_cast<char>(v));
      out.push_back(static_cast<char>(v >> 8));
    }
    out.append(bytes.substr(at, size));
    if (last) break;
  }
  Big32(Adler32(bytes), &out);
  return out;
}

void Chunk(const char* type, const std::string& data, std::string* out) {
  Big32(static_cast<uint32_t>(data.size()), out);
  const std::string checked = type + data;
  out->append(checked);
  Big32(lineage::Crc32(0, checked), out);
}

std::string_view Row(const Pixels& pixels, size_t y) {
  return {reinterpret_cast<const char*>(&pixels.rgb[3 * pixels.width * y]), 3 * pixels.width};
}

std::string Png(const Pixels& pixels) {
  std::string out("\x89PNG\r\n\x1a\n", 8), header, rows;
  Big32(static_cast<uint32_t>(pixels.width), &header);
  Big32(static_cast<uint32_t>(pixels.height), &header);
  header.append("\x08\x02\x00\x00\x00", 5);  // 8 bits, colour, no interlacing
  for (size_t y = 0; y < pixels.height; ++y) {
    rows.push_back(0);  // no filter
    rows.append(Row(pixels, y));
  }
  Chunk("IHDR", header, &out);
  Chunk("IDAT", ZlibStored(rows), &out);
  Chunk("IEND", "", &out);
  return out;
}

std::string Ppm(const Pixels& pixels) {
  std::string out =
      "P6\n" + std::to_string(pixels.width) + " " + std::to_string(pixels.height) + "\n255\n";
  for (size_t y = 0; y < pixels.height; ++y) out.append(Row(pixels, y));
  return out;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

Result<std::string> EncodeImage(const std::string& path, const Pixels& pixels) {
  if (EndsWith(path, ".png")) return Png(pixels);
  if (EndsWith(path, ".ppm")) return Ppm(pixels);
  return Status(Code::kInvalidArgument,
                "'" + path + "' ends neither in .png nor in .ppm, the two formats there are");
}

}  // namespace stemma::cli
