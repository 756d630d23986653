#include "tools/scale/step.h"

#include <algorithm>
#include <cmath>

namespace stemma::scale {
namespace {

constexpr double kGiga = 1e9, kMicro = 1e-6, kMilli = 1e-3;

// What the storage gives one rank, captures taken off, in GB/s.
double StorageShare(const System& s, int ranks, double taken_gb_s) {
  const double n = ranks;
  const double cap = s.storage_cap_gb_s.value / (1 + n / s.storage_half_ranks.value) - taken_gb_s;
  const double least = 0.05 * s.storage_cap_gb_s.value;  // writing does not starve reading for ever
  return std::min(n * s.client_gb_s.value, std::max(cap, least)) / n;
}

double StateBytes(const Workload& w) { return w.parameters * w.state_bytes; }

double CaptureSeconds(const System& s, const Workload& w, const Scenario& scenario,
                      double compute_s) {
  if (scenario.capture_every <= 0) return 0;
  const auto every = static_cast<double>(scenario.capture_every);
  const double copy = StateBytes(w) / scenario.ranks / (s.capture_gb_s.value * kGiga);
  const double write = StateBytes(w) / (s.write_gb_s.value * kGiga);
  return (copy + std::max(0.0, write - every * compute_s)) / every;
}

void PlanInput(const System& s, const Workload& w, const Scenario& scenario, StepPlan* plan) {
  if (w.inputs_in_memory) return;
  const auto batch = static_cast<double>(scenario.local_batch);
  const double bytes = batch * w.bytes_per_sample.value / kGiga;
  double rate = s.local_gb_s.value / static_cast<double>(s.ranks_per_node);
  if (scenario.staging == Staging::kShared) {
    const double taken = scenario.capture_every > 0
                             ? StateBytes(w) / kGiga /
                                   (static_cast<double>(scenario.capture_every) * plan->compute_s)
                             : 0;
    rate = StorageShare(s, scenario.ranks, std::min(taken, s.write_gb_s.value));
    plan->wait_s = batch * s.wait_us.value * kMicro * scenario.ranks;
  }
  plan->load_s = std::max(bytes / rate, bytes / s.decode_gb_s.value);
}

void PlanCalls(const System& s, const Workload& w, const Scenario& scenario, StepPlan* plan) {
  const Fabric fabric = s.MakeFabric();
  const double forward = plan->compute_s * w.forward_share;
  for (const Bucket& bucket : w.buckets) {
    const double share = scenario.overlap ? bucket.ready : 1;
    const double contention = scenario.overlap ? s.contention.value : 1;
    plan->ready_s.push_back(forward + share * (plan->compute_s - forward));
    plan->call_s.push_back(
        contention * Cheapest(fabric, scenario.algorithm, scenario.ranks, bucket.bytes).seconds);
  }
}

}  // namespace

Result<StepPlan> PlanStep(const System& s, const Workload& w, const Scenario& scenario) {
  const ModelTimes* times = s.TimesOf(w.model);
  if (times == nullptr) {
    return Status(Code::kNotFound, "system '" + s.name + "' has no compute times of " + w.model +
                                       ": add a section [" + w.model +
                                       "], or give a measured step with --calib");
  }
  StepPlan plan;
  const auto batch = static_cast<double>(scenario.local_batch);
  const double whole = kMilli * (times->fixed_ms.value + times->per_sample_ms.value * batch);
  const double pass = w.parameters * w.optimizer_bytes / (s.memory_gb_s.value * kGiga);
  // The measured step holds the update; a share that a short step cannot hold is not taken off.
  plan.optimizer_s = std::min(pass, 0.5 * whole);
  plan.compute_s = whole - plan.optimizer_s;
  plan.control_s = scenario.ranks > 1 ? s.control_us.value * kMicro : 0;
  PlanInput(s, w, scenario, &plan);
  PlanCalls(s, w, scenario, &plan);
  if (scenario.sharded && scenario.ranks > 1) {
    // The reduction leaves each rank its part, and the updated parameters are gathered: the bytes
    // of the two halves of an all-reduce, but the second half cannot hide behind backward.
    plan.optimizer_s /= scenario.ranks;
    double gather = 0;
    for (size_t k = 0; k < plan.call_s.size(); ++k) {
      gather += plan.call_s[k] / 2;
      plan.call_s[k] /= 2;
    }
    plan.optimizer_s += gather;
  }
  plan.capture_s = CaptureSeconds(s, w, scenario, plan.compute_s);
  plan.jitter_normal = s.jitter_normal.value;
  plan.jitter_exponential = s.jitter_exponential.value;
  plan.slow_share = s.slow_node_share.value;
  plan.slow_factor = s.slow_node_factor.value;
  return plan;
}

double EpochSeconds(const System& s, const Workload& w, const Scenario& scenario, double step_s) {
  const ModelTimes* times = s.TimesOf(w.model);
  const auto batch = static_cast<double>(scenario.local_batch) * scenario.ranks;
  return w.samples_per_epoch.value / batch * step_s + times->validation_s.value / scenario.ranks +
         times->epoch_s.value;
}

double TotalSeconds(const System& s, const Workload& w, const Scenario& scenario, double step_s,
                    double epochs) {
  const double epoch = EpochSeconds(s, w, scenario, step_s);
  const double cold = w.inputs_in_memory ? 0 : (s.cold_factor.value - 1) * epoch;
  return epochs * epoch + cold + s.start_s.value;
}

}  // namespace stemma::scale
