// Images that are made, for benchmarks and tests: pixels with the spectrum of photographs, and
// their JPEG. Equal arguments give equal bytes, as long as libjpeg is the same. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemma::bench {

enum class JpegKind { kGrey, k420, k444, kProgressive, kCmyk };

// width * height * 3 levels, red, green and blue. Noise of all scales, each octave with `roughness`
// of the amplitude of the one above it; 0.7 gives JPEGs as large as those of photographs.
std::vector<uint8_t> MadePixels(int width, int height, uint64_t seed, double roughness = .5);

// Of `rgb` as JPEG. kGrey takes the green channel; kCmyk writes inverted inks as Adobe does,
// without black.
std::string MadeJpeg(const std::vector<uint8_t>& rgb, int width, int height, JpegKind kind,
                     int quality);

}  // namespace stemma::bench
