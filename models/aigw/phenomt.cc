#include "models/aigw/phenomt.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "models/aigw/phenomt_setup.h"
#include "models/aigw/phenomt_tables.h"

namespace stemma::models {

namespace {

Status CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // false for NaN
  char text[160];
  std::snprintf(text, sizeof text, "%s = %.17g is outside the waveform model's range %g to %g",
                name, value, low, high);
  return {Code::kInvalidArgument, text};
}

// The first sample of the grid, within [first, count], that is not before `t` (or not at it).
int64_t FirstSample(const TimeGrid& grid, int64_t first, int64_t count, double t, bool after) {
  int64_t low = first, high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const double at = grid.from + static_cast<double>(middle) * grid.step;
    const bool before = after ? at <= t : at < t;
    (before ? low : high) = before ? middle + 1 : middle;
  }
  return low;
}

template <typename T, typename Frequency, typename Amplitude>
void Fill(const TimeGrid& grid, int64_t first, int64_t end, T* out, Frequency frequency,
          Amplitude amplitude) {
  for (int64_t i = first; i < end; ++i) {
    const double t = grid.from + static_cast<double>(i) * grid.step;
    const internal::OmegaPhase w = frequency(t);
    out[i] = static_cast<T>(amplitude(t, w.omega) * std::cos(w.phase));
  }
}

// One loop per region instead of branches per sample. Between the two cuts the frequency is already
// the merger's while the amplitude is still the inspiral's, or the other way round.
template <typename T>
void FillAll(const PhenomTStages& s, const TimeGrid& grid, int64_t count, T* out) {
  const double cut = internal::kAmplitudeCut;
  const auto inspiral = [&](double t) { return internal::Inspiral(s, t); };
  const auto merger = [&](double t) { return internal::Merger(s, t); };
  const auto ringdown = [&](double t) { return internal::Ringdown(s, t); };
  const auto early = [&](double, double omega) { return internal::InspiralAmplitude(s, omega); };
  const auto middle = [&](double t, double) { return internal::MergerAmplitude(s, t); };
  const auto late = [&](double t, double) { return internal::RingdownAmplitude(s, t); };
  const int64_t a = FirstSample(grid, 0, count, std::min(cut, s.t_cut), false);
  const int64_t b = FirstSample(grid, a, count, std::max(cut, s.t_cut), false);
  const int64_t c = FirstSample(grid, b, count, 0, true);
  Fill(grid, 0, a, out, inspiral, early);
  if (s.t_cut < cut) {
    Fill(grid, a, b, out, merger, early);
  } else {
    Fill(grid, a, b, out, inspiral, middle);
  }
  Fill(grid, b, c, out, merger, middle);
  Fill(grid, c, count, out, ringdown, late);
}

}  // namespace

double ChiEffective(double q, double s1, double s2) { return (q * s1 + s2) / (1 + q); }

double SpinEffective(double q, double s1, double s2) {
  return (1 + .75 / q) * s1 + (1 + .75 * q) * s2;
}

Result<PhenomT22> PhenomT22::Make(double q, double s1, double s2) {
  STEMMA_RETURN_IF_ERROR(CheckRange("q", q, 1, kMassRatioMax));
  STEMMA_RETURN_IF_ERROR(CheckRange("s1", s1, -kSpinMax, kSpinMax));
  STEMMA_RETURN_IF_ERROR(CheckRange("s2", s2, -kSpinMax, kSpinMax));
  PhenomT22 wave;
  internal::SetUp(q, s1, s2, &wave.s_);
  return wave;
}

double PhenomT22::Omega(double t) const { return internal::At(s_, t).omega; }

double PhenomT22::Phase(double t) const { return internal::At(s_, t).phase; }

double PhenomT22::Amplitude(double t) const {
  if (t < internal::kAmplitudeCut) return internal::InspiralAmplitude(s_, Omega(t));
  return t <= 0 ? internal::MergerAmplitude(s_, t) : internal::RingdownAmplitude(s_, t);
}

void PhenomT22::RealPart(const TimeGrid& grid, int64_t count, double* out) const {
  FillAll(s_, grid, count, out);
}

void PhenomT22::RealPart(const TimeGrid& grid, int64_t count, float* out) const {
  FillAll(s_, grid, count, out);
}

Result<double> PhenomT22::Fit(const std::string& name) const {
  for (int i = 0; i < internal::kSumCount; ++i) {
    if (name == internal::kSums[i].name) return internal::Sum(name.c_str(), s_);
  }
  return Status(Code::kNotFound, "no fit is called '" + name + "'");
}

}  // namespace stemma::models
