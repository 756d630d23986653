#include "models/aigw/evaluation.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdio>

#include "core/check.h"

namespace stemma::models {

namespace {

constexpr double kMassMin = 10, kMassMax = 300;
constexpr double kStepMin = 1;  // M: twice as fine as the highest frequencies of the ringdown need

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return QuantileOf(values, .5);
}

ErrorSummary SummaryOfErrors(std::vector<double> errors) {
  double sum = 0;
  for (double& e : errors) sum += (e = std::abs(e));
  std::sort(errors.begin(), errors.end());
  return {sum / static_cast<double>(errors.size()), QuantileOf(errors, .5), QuantileOf(errors, .9)};
}

// Of what `value` says of each reading.
template <typename Value>
std::vector<double> Each(size_t count, Value value) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = value(i);
  return values;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// Pearson's; 0 where one of the two does not vary.
double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = Mean(a), mean_b = Mean(b);
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

double Explained(const std::vector<double>& truth, const std::vector<double>& errors) {
  const double mean = Mean(truth);
  double variance = 0, wrong = 0;
  for (const double t : truth) variance += (t - mean) * (t - mean);
  for (const double e : errors) wrong += e * e;
  return variance > 0 ? 1 - wrong / variance : 0;
}

// The truth with one parameter replaced.
Binary WithParameter(Binary truth, size_t which, double value) {
  (which == 0 ? truth.q : which == 1 ? truth.s1 : truth.s2) = value;
  return truth;
}

void FillErrors(const std::vector<Reading>& readings, const std::vector<Estimate>& estimates,
                Evaluation* e) {
  const size_t n = readings.size();
  for (size_t k = 0; k < 5; ++k) {
    e->errors[k] = SummaryOfErrors(Each(n, [&](size_t i) {
      return ValuesOf(estimates[i].binary)[k] - ValuesOf(readings[i].truth)[k];
    }));
    e->outputs[k] = SummaryOfErrors(
        Each(n, [&](size_t i) { return readings[i].outputs[k] - ValuesOf(readings[i].truth)[k]; }));
  }
  const auto gap = [&](size_t k) {
    return SummaryOfErrors(Each(n, [&](size_t i) {
      const AigwValues& o = readings[i].outputs;
      return o[k] - ValuesOf({o[0], o[1], o[2]})[k];
    }));
  };
  e->chi_gap = gap(3);
  e->s_gap = gap(4);
}

void FillExplained(const std::vector<Reading>& readings, const std::vector<Estimate>& estimates,
                   Degeneracy* d) {
  const size_t n = readings.size();
  std::vector<double> s2;
  for (size_t k = 0; k < 3; ++k) {
    const auto truth = Each(n, [&](size_t i) { return ValuesOf(readings[i].truth)[k]; });
    const auto errors =
        Each(n, [&](size_t i) { return ValuesOf(estimates[i].binary)[k] - truth[i]; });
    d->explained[k] = Explained(truth, errors);
    s2 = errors;
  }
  for (double& e : s2) e = std::abs(e);
  const auto q = Each(n, [&](size_t i) { return readings[i].truth.q; });
  d->correlation = Correlation(q, s2);
  std::array<std::vector<double>, 3> parts;
  for (size_t i = 0; i < n; ++i) parts[q[i] < 2 ? 0 : q[i] < 4 ? 1 : 2].push_back(s2[i]);
  for (size_t part = 0; part < parts.size(); ++part) {
    d->count_by_q[part] = static_cast<int64_t>(parts[part].size());
    d->s2_by_q[part] = Median(parts[part]);
  }
}

}  // namespace

Result<OverlapWindow> OverlapWindow::Make(const AigwSettings& settings, double total_mass) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  if (!(total_mass >= kMassMin && total_mass <= kMassMax)) {
    char text[120];
    std::snprintf(text, sizeof text, "a total mass of %g is outside %g to %g solar masses",
                  total_mass, kMassMin, kMassMax);
    return Status(Code::kInvalidArgument, text);
  }
  OverlapWindow window;
  const int64_t every =
      std::max<int64_t>(1, static_cast<int64_t>(std::floor(kStepMin / settings.dt + 1e-9)));
  window.grid_ = {settings.t_from, settings.dt * static_cast<double>(every)};
  window.samples_ = (SamplesOf(settings) + every - 1) / every;
  window.total_mass_ = total_mass;
  size_t n = 2;  // twice the samples: a shifted wave does not meet its own end
  while (n < 2 * static_cast<size_t>(window.samples_)) n *= 2;
  const double seconds = window.grid_.step * SecondsPerMass(total_mass);
  window.hertz_.high = std::min(window.hertz_.high, .5 / seconds);
  window.flat_.assign(n, 1);
  window.ligo_ = AdvancedLigoWeights(n, seconds, window.hertz_);
  return window;
}

