// A picture as the bytes of a file: PNG or binary PPM, by the file's name.
//
//   STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeImage("g.png", {224, 224, rgb}));
//
// PNG here is uncompressed (deflate's stored blocks): as large as the pixels, read by everything,
// and no library is needed for it. Noise hardly compresses anyway. Formats: RFC 2083 (PNG), RFC
// 1950 and 1951 (zlib, deflate), netpbm's P6. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

struct Pixels {
  size_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height][width][3]
};

// kInvalidArgument: a name that ends neither in .png nor in .ppm.
Result<std::string> EncodeImage(const std::string& path, const Pixels& pixels);

}  // namespace stemma::cli
