#include "models/aigw/phenomt_blocks.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "models/aigw/phenomt_regions.h"
#include "models/aigw/phenomt_setup.h"
#include "models/numeric/elementary.h"

namespace stemma::models::internal {

namespace {

constexpr size_t kNodes = 8;
using Coefficients = std::array<double, kNodes>;

// cos((2k + 1) pi / 16), the points at which a polynomial of degree 7 is pinned down best.
constexpr Coefficients kPoints = {0.9807852804032304,  0.8314696123025452,   0.5555702330196022,
                                  0.19509032201612828, -0.19509032201612828, -0.5555702330196022,
                                  -0.8314696123025452, -0.9807852804032304};

// Half a block before t = 0: this share of the distance of its middle from 0, and at least so much.
constexpr double kShare = 1.0 / 26, kMergerHalf = .35;
constexpr double kRingdownHalf = .65;  // after 0
constexpr int64_t kFewest = 12;        // samples that are worth a block
constexpr int64_t kMost = 1 << 20;     // samples of one block: its inner index is an int

struct Block {
  double middle, half;
  Coefficients amplitude, turns;  // ascending powers of (t - middle) / half
};

double HalfLength(double begin) {
  if (begin > 0) return kRingdownHalf;
  // The middle is half a length nearer to 0 than the beginning.
  return std::max(-begin * (kShare / (1 + kShare)), kMergerHalf);
}

// The polynomial through `values` at kPoints: divided differences, then ascending powers.
Coefficients Interpolate(Coefficients values) {
  for (size_t order = 1; order < kNodes; ++order) {
    for (size_t i = kNodes; i-- > order;) {
      values[i] = (values[i] - values[i - 1]) / (kPoints[i] - kPoints[i - order]);
    }
  }
  Coefficients powers{};
  for (size_t k = kNodes; k-- > 0;) {  // powers = powers * (x - kPoints[k]) + values[k]
    for (size_t i = kNodes - 1; i > 0; --i) powers[i] = powers[i - 1] - kPoints[k] * powers[i];
    powers[0] = values[k] - kPoints[k] * powers[0];
  }
  return powers;
}

template <typename Frequency, typename Amplitude>
Block MakeBlock(double begin, Frequency frequency, Amplitude amplitude) {
  Block block;
  block.half = HalfLength(begin);
  block.middle = begin + block.half;
  const double phase = frequency(block.middle).phase;
  Coefficients amplitudes, phases;
  for (size_t k = 0; k < kNodes; ++k) {
    const double t = block.middle + block.half * kPoints[k];
    const OmegaPhase w = frequency(t);
    amplitudes[k] = amplitude(t, w.omega);
    phases[k] = w.phase - phase;
  }
  block.amplitude = Interpolate(amplitudes);
  block.turns = Interpolate(phases);
  block.turns[0] += phase;
  for (double& turns : block.turns) turns /= kTwoPi;
  block.turns[0] -= (block.turns[0] + kRound) - kRound;  // whole turns only cost digits
  return block;
}

inline double Polynomial(const Coefficients& c, double x) {
  double p = c[kNodes - 1];
#pragma GCC unroll 8
  for (size_t i = kNodes - 1; i-- > 0;) p = p * x + c[i];
  return p;
}

template <typename T>
void Evaluate(const Block& block, const TimeGrid& grid, int64_t first, int count, T* out) {
  // Locals, so that the compiler knows that `out` is none of them.
  const Coefficients amplitude = block.amplitude, turns = block.turns;
  const double middle = block.middle, inverse = 1 / block.half;
  const double from = grid.from, step = grid.step, begin = static_cast<double>(first);
  for (int i = 0; i < count; ++i) {
    const double t = from + (begin + i) * step;
    const double x = (t - middle) * inverse;
    out[i] = static_cast<T>(Polynomial(amplitude, x) * CosTurns(Polynomial(turns, x)));
  }
}

}  // namespace

template <typename T>
void FillByBlocks(const PhenomTStages& s, const TimeGrid& grid, int64_t count, T* out) {
  const auto region = [&](int64_t first, int64_t end, auto frequency, auto amplitude) {
    while (first < end) {
      const double begin = TimeOf(grid, first), samples = 2 * HalfLength(begin) / grid.step;
      if (samples >= kFewest) {
        const auto most = static_cast<int64_t>(std::min<double>(samples, kMost));
        const int64_t block = std::min(most, end - first);
        Evaluate(MakeBlock(begin, frequency, amplitude), grid, first, static_cast<int>(block),
                 out + first);
        first += block;
        continue;
      }
      for (const int64_t stop = std::min(first + kFewest, end); first < stop; ++first) {
        const double t = TimeOf(grid, first);
        const OmegaPhase w = frequency(t);
        out[first] = static_cast<T>(amplitude(t, w.omega) * CosTurns(w.phase / kTwoPi));
      }
    }
  };
  ForEachRegion(s, grid, count, region);
}

template void FillByBlocks(const PhenomTStages&, const TimeGrid&, int64_t, float*);
template void FillByBlocks(const PhenomTStages&, const TimeGrid&, int64_t, double*);

}  // namespace stemma::models::internal
