#include "models/aides/augment.h"

#include <algorithm>

#include "core/random.h"
#include "models/numeric/elementary.h"

namespace stemma::models {
namespace {

using internal::CosTurns;

constexpr double kShift = .3, kTurnMax = 45. / 360, kZoomMin = .7, kZoomMax = 1.3;

double Between(Random* draw, double low, double high) {
  return low + (high - low) * draw->Uniform();
}

// One coordinate of the image: two neighbours and how near the second is.
struct Place {
  size_t low = 0, high = 0;
  float share = 0;
};

Place PlaceOf(double at, size_t side) {
  const double last = static_cast<double>(side - 1);
  const double inside = std::min(std::max(at, 0.), last);
  Place place;
  place.low = static_cast<size_t>(inside);
  place.high = std::min(place.low + 1, side - 1);
  place.share = static_cast<float>(inside - static_cast<double>(place.low));
  return place;
}

}  // namespace

Affine DrawAugmentation(const Cursor& key) {
  Random draw(Key({key.seed, key.epoch, key.sample}), "aides augment");
  Affine change;
  const double turn = Between(&draw, -kTurnMax, kTurnMax);
  const double rows = Between(&draw, -kShift, kShift), columns = Between(&draw, -kShift, kShift);
  const double zoom_rows = Between(&draw, kZoomMin, kZoomMax);
  const double zoom_columns = Between(&draw, kZoomMin, kZoomMax);
  const double cosine = CosTurns(turn), sine = CosTurns(turn - .25);
  change.matrix = {cosine * zoom_rows, -sine * zoom_columns, sine * zoom_rows,
                   cosine * zoom_columns};
  // The shift is made before the rotation, as in Keras.
  change.shift = {cosine * rows - sine * columns, sine * rows + cosine * columns};
  change.flip_rows = (draw.U32() & 1) != 0;
  change.flip_columns = (draw.U32() & 1) != 0;
  return change;
}

void Transform(const Affine& change, size_t side, size_t planes, const float* x, float* out) {
  const double centre = static_cast<double>(side - 1) / 2, length = static_cast<double>(side);
  const std::array<double, 4>& m = change.matrix;
  for (size_t i = 0; i < side; ++i) {
    const double row = static_cast<double>(change.flip_rows ? side - 1 - i : i) - centre;
    for (size_t k = 0; k < side; ++k) {
      const double column = static_cast<double>(change.flip_columns ? side - 1 - k : k) - centre;
      const Place r = PlaceOf(m[0] * row + m[1] * column + length * change.shift[0] + centre, side);
      const Place c = PlaceOf(m[2] * row + m[3] * column + length * change.shift[1] + centre, side);
      for (size_t plane = 0; plane < planes; ++plane) {
        const float* upper = x + (plane * side + r.low) * side;
        const float* lower = x + (plane * side + r.high) * side;
        const float a = upper[c.low] + c.share * (upper[c.high] - upper[c.low]);
        const float b = lower[c.low] + c.share * (lower[c.high] - lower[c.low]);
        out[(plane * side + i) * side + k] = a + r.share * (b - a);
      }
    }
  }
}

}  // namespace stemma::models
