// Where a grid crosses from one region of IMRPhenomT into the next. Internal to phenomt*.cc.
//
//   ForEachRegion(s, grid, count, [&](int64_t first, int64_t end, auto frequency, auto amplitude) {
//     for (int64_t i = first; i < end; ++i) ... frequency(t).phase, amplitude(t, omega) ...
//   });
//
// One call per region instead of branches per sample. `frequency` and `amplitude` are the formulas
// of that region, inlined into the body; they are smooth beyond its ends, too. Between the two cuts
// the frequency is already the merger's while the amplitude is still the inspiral's, or the other
// way round.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/aigw/phenomt.h"
#include "models/aigw/phenomt_setup.h"

namespace stemma::models::internal {

inline double TimeOf(const TimeGrid& grid, int64_t i) {
  return grid.from + static_cast<double>(i) * grid.step;
}

// The first sample of the grid, within [first, count], that is not before `t` (or not at it).
inline int64_t FirstSample(const TimeGrid& grid, int64_t first, int64_t count, double t,
                           bool after) {
  int64_t low = first, high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const double at = TimeOf(grid, middle);
    const bool before = after ? at <= t : at < t;
    (before ? low : high) = before ? middle + 1 : middle;
  }
  return low;
}

template <typename Body>
void ForEachRegion(const PhenomTStages& s, const TimeGrid& grid, int64_t count, Body body) {
  const auto inspiral = [&](double t) { return Inspiral(s, t); };
  const auto merger = [&](double t) { return Merger(s, t); };
  const auto ringdown = [&](double t) { return Ringdown(s, t); };
  const auto early = [&](double, double omega) { return InspiralAmplitude(s, omega); };
  const auto middle = [&](double t, double) { return MergerAmplitude(s, t); };
  const auto late = [&](double t, double) { return RingdownAmplitude(s, t); };
  const double cut = kAmplitudeCut;
  const int64_t a = FirstSample(grid, 0, count, std::min(cut, s.t_cut), false);
  const int64_t b = FirstSample(grid, a, count, std::max(cut, s.t_cut), false);
  const int64_t c = FirstSample(grid, b, count, 0, true);
  body(0, a, inspiral, early);
  if (s.t_cut < cut) {
    body(a, b, merger, early);
  } else {
    body(a, b, inspiral, middle);
  }
  body(b, c, merger, middle);
  body(c, count, ringdown, late);
}

}  // namespace stemma::models::internal
