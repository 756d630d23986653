#include "models/aides/picture.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/check.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

// A place between two neighbours on an axis: (1 - t) of `low` and t of the next.
struct Between {
  size_t low, high;
  double t;
};

std::vector<Between> Places(size_t from, size_t to) {
  std::vector<Between> places(to);
  const double step = static_cast<double>(from) / static_cast<double>(to);
  const double last = static_cast<double>(from - 1);
  for (size_t i = 0; i < to; ++i) {
    const double at = (static_cast<double>(i) + .5) * step - .5;
    const double inside = std::min(std::max(at, 0.), last), low = std::floor(inside);
    const auto k = static_cast<size_t>(low);
    places[i] = {k, std::min(k + 1, from - 1), inside - low};
  }
  return places;
}

struct Moments {
  double mean = 0, sigma = 0;
};

// In eight sums side by side, which the compiler may not do by itself: it changes the rounding.
template <typename Value>
double Sum(size_t n, Value value) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {}, sum = 0;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) lanes[k] += value(i + k);
  }
  for (; i < n; ++i) sum += value(i);
  for (const double lane : lanes) sum += lane;
  return sum;
}

Moments MomentsOf(const std::vector<double>& v) {
  const double n = static_cast<double>(v.size());
  const double mean = Sum(v.size(), [&](size_t i) { return v[i]; }) / n;
  const double squares = Sum(v.size(), [&](size_t i) { return (v[i] - mean) * (v[i] - mean); });
  return {mean, std::sqrt(squares / n)};
}

// Sorted first, so that the sums' order, and with it their bits, is not the library's.
std::vector<double> FainterHalf(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  v.resize(std::max<size_t>(v.size() / 2, 1));
  return v;
}

}  // namespace

std::array<double, 3> Lupton(double red, double green, double blue) {
  constexpr double kFront = 25.5 / 0.09983407889920758;  // asinh(.1)
  const double intensity = (red + green + blue) / 3;
  const double factor = intensity > 0 ? internal::Asinh(intensity) * kFront / intensity : 0;
  std::array<double, 3> rgb = {std::max(red * factor, 0.), std::max(green * factor, 0.),
                               std::max(blue * factor, 0.)};
  const double largest = std::max(std::max(rgb[0], rgb[1]), rgb[2]);
  if (largest >= 255) {
    for (double& channel : rgb) channel *= 255 / largest;
  }
  return rgb;
}

std::vector<double> ResizeLinear(const std::vector<double>& image, size_t from, size_t to) {
  STEMMA_CHECK(image.size() == from * from && from > 0 && to > 0,
               std::to_string(image.size()) + " pixels");
  const std::vector<Between> places = Places(from, to);
  std::vector<double> wide(from * to), out(to * to);
  for (size_t y = 0; y < from; ++y) {
    const double* row = &image[y * from];
    for (size_t x = 0; x < to; ++x) {
      const Between& p = places[x];
      wide[y * to + x] = row[p.low] + p.t * (row[p.high] - row[p.low]);
    }
  }
  for (size_t y = 0; y < to; ++y) {
    const Between& p = places[y];
    const double *low = &wide[p.low * to], *high = &wide[p.high * to];
    for (size_t x = 0; x < to; ++x) out[y * to + x] = low[x] + p.t * (high[x] - low[x]);
  }
  return out;
}

Rescale RescaleByName(const std::string& name) {
  return name == "faint_half" ? Rescale::kFaintHalf : Rescale::kAllPixels;
}

void RescaleBand(Rescale rule, std::vector<double>* band) {
  const Moments m = MomentsOf(rule == Rescale::kFaintHalf ? FainterHalf(*band) : *band);
  const double low = m.mean - m.sigma, scale = m.sigma > 0 ? 1 / (6 * m.sigma) : 0;
  for (double& v : *band) v = std::min(std::max((v - low) * scale, 0.), 1.);
}

Picture MakePicture(const Exposure& exposure, Rescale rule) {
  Bands bands;
  for (size_t band = 0; band < kBands; ++band) {
    bands[band] = ResizeLinear(exposure.bands[band], exposure.side, kPictureSide);
    RescaleBand(rule, &bands[band]);
  }
  Picture picture;
  picture.side = kPictureSide;
  picture.rgb.resize(3 * kPictureSide * kPictureSide);
  for (size_t i = 0; i < kPictureSide * kPictureSide; ++i) {
    const auto rgb = Lupton(bands[kBandI][i], bands[kBandR][i], bands[kBandG][i]);
    for (size_t c = 0; c < 3; ++c) picture.rgb[3 * i + c] = static_cast<uint8_t>(rgb[c]);
  }
  return picture;
}

Picture ResizeNearest(const Picture& picture, size_t side) {
  Picture out;
  out.side = side;
  out.rgb.resize(3 * side * side);
  for (size_t y = 0; y < side; ++y) {
    const uint8_t* row = &picture.rgb[3 * (y * picture.side / side) * picture.side];
    for (size_t x = 0; x < side; ++x) {
      std::copy_n(row + 3 * (x * picture.side / side), 3, &out.rgb[3 * (y * side + x)]);
    }
  }
  return out;
}

void NetworkInput(const Picture& picture, size_t side, float* x) {
  const size_t pixels = side * side;
  for (size_t row = 0; row < side; ++row) {
    const uint8_t* from = &picture.rgb[3 * (row * picture.side / side) * picture.side];
    for (size_t column = 0; column < side; ++column) {
      const uint8_t* rgb = from + 3 * (column * picture.side / side);
      for (size_t c = 0; c < 3; ++c) {
        x[c * pixels + row * side + column] = static_cast<float>(rgb[c]) / 255;
      }
    }
  }
}

}  // namespace stemma::models
