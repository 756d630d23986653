// From three bands of electrons to what the network sees, after the published preparation (MODELS
// of AI-DES: arXiv:1812.02183 and its authors' code), in this order:
//
//   resize     each band to 200 x 200, linear between pixel centres, the edge's value beyond
//   rescale    each band so that [mean - sigma, mean + 5 sigma] becomes [0, 1], the rest clipped;
//              mean and sigma of all pixels, as the authors' code does, or of the fainter half, as
//              its comment says
//   composite  Lupton et al. (2004), red i, green r, blue g, Q = 1, stretch = 1, minimum 0:
//              I = (r + g + b) / 3, each times asinh(I) f / I with f = 25.5 / asinh(.1); scaled
//              down together if one reaches 255; truncated to bytes
//   network    200 x 200 bytes to 224 x 224 by nearest neighbour, over 255
//
//   const Picture p = MakePicture(exposure, Rescale::kAllPixels);
//   NetworkInput(p, 224, x);                      // x: 3 * 224 * 224 floats, [3][224][224]
//
// Same bits on every machine. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/aides/survey.h"

namespace stemma::models {

constexpr size_t kPictureSide = 200;

// Part of a data set's identity: never renumber.
enum class Rescale : uint32_t { kAllPixels = 0, kFaintHalf = 1 };
// REQUIRES: "all_pixels" or "faint_half", as Check(AidesSettings) makes sure
Rescale RescaleByName(const std::string& name);

struct Picture {
  size_t side = 0;
  std::vector<uint8_t> rgb;  // [side][side][3]
};

// Red, green and blue before truncation to bytes.
std::array<double, 3> Lupton(double red, double green, double blue);

// REQUIRES: image has from * from values, from >= 1, to >= 1
std::vector<double> ResizeLinear(const std::vector<double>& image, size_t from, size_t to);
// In place. A band without any contrast becomes 0.
void RescaleBand(Rescale rule, std::vector<double>* band);

Picture MakePicture(const Exposure& exposure, Rescale rule);
Picture ResizeNearest(const Picture& picture, size_t side);
// ResizeNearest to `side`, over 255, as three planes at `x`.
void NetworkInput(const Picture& picture, size_t side, float* x);

}  // namespace stemma::models
