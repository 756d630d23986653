// How well a trained network reads held-out mergers: the overlap of each true wave with the wave of
// the parameters that were read, and the errors of the parameters.
//
//   STEMMA_ASSIGN_OR_RETURN(const OverlapWindow window, OverlapWindow::Make(settings.aigw, 60));
//   STEMMA_ASSIGN_OR_RETURN(const Evaluation e, Evaluate(window, readings, estimates));
//   e.flat.median, e.ligo.fraction_99, e.errors[1].median
//
// The overlap is that of overlap.h between complex h22, maximised over time and phase, on the
// window of the wave that the network sees: white noise (the data have none), and the noise curve
// of Advanced LIGO for a binary of `total_mass` solar masses, 20 to 1000 Hz or up to what the
// samples carry. The wave is sampled as the network's input is, at 1 M where that is finer. A cut
// window has an edge, and so have both waves: no fading, neither gains by it.
//
// s2 is the spin of the lighter hole, which the wave hardly depends on; Degeneracy measures that
// with the overlap itself, in the place of claims.
//
// Pure functions; any thread. About 1 ms a merger on 500 samples.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/status.h"
#include "models/aigw/combine.h"
#include "models/aigw/overlap.h"
#include "models/aigw/settings.h"

namespace stemma::models {

class OverlapWindow {
 public:
  // kInvalidArgument: see Check(settings), and a total mass outside 10 to 300.
  static Result<OverlapWindow> Make(const AigwSettings& settings, double total_mass);

  // The transform of A e^(i phi) on the window. kInvalidArgument: outside the waves' domain.
  Result<Spectrum> Of(const Binary& binary) const;
  double Flat(const Spectrum& a, const Spectrum& b) const;
  double Ligo(const Spectrum& a, const Spectrum& b) const;

  double total_mass() const { return total_mass_; }
  Band hertz() const { return hertz_; }  // of Ligo
  const TimeGrid& grid() const { return grid_; }
  int64_t samples() const { return samples_; }

 private:
  OverlapWindow() = default;
  TimeGrid grid_;
  int64_t samples_ = 0;
  double total_mass_ = 0;
  Band hertz_ = {20, 1000};
  std::vector<double> flat_, ligo_;  // weights
};

// Edges of the histogram of overlaps: bin i holds [edge i, edge i + 1), the last one 1 as well.
constexpr std::array<double, 11> kOverlapEdges = {0,    .9,   .95,  .97,   .98, .99,
                                                  .995, .998, .999, .9995, 1};

struct OverlapSummary {
  double mean = 0, median = 0, percentile_5 = 0, percentile_1 = 0, smallest = 0;
  double fraction_99 = 0, fraction_97 = 0;  // above 0.99, above 0.97
  std::array<int64_t, kOverlapEdges.size() - 1> histogram = {};
};

// Of absolute values.
struct ErrorSummary {
  double mean = 0, median = 0, percentile_90 = 0;
};

// What the wave says of each parameter. Overlaps are flat ones.
struct Degeneracy {
  // Median overlap when one parameter alone, q, s1 or s2, is the estimate and the others are true.
  std::array<double, 3> alone = {};
  // The same with 0 for s2, whatever it is: what is lost by not looking at it at all.
  double without_s2 = 0;
  // 1 - (mean square error) / (variance of the truth), of q, s1, s2: 1 is read, 0 is guessed.
  std::array<double, 3> explained = {};
  double correlation = 0;              // of q with |error of s2|
  std::array<double, 3> s2_by_q = {};  // median |error of s2| for q below 2, below 4, up to 8
  std::array<int64_t, 3> count_by_q = {};
};

struct MergerOverlap {
  double flat = 0, ligo = 0;
};

struct Evaluation {
  std::vector<MergerOverlap> mergers;  // as the readings
  int64_t clamped = 0;                 // estimates that were put on the end of the domain
  OverlapSummary flat, ligo;
  std::array<ErrorSummary, 5> errors;   // of the estimate's q, s1, s2, chi_eff, S_eff
  std::array<ErrorSummary, 5> outputs;  // of the five outputs as they are
  ErrorSummary chi_gap,
      s_gap;  // chi_eff and S_eff said, less those of the q, s1, s2 that were said
  Degeneracy degeneracy;
};

// REQUIRES: as many estimates as readings, at least one. kInvalidArgument: outside the waves'
// domain.
Result<Evaluation> Evaluate(const OverlapWindow& window, const std::vector<Reading>& readings,
                            const std::vector<Estimate>& estimates);

// The same for the flat overlap alone.
Result<double> MedianOverlap(const OverlapWindow& window, const std::vector<Reading>& readings,
                             const std::vector<Estimate>& estimates);

// REQUIRES: values, at least one.
OverlapSummary SummaryOf(std::vector<double> overlaps);
// The linear interpolation between the two nearest of sorted values. REQUIRES: one, 0 <= share <= 1
double QuantileOf(const std::vector<double>& sorted, double share);

}  // namespace stemma::models
