#include "tools/scale/validate_hal.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace stemma::scale {
namespace {

bool Contains(const std::vector<int>& gpus, int n) {
  return std::find(gpus.begin(), gpus.end(), n) != gpus.end();
}

std::vector<HalRun> Select(const std::vector<HalRun>& runs, const std::vector<int>& gpus) {
  std::vector<HalRun> some;
  for (const HalRun& run : runs) {
    if (Contains(gpus, run.gpus)) some.push_back(run);
  }
  return some;
}

std::string Named(const std::string& run, const std::vector<int>& gpus) {
  std::string text;
  for (const int n : gpus) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return run + ", " + text + " GPUs";
}

// The throughput that compute time and the ring alone give, from the smallest fitted run.
double PlainThroughput(const System& hal, const HalRun& base, const HalRun& run, double bytes) {
  const Fabric fabric = hal.MakeFabric();
  const auto call = [&](int n) { return Cheapest(fabric, Algorithm::kRing, n, bytes).seconds; };
  const double sample = (base.StepSeconds() - call(base.gpus)) / static_cast<double>(base.batch);
  const auto batch = static_cast<double>(run.batch);
  return batch * run.gpus / (sample * batch + call(run.gpus));
}

struct Set {
  std::string name;
  const std::vector<HalRun>* runs;
  std::vector<int> fitted;  // GPU counts
  std::vector<int> shown;   // empty: all
  bool times = true;        // also the time to train
  std::string note;
};

Status Append(const System& system, const Workload& workload, const Set& set,
              const Sampling& sampling, Validation* v) {
  const HalRun base = Select(*set.runs, set.fitted).front();
  for (const HalRun& run : *set.runs) {
    if (!set.shown.empty() && !Contains(set.shown, run.gpus)) continue;
    Scenario scenario;
    scenario.ranks = run.gpus;
    scenario.local_batch = run.batch;
    scenario.algorithm = Algorithm::kRing;
    scenario.overlap = false;
    scenario.epochs = 90;
    STEMMA_ASSIGN_OR_RETURN(const Prediction p, Simulate(system, workload, scenario, sampling));
    const double plain = PlainThroughput(system, base, run, workload.buckets[0].bytes);
    Row row{set.name,
            "throughput",
            "img/s",
            run.gpus,
            run.images_per_s,
            p.samples_per_s.p50,
            p.samples_per_s.p10,
            p.samples_per_s.p90,
            Contains(set.fitted, run.gpus),
            100 * (plain / run.images_per_s - 1),
            set.note};
    v->rows.push_back(row);
    if (!set.times) continue;
    row.quantity = "time, 90 epochs";
    row.unit = "s";
    row.published = run.train_s;
    row.predicted = p.total_s.p50;
    row.low = p.total_s.p10;
    row.high = p.total_s.p90;
    row.plain_error = 100 * (90 * 1281167 / plain / run.train_s - 1);
    v->rows.push_back(row);
  }
  return {};
}

Status FitAndAppend(const System& hal, const Workload& workload, const Set& set,
                    const std::string& when, const Sampling& sampling, Validation* v) {
  const ResNetFit fit = FitRuns(hal, Select(*set.runs, set.fitted), Named(when, set.fitted));
  v->fits.push_back({set.name, fit});
  return Append(WithFit(hal, fit), workload, set, sampling, v);
}

Status LeaveOneOut(const System& hal, const Workload& workload, const Sampling& sampling,
                   Validation* v) {
  for (const HalRun& left_out : HalFebruary()) {
    std::vector<int> fitted;
    for (const HalRun& run : HalFebruary()) {
      if (run.gpus != left_out.gpus) fitted.push_back(run.gpus);
    }
    const Set set{kFig1One, &HalFebruary(), fitted, {left_out.gpus}, false, "all others fitted"};
    const ResNetFit fit = FitRuns(hal, Select(HalFebruary(), fitted), Named("February", fitted));
    STEMMA_RETURN_IF_ERROR(Append(WithFit(hal, fit), workload, set, sampling, v));
  }
  return {};
}

// May: compute from its own 4-GPU run, everything else from February's fit.
Status MayFromFebruary(const System& hal, const Workload& workload, const ResNetFit& february,
                       const Sampling& sampling, Validation* v) {
  ResNetFit fit = february;
  const ResNetFit one = FitRuns(hal, {HalMay().front()}, "May, 4 GPUs", true);
  fit.per_sample_ms = one.per_sample_ms;
  Set set{kMayFromFebruary, &HalMay(), {4}, {}, false, "expected to lose too much"};
  return Append(WithFit(hal, fit), workload, set, sampling, v);
}

// May on half of its points: two, so stragglers keep February's spread.
Status MayOwnHalf(const System& hal, const Workload& workload, const ResNetFit& february,
                  const Sampling& sampling, Validation* v) {
  const std::vector<int> fitted = {4, 32};
  ResNetFit fit =
      FitRuns(hal, Select(HalMay(), fitted), Named("May", fitted), /*no_stragglers=*/true);
  fit.jitter_normal = {0, 0, february.jitter_normal.value, Provenance::kFitted,
                       "two points cannot tell it from waiting; up to February's"};
  fit.jitter_exponential = {0, 0, february.jitter_exponential.value, Provenance::kFitted,
                            "two points cannot tell it from waiting; up to February's"};
  v->fits.push_back({kMay, fit});
  return Append(WithFit(hal, fit), workload, {kMay, &HalMay(), fitted, {}, false, ""}, sampling, v);
}

}  // namespace

Status ValidateHal(const Sampling& sampling, Validation* v) {
  STEMMA_ASSIGN_OR_RETURN(const System hal, FindSystem("hal"));
  STEMMA_ASSIGN_OR_RETURN(Workload buckets, MakeWorkload("resnet50", {}, 2));
  const Workload workload = OneBucket(std::move(buckets));
  const std::vector<HalRun>& runs = HalFebruary();
  const Set half{kFig1, &runs, {2, 8, 32}, {}, true, ""};
  const Set mirror{kFig1Mirror, &runs, {4, 16, 64}, {}, true, ""};
  const Set small{kFig1Small, &runs, {2, 4, 8, 16}, {}, false, "no target: more than half fitted"};
  for (const Set& set : {half, mirror, small}) {
    STEMMA_RETURN_IF_ERROR(FitAndAppend(hal, workload, set, "February", sampling, v));
  }
  const ResNetFit february = v->fits.front().fit;
  STEMMA_RETURN_IF_ERROR(LeaveOneOut(hal, workload, sampling, v));
  STEMMA_RETURN_IF_ERROR(MayOwnHalf(hal, workload, february, sampling, v));
  return MayFromFebruary(hal, workload, february, sampling, v);
}

}  // namespace stemma::scale
