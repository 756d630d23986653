#include "models/aigw/phenomt.h"

#include <cmath>
#include <cstdio>

#include "models/aigw/phenomt_blocks.h"
#include "models/aigw/phenomt_regions.h"
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

template <typename Frequency, typename Amplitude>
void Fill(const TimeGrid& grid, int64_t first, int64_t end, double* out, Frequency frequency,
          Amplitude amplitude) {
  for (int64_t i = first; i < end; ++i) {
    const double t = internal::TimeOf(grid, i);
    const internal::OmegaPhase w = frequency(t);
    out[i] = amplitude(t, w.omega) * std::cos(w.phase);
  }
}

}  // namespace

double ChiEffective(double q, double s1, double s2) { return (q * s1 + s2) / (1 + q); }

double SpinEffective(double q, double s1, double s2) {
  return (1 + .75 / q) * s1 + (1 + .75 * q) * s2;
}

Status CheckBinary(double q, double s1, double s2) {
  STEMMA_RETURN_IF_ERROR(CheckRange("q", q, 1, kMassRatioMax));
  STEMMA_RETURN_IF_ERROR(CheckRange("s1", s1, -kSpinMax, kSpinMax));
  return CheckRange("s2", s2, -kSpinMax, kSpinMax);
}

Result<PhenomT22> PhenomT22::Make(double q, double s1, double s2) {
  STEMMA_RETURN_IF_ERROR(CheckBinary(q, s1, s2));
  PhenomT22 wave;
  internal::SetUp(q, s1, s2, &wave.s_);
  return wave;
}

double PhenomT22::Omega(double t) const { return internal::At(s_, t).omega; }

double PhenomT22::Phase(double t) const { return internal::At(s_, t).phase; }

double PhenomT22::Amplitude(double t) const { return At(t).amplitude; }

WaveSample PhenomT22::At(double t) const {
  const internal::OmegaPhase w = internal::At(s_, t);
  const double amplitude = t < internal::kAmplitudeCut ? internal::InspiralAmplitude(s_, w.omega)
                           : t <= 0                    ? internal::MergerAmplitude(s_, t)
                                                       : internal::RingdownAmplitude(s_, t);
  return {amplitude, w.omega, w.phase};
}

void PhenomT22::RealPart(const TimeGrid& grid, int64_t count, double* out) const {
  internal::ForEachRegion(s_, grid, count,
                          [&](int64_t first, int64_t end, auto frequency, auto amplitude) {
                            Fill(grid, first, end, out, frequency, amplitude);
                          });
}

void PhenomT22::RealPart(const TimeGrid& grid, int64_t count, float* out) const {
  internal::FillByBlocks(s_, grid, count, out);
}

Result<double> PhenomT22::Fit(const std::string& name) const {
  for (int i = 0; i < internal::kSumCount; ++i) {
    if (name == internal::kSums[i].name) return internal::Sum(name.c_str(), s_);
  }
  return Status(Code::kNotFound, "no fit is called '" + name + "'");
}

}  // namespace stemma::models
