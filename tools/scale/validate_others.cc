#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tools/scale/report.h"
#include "tools/scale/total_time.h"
#include "tools/scale/validate_hal.h"

namespace stemma::scale {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

void Hold(Constant* constant) { constant->low = constant->high = constant->value; }

ModelTimes* TimesOf(System* system, const std::string& model) {
  for (ModelTimes& times : system->times) {
    if (times.model == model) return &times;
  }
  return nullptr;
}

struct TimePoint {
  std::string set, system, model;
  int ranks;
  double one_s, published_s;
  std::string note;
};

// A total time from the one of one HAL GPU.
Status AppendTime(const TimePoint& point, const Sampling& sampling, Validation* v) {
  STEMMA_ASSIGN_OR_RETURN(
      const std::vector<TimeOnRanks> curve,
      TimesFromOne(point.system, point.model, point.one_s, {point.ranks}, sampling));
  if (point.set != kSummit && point.system == "hal") {
    v->rows.push_back({point.set, "time to train", "s", 1, point.one_s, point.one_s, point.one_s,
                       point.one_s, true, kNone, "what the other is predicted from"});
  }
  const Quantiles time = curve.front().total_s;
  v->rows.push_back({point.set, "time to train", "s", point.ranks, point.published_s, time.p50,
                     time.p10, time.p90, false,
                     100 * (point.one_s / point.ranks / point.published_s - 1), point.note});
  return {};
}

// What a point at 1,536 ranks that is slower than predicted can mean.
struct Cause {
  std::string note;
  System system;
  Workload workload;
};

// `seconds` by which the step at 1,536 is longer than predicted, as the one or the other.
std::vector<Cause> Causes(const System& summit, const Workload& aigw, double seconds, int ranks) {
  const auto batch = static_cast<double>(aigw.local_batch);
  const double compute_s = 1e-3 * batch * summit.TimesOf("aigw")->per_sample_ms.value;
  const auto fitted = [](double value) {
    return Constant{value, value, value, Provenance::kFitted, "Fig 5, 1,536 GPUs"};
  };
  Cause constant{"its loss at 1,536 as a constant per step", summit, aigw};
  TimesOf(&constant.system, "aigw")->fixed_ms = fitted(1e3 * seconds);
  Cause straggler{"its loss at 1,536 as stragglers", summit, aigw};
  straggler.system.jitter_normal =
      fitted(summit.jitter_normal.value + seconds / compute_s / ExpectedMaximumOfNormals(ranks));
  straggler.system.jitter_exponential =
      fitted(summit.jitter_exponential.value +
             seconds / compute_s / (ExpectedMaximumOfExponentials(ranks) - 1));
  Cause wait{"its loss at 1,536 as a wait for shared storage", summit, aigw};
  wait.system.wait_us = fitted(1e6 * seconds / batch / ranks);
  wait.workload.inputs_in_memory = false;
  return {constant, straggler, wait};
}

Status AppendEfficiency(const Cause& cause, bool overlap, Algorithm algorithm,
                        const Sampling& sampling, Validation* v) {
  Scenario small, large;
  small.ranks = 48;
  large.ranks = 6144;
  small.overlap = large.overlap = overlap;
  small.algorithm = large.algorithm = algorithm;
  STEMMA_ASSIGN_OR_RETURN(const Prediction base,
                          Simulate(cause.system, cause.workload, small, sampling));
  STEMMA_ASSIGN_OR_RETURN(const Prediction p,
                          Simulate(cause.system, cause.workload, large, sampling));
  const auto percent = [&](double step) { return 100 * base.step_s.p50 / step; };
  v->rows.push_back({kSummit, "efficiency against 48", "%", large.ranks, kAigwSummit6144Percent,
                     percent(p.step_s.p50), percent(p.step_s.p90), percent(p.step_s.p10), false,
                     kNone, cause.note});
  return {};
}

Status Summit(const Sampling& sampling, Validation* v) {
  STEMMA_ASSIGN_OR_RETURN(System summit, FindSystem("summit"));
  STEMMA_ASSIGN_OR_RETURN(const Workload aigw, MakeWorkload("aigw", {}));
  Hold(&TimesOf(&summit, "aigw")->per_sample_ms);
  const Cause none{"from one HAL GPU; overlap", summit, aigw};
  STEMMA_RETURN_IF_ERROR(AppendEfficiency(none, true, Algorithm::kAuto, sampling, v));
  STEMMA_RETURN_IF_ERROR(AppendTime({kSummit, "summit", "aigw", 1536, kAigwHalOneGpuS,
                                     kAigwSummit1536S, "from one HAL GPU; equal epochs assumed"},
                                    sampling, v));
  Cause other = none;
  other.note = "from one HAL GPU; a tree, no overlap";
  STEMMA_RETURN_IF_ERROR(AppendEfficiency(other, false, Algorithm::kTree, sampling, v));
  other.note = "from one HAL GPU; a flat ring, no overlap";
  STEMMA_RETURN_IF_ERROR(AppendEfficiency(other, false, Algorithm::kRing, sampling, v));
  Scenario one, many;
  many.ranks = 1536;
  STEMMA_ASSIGN_OR_RETURN(const Breakdown single, ExpectedStep(summit, aigw, one, Tail::kNormal));
  STEMMA_ASSIGN_OR_RETURN(const Prediction p, Simulate(summit, aigw, many, sampling));
  const double start = summit.start_s.value;
  const double needed =
      single.Sum() * many.ranks * (kAigwSummit1536S - start) / (kAigwHalOneGpuS - start);
  for (const Cause& cause : Causes(summit, aigw, needed - p.step_s.p50, many.ranks)) {
    STEMMA_RETURN_IF_ERROR(AppendEfficiency(cause, true, Algorithm::kAuto, sampling, v));
  }
  return {};
}

struct Choices {
  int64_t batch = 0;  // per rank
  bool one_call = false;
};

// What the submissions used was not read. Assumed is what the model finds fastest: a batch of
// MLPerf's points, at most 408 per GPU, and the engine's buckets or one call.
Result<Choices> FastestChoices(const System& system, const Workload& buckets, int gpus) {
  Choices best;
  double least = std::numeric_limits<double>::infinity();
  for (const int64_t global : {3264, 4096, 8192, 13056, 32768, 49152, 58880, 65536, 67840}) {
    for (const bool one_call : {false, true}) {
      Scenario scenario;
      scenario.ranks = gpus;
      scenario.local_batch = global / gpus;
      if (scenario.local_batch < 1 || scenario.local_batch > 408) continue;
      const Workload workload = one_call ? OneBucket(buckets) : buckets;
      const double all = static_cast<double>(scenario.local_batch * gpus);
      STEMMA_ASSIGN_OR_RETURN(const Breakdown step,
                              ExpectedStep(system, workload, scenario, Tail::kNormal));
      const double seconds = step.Sum() / all * EpochsAtBatch(all, true).value_or(0);
      if (seconds >= least) continue;
      least = seconds;
      best = {scenario.local_batch, one_call};
    }
  }
  return best;
}

Status Mlperf(const Sampling& sampling, Validation* v) {
  STEMMA_ASSIGN_OR_RETURN(System dgx, FindSystem("dgx-h100"));
  STEMMA_ASSIGN_OR_RETURN(const Workload buckets, MakeWorkload("resnet50", {}, 2));
  Constant* per_sample = &TimesOf(&dgx, "resnet50")->per_sample_ms;
  Hold(per_sample);
  const MlperfRun first = MlperfResNet50().front();
  for (const MlperfRun& run : MlperfResNet50()) {
    STEMMA_ASSIGN_OR_RETURN(const Choices choices, FastestChoices(dgx, buckets, run.gpus));
    const Workload workload = choices.one_call ? OneBucket(buckets) : buckets;
    Scenario scenario;
    scenario.ranks = run.gpus;
    scenario.local_batch = choices.batch;
    scenario.extrapolate = true;  // a batch per GPU is rounded down
    Prediction p;
    // The fitted run scales the compute time until it comes out; later ones keep it.
    for (int i = 0; i < (run.gpus == first.gpus ? 5 : 1); ++i) {
      STEMMA_ASSIGN_OR_RETURN(p, Simulate(dgx, workload, scenario, sampling));
      if (run.gpus != first.gpus || i == 4) continue;
      per_sample->value *= 60 * run.minutes / p.total_s.p50;
      Hold(per_sample);
    }
    const double linear = first.minutes * first.gpus / run.gpus;
    v->rows.push_back({"MLPerf v3.0, H100 ResNet-50", "time to train", "min", run.gpus, run.minutes,
                       p.total_s.p50 / 60, p.total_s.p10 / 60, p.total_s.p90 / 60,
                       run.gpus == first.gpus, 100 * (linear / run.minutes - 1),
                       "assumed: batch of " + std::to_string(scenario.local_batch) + " per GPU, " +
                           Number(p.epochs) + " epochs" + (choices.one_call ? ", one call" : "")});
  }
  return {};
}

}  // namespace

Status ValidateOthers(const Sampling& sampling, Validation* v) {
  const TimePoint points[] = {
      {"Fig 2, HAL AI-GW", "hal", "aigw", 64, kAigwHalOneGpuS, kAigwHal64S,
       "from one GPU; overlap"},
      {"Fig 3, Bridges-AI AI-GW", "bridges-ai", "aigw", 72, kAigwHalOneGpuS, kAigwBridges72S,
       "from one HAL GPU; more GPU hours than HAL's 64: unlike epochs or input"},
      {"Fig 4, HAL AI-DES", "hal", "aides", 64, kAidesHalOneGpuS, kAidesHal64S,
       "from one GPU; step time and start assumed"}};
  for (const TimePoint& point : points) STEMMA_RETURN_IF_ERROR(AppendTime(point, sampling, v));
  STEMMA_RETURN_IF_ERROR(Summit(sampling, v));
  return Mlperf(sampling, v);
}

}  // namespace stemma::scale
