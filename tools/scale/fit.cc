#include "tools/scale/fit.h"

#include <algorithm>

#include "core/random.h"
#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

constexpr int kRefits = 400;
constexpr double kLeastSpread = 0.01;
constexpr double kGradientBytes = 51114064;  // ResNet-50 in fp16, one call

struct Once {
  double per_sample_ms = 0, jitter = 0, wait_us = 0, validation_s = 0, epoch_s = 0;
};

// What a run contributes to the fit whatever its time is moved by.
struct Prepared {
  double step_ms, other_s, call_ms, batch, ranks, normal, exponential, spread;
};

Once Fit(const std::vector<Prepared>& runs, const std::vector<double>& moved, bool normal,
         bool no_stragglers) {
  std::vector<std::vector<double>> rows, other_rows;
  std::vector<double> target, other_target;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Prepared& run = runs[i];
    const double step = run.step_ms * (1 + moved[i]);
    const double scale = run.batch / step;
    const double largest = no_stragglers ? 0 : (normal ? run.normal : run.exponential);
    rows.push_back({scale, scale * largest, scale * run.ranks});
    target.push_back((step - run.call_ms) / step);
    other_rows.push_back({1 / run.ranks / run.other_s, 1 / run.other_s});
    other_target.push_back(1 + moved[i]);
  }
  const std::vector<double> x = NonNegativeLeastSquares(rows, target);
  const std::vector<double> other = NonNegativeLeastSquares(other_rows, other_target);
  return {x[0], x[0] > 0 ? x[1] / x[0] : 0, 1e3 * x[2], other[0], other[1]};
}

Constant Made(double value, std::vector<double> refits, const std::string& points) {
  const Quantiles q = QuantilesOf(std::move(refits));
  return {value, std::min(q.p10, value), std::max(q.p90, value), Provenance::kFitted, points};
}

}  // namespace

ResNetFit FitRuns(const System& system, const std::vector<HalRun>& runs, const std::string& points,
                  bool no_stragglers) {
  const Fabric fabric = system.MakeFabric();
  std::vector<Prepared> prepared;
  for (const HalRun& run : runs) {
    prepared.push_back({1e3 * run.StepSeconds(), run.OtherSeconds(),
                        1e3 * Cheapest(fabric, Algorithm::kRing, run.gpus, kGradientBytes).seconds,
                        static_cast<double>(run.batch), static_cast<double>(run.gpus),
                        ExpectedMaximumOfNormals(run.gpus),
                        ExpectedMaximumOfExponentials(run.gpus) - 1,
                        std::max(run.spread, kLeastSpread)});
  }
  std::vector<double> still(runs.size(), 0.0);
  const Once normal = Fit(prepared, still, true, no_stragglers);
  const Once exponential = Fit(prepared, still, false, no_stragglers);
  std::vector<double> per_sample, jitter, tail, wait, validation, epoch;
  Random random(Key({runs.size()}), "scale.refit");
  for (int i = 0; i < kRefits; ++i) {
    std::vector<double> moved;
    for (const Prepared& run : prepared) moved.push_back(run.spread * random.Normal());
    const Once a = Fit(prepared, moved, true, no_stragglers);
    const Once b = Fit(prepared, moved, false, no_stragglers);
    per_sample.push_back(0.5 * (a.per_sample_ms + b.per_sample_ms));
    jitter.push_back(a.jitter);
    tail.push_back(b.jitter);
    wait.push_back(0.5 * (a.wait_us + b.wait_us));
    validation.push_back(a.validation_s);
    epoch.push_back(a.epoch_s);
  }
  ResNetFit fit;
  fit.per_sample_ms =
      Made(0.5 * (normal.per_sample_ms + exponential.per_sample_ms), per_sample, points);
  fit.jitter_normal = Made(normal.jitter, jitter, points);
  fit.jitter_exponential = Made(exponential.jitter, tail, points);
  fit.wait_us = Made(0.5 * (normal.wait_us + exponential.wait_us), wait, points);
  fit.validation_s = Made(normal.validation_s, validation, points);
  fit.epoch_s = Made(normal.epoch_s, epoch, points);
  return fit;
}

System WithFit(System system, const ResNetFit& fit) {
  system.jitter_normal = fit.jitter_normal;
  system.jitter_exponential = fit.jitter_exponential;
  system.wait_us = fit.wait_us;
  for (ModelTimes& times : system.times) {
    if (times.model != "resnet50") continue;
    times.per_sample_ms = fit.per_sample_ms;
    times.validation_s = fit.validation_s;
    times.epoch_s = fit.epoch_s;
  }
  const Constant held{0, 0, 0, Provenance::kFitted, "held in the fitted compute time"};
  system.control_us = held;
  system.slow_node_share = held;
  system.start_s = {0, 0, 0, Provenance::kPublished, "the published time is of the epochs alone"};
  system.cold_factor = {1, 1, 1, Provenance::kPublished, "held in the published means"};
  return system;
}

}  // namespace stemma::scale