Result<Spectrum> OverlapWindow::Of(const Binary& binary) const {
  STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(binary.q, binary.s1, binary.s2));
  std::vector<std::complex<double>> h(static_cast<size_t>(samples_));
  for (size_t i = 0; i < h.size(); ++i) {
    const WaveSample at = wave.At(grid_.from + static_cast<double>(i) * grid_.step);
    h[i] = std::polar(at.amplitude, at.phase);
  }
  return SpectrumOf(h, flat_.size());
}

double OverlapWindow::Flat(const Spectrum& a, const Spectrum& b) const {
  return MaximalOverlap(a, b, flat_).overlap;
}

double OverlapWindow::Ligo(const Spectrum& a, const Spectrum& b) const {
  return MaximalOverlap(a, b, ligo_).overlap;
}

double QuantileOf(const std::vector<double>& sorted, double share) {
  STEMMA_CHECK(!sorted.empty(), "a quantile of nothing");
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

OverlapSummary SummaryOf(std::vector<double> overlaps) {
  std::sort(overlaps.begin(), overlaps.end());
  OverlapSummary s;
  s.mean = Mean(overlaps);
  s.median = QuantileOf(overlaps, .5);
  s.percentile_5 = QuantileOf(overlaps, .05);
  s.percentile_1 = QuantileOf(overlaps, .01);
  s.smallest = overlaps.front();
  const auto above = [&](double bar) {
    const auto first = std::upper_bound(overlaps.begin(), overlaps.end(), bar);
    return static_cast<double>(overlaps.end() - first) / static_cast<double>(overlaps.size());
  };
  s.fraction_99 = above(.99);
  s.fraction_97 = above(.97);
  for (const double o : overlaps) {
    size_t bin = 0;
    while (bin + 1 < s.histogram.size() && o >= kOverlapEdges[bin + 1]) ++bin;
    ++s.histogram[bin];
  }
  return s;
}

Result<double> MedianOverlap(const OverlapWindow& window, const std::vector<Reading>& readings,
                             const std::vector<Estimate>& estimates) {
  std::vector<double> overlaps;
  for (size_t i = 0; i < readings.size(); ++i) {
    STEMMA_ASSIGN_OR_RETURN(const Spectrum truth, window.Of(readings[i].truth));
    STEMMA_ASSIGN_OR_RETURN(const Spectrum read, window.Of(estimates[i].binary));
    overlaps.push_back(window.Flat(truth, read));
  }
  return Median(overlaps);
}

Result<Evaluation> Evaluate(const OverlapWindow& window, const std::vector<Reading>& readings,
                            const std::vector<Estimate>& estimates) {
  STEMMA_CHECK(!readings.empty() && readings.size() == estimates.size(), "an estimate per reading");
  Evaluation e;
  std::vector<double> flat, ligo, without_s2;
  std::array<std::vector<double>, 3> alone;
  for (size_t i = 0; i < readings.size(); ++i) {
    const Binary& truth = readings[i].truth;
    const AigwValues estimate = ValuesOf(estimates[i].binary);
    STEMMA_ASSIGN_OR_RETURN(const Spectrum wave, window.Of(truth));
    STEMMA_ASSIGN_OR_RETURN(const Spectrum read, window.Of(estimates[i].binary));
    flat.push_back(window.Flat(wave, read));
    ligo.push_back(window.Ligo(wave, read));
    for (size_t k = 0; k < alone.size(); ++k) {
      STEMMA_ASSIGN_OR_RETURN(const Spectrum one, window.Of(WithParameter(truth, k, estimate[k])));
      alone[k].push_back(window.Flat(wave, one));
    }
    STEMMA_ASSIGN_OR_RETURN(const Spectrum none, window.Of(WithParameter(truth, 2, 0)));
    without_s2.push_back(window.Flat(wave, none));
    e.mergers.push_back({flat.back(), ligo.back()});
    e.clamped += estimates[i].clamped;
  }
  e.flat = SummaryOf(flat);
  e.ligo = SummaryOf(ligo);
  for (size_t k = 0; k < alone.size(); ++k) e.degeneracy.alone[k] = Median(alone[k]);
  e.degeneracy.without_s2 = Median(without_s2);
  FillErrors(readings, estimates, &e);
  FillExplained(readings, estimates, &e.degeneracy);
  return e;
}

}  // namespace stemma::models
