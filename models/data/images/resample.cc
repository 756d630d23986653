#include "models/data/images/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/check.h"

namespace stemma::models {
namespace {

constexpr int32_t kOne = 1 << kWeightBits, kHalf = kOne / 2;

// One output's weights: the triangle at each pixel's centre, scaled to a sum of one, rounded such
// that the sums up to each pixel are the nearest ones. So no error adds up.
void Weigh(double centre, double width, int first, int count, std::vector<int16_t>* weights) {
  const auto triangle = [&](int i) {
    return std::max(0., 1 - std::abs((first + i + .5 - centre) / width));
  };
  double total = 0;
  for (int i = 0; i < count; ++i) total += triangle(i);
  double sum = 0;
  int32_t given = 0;
  for (int i = 0; i < count; ++i) {
    sum += triangle(i);
    const auto due = static_cast<int32_t>(std::lround(kOne * (sum / total)));
    weights->push_back(static_cast<int16_t>(due - given));
    given = due;
  }
}

}  // namespace

void TriangleAxis(const AxisSpec& spec, bool mirrored, Axis* axis) {
  STEMMA_CHECK(spec.begin < spec.end && spec.low <= spec.begin && spec.end <= spec.high &&
                   spec.low >= 0 && spec.out_first >= 0 && spec.out_count > 0 &&
                   spec.out_first + spec.out_count <= spec.out_size,
               "an axis without pixels");
  const double scale = (spec.end - spec.begin) / spec.out_size;
  const double width = std::max(scale, 1.);  // of half the triangle
  axis->outputs.clear();
  axis->weights.clear();
  axis->begin = spec.high;
  axis->end = spec.low;
  for (int i = 0; i < spec.out_count; ++i) {
    const double centre = spec.begin + (spec.out_first + i + .5) * scale;
    int first = std::max(spec.low, static_cast<int>(std::floor(centre - width + .5)));
    first = std::min(first, spec.high - 1);
    int end = std::min(spec.high, static_cast<int>(std::floor(centre + width + .5)));
    end = std::max(end, first + 1);
    Axis::Output output;
    output.first = first;
    output.pairs = (end - first + 1) / 2;
    output.at = axis->weights.size();
    output.padded = (end - first) % 2 == 1;
    Weigh(centre, width, first, end - first, &axis->weights);
    if (output.padded) axis->weights.push_back(0);
    axis->outputs.push_back(output);
    axis->begin = std::min(axis->begin, first);
    axis->end = std::max(axis->end, end);
  }
  for (Axis::Output& output : axis->outputs) output.first -= axis->begin;
  if (mirrored) std::reverse(axis->outputs.begin(), axis->outputs.end());
}

void internal::PlainColumns(const uint8_t* row, const Axis& columns, uint8_t* out) {
  for (const Axis::Output& output : columns.outputs) {
    const int count = 2 * output.pairs - (output.padded ? 1 : 0);
    const int16_t* weights = columns.weights.data() + output.at;
    for (int channel = 0; channel < kPixelBytes; ++channel) {
      int32_t sum = kHalf;
      for (int i = 0; i < count; ++i) {
        sum += weights[i] * row[kPixelBytes * (output.first + i) + channel];
      }
      *out++ = static_cast<uint8_t>(sum >> kWeightBits);
    }
  }
}

void internal::PlainRow(const Pixels& in, const Axis& rows, int y, int width, uint8_t* out) {
  const Axis::Output& output = rows.outputs[static_cast<size_t>(y)];
  const int count = 2 * output.pairs - (output.padded ? 1 : 0);
  const int16_t* weights = rows.weights.data() + output.at;
  for (int x = 0; x < kPixelBytes * width; ++x) {
    int32_t sum = kHalf;
    for (int i = 0; i < count; ++i) sum += weights[i] * in.row(output.first + i)[x];
    out[x] = static_cast<uint8_t>(sum >> kWeightBits);
  }
}

#if defined(__SSE2__)

namespace {

__m128i Pair(const int16_t* weights) {
  int32_t both;
  std::memcpy(&both, weights, sizeof both);
  return _mm_set1_epi32(both);
}

// Two pixels side by side, times their weights. A padding pixel behind the row's end is memory of
// the next row or of the slack behind the last, times 0.
void FastColumns(const uint8_t* row, const Axis& columns, uint8_t* out) {
  const __m128i zero = _mm_setzero_si128();
  for (const Axis::Output& output : columns.outputs) {
    const uint8_t* pixel = row + kPixelBytes * output.first;
    const int16_t* weights = columns.weights.data() + output.at;
    __m128i sum = _mm_set1_epi32(kHalf);
    for (int i = 0; i < output.pairs; ++i, pixel += 2 * kPixelBytes, weights += 2) {
      const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel));
      const __m128i by_channel = _mm_unpacklo_epi8(two, _mm_srli_si128(two, kPixelBytes));
      const __m128i wide = _mm_unpacklo_epi8(by_channel, zero);
      sum = _mm_add_epi32(sum, _mm_madd_epi16(wide, Pair(weights)));
    }
    sum = _mm_srai_epi32(sum, kWeightBits);
    sum = _mm_packs_epi32(sum, sum);
    const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
    std::memcpy(out, &bytes, sizeof bytes);
    out += kPixelBytes;
  }
}

// Four pixels of two rows each, times the rows' weights.
void FastRow(const Pixels& in, const Axis& rows, int y, int width, uint8_t* out) {
  const Axis::Output& output = rows.outputs[static_cast<size_t>(y)];
  const __m128i zero = _mm_setzero_si128();
  for (int x = 0; x < kPixelBytes * width; x += 16) {
    __m128i sums[4];
    for (__m128i& sum : sums) sum = _mm_set1_epi32(kHalf);
    const int16_t* weights = rows.weights.data() + output.at;
    for (int i = 0; i < output.pairs; ++i, weights += 2) {
      const int first = output.first + 2 * i;
      const bool alone = output.padded && i + 1 == output.pairs;
      const auto load = [&](int at) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(in.row(at) + x));
      };
      const __m128i one = load(first), other = alone ? one : load(first + 1);
      const __m128i low = _mm_unpacklo_epi8(one, other), high = _mm_unpackhi_epi8(one, other);
      const __m128i pair = Pair(weights);
      const __m128i wide[4] = {_mm_unpacklo_epi8(low, zero), _mm_unpackhi_epi8(low, zero),
                               _mm_unpacklo_epi8(high, zero), _mm_unpackhi_epi8(high, zero)};
      for (int k = 0; k < 4; ++k) {
        sums[k] = _mm_add_epi32(sums[k], _mm_madd_epi16(wide[k], pair));
      }
    }
    for (__m128i& sum : sums) sum = _mm_srai_epi32(sum, kWeightBits);
    const __m128i bytes =
        _mm_packus_epi16(_mm_packs_epi32(sums[0], sums[1]), _mm_packs_epi32(sums[2], sums[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), bytes);
  }
}

}  // namespace

#else

namespace {
constexpr auto* FastColumns = internal::PlainColumns;
constexpr auto* FastRow = internal::PlainRow;
}  // namespace

#endif

void ResampleColumns(const Pixels& in, int in_rows, const Axis& columns, Pixels* out) {
  out->Shape(static_cast<int>(columns.outputs.size()), in_rows);
  for (int y = 0; y < in_rows; ++y) FastColumns(in.row(y), columns, out->row(y));
}

void ResampleRow(const Pixels& in, const Axis& rows, int y, int width, uint8_t* out) {
  FastRow(in, rows, y, width, out);
}

}  // namespace stemma::models
