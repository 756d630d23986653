#include "tools/scale/simulate.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/random.h"
#include "tools/scale/step.h"

namespace stemma::scale {
namespace {

constexpr int kSettle = 2, kCounted = 4;  // steps of a draw: left out, and counted
constexpr double kLeastFactor = 0.05;     // of a rank's compute time: jitter never undoes the work

double LargestOf(Tail tail, int ranks) {
  return tail == Tail::kNormal ? ExpectedMaximumOfNormals(ranks)
                               : ExpectedMaximumOfExponentials(ranks) - 1;
}

// The calls one after the other, each when its bucket is ready; when the last one ends.
double EndOfCalls(const std::vector<double>& ready, const std::vector<double>& calls) {
  double end = 0;
  for (size_t k = 0; k < calls.size(); ++k) end = std::max(end, ready[k]) + calls[k];
  return end;
}

// The steps of one draw.
class Draw {
 public:
  Draw(const StepPlan& plan, const Scenario& scenario, int64_t per_node, Tail tail, uint64_t key)
      : plan_(plan),
        scenario_(scenario),
        tail_(tail),
        random_(key, "scale.ranks"),
        factor_(static_cast<size_t>(scenario.ranks), 1.0),
        ready_(plan.ready_s.size(), 0.0) {
    MarkSlowNodes(per_node, key);
    // A loader that is far from being the bottleneck is hidden whatever its jitter.
    loads_ = plan.load_s > 0.5 * (plan.compute_s + plan.optimizer_s);
    if (loads_) input_.assign(static_cast<size_t>(scenario.ranks), 0.0);
  }

  Breakdown Step() {
    const size_t ranks = factor_.size();
    const double mean_wait = loads_ ? TakeInputs() : plan_.wait_s;
    double largest = 0, sum = 0;
    for (size_t r = 0; r < ranks; ++r) {
      factor_[r] = std::max(kLeastFactor, 1 + Deviation()) * (slow_.empty() ? 1 : slow_[r]);
      largest = std::max(largest, factor_[r]);
      sum += factor_[r];
    }
    double compute_end = 0;
    if (!loads_) {  // all begin together: the slowest one is the last with every bucket
      for (size_t k = 0; k < ready_.size(); ++k) {
        ready_[k] = plan_.wait_s + largest * plan_.ready_s[k];
      }
      compute_end = plan_.wait_s + largest * plan_.compute_s;
    } else {
      for (size_t k = 0; k < ready_.size(); ++k) ready_[k] = LastRankAt(plan_.ready_s[k]);
      compute_end = LastRankAt(plan_.compute_s);
    }
    Breakdown b;
    b.input = mean_wait;
    b.compute = plan_.compute_s * sum / static_cast<double>(ranks);
    b.straggler = compute_end - b.input - b.compute;
    b.exposed_calls = std::max(0.0, EndOfCalls(ready_, plan_.call_s) - compute_end);
    b.optimizer = plan_.optimizer_s;
    b.capture = plan_.capture_s;
    b.control = plan_.control_s;
    now_ += b.Sum();
    return b;
  }

 private:
  void MarkSlowNodes(int64_t per_node, uint64_t key) {
    if (!(plan_.slow_share > 0) || !(plan_.slow_factor > 1)) return;
    Random random(key, "scale.slow_nodes");
    slow_.assign(factor_.size(), 1.0);
    bool slow = false;
    for (size_t r = 0; r < slow_.size(); ++r) {
      if (static_cast<int64_t>(r) % per_node == 0) slow = random.Uniform() < plan_.slow_share;
      if (slow) slow_[r] = plan_.slow_factor;
    }
  }

  // One rank's, as a share of its compute time.
  double Deviation() {
    if (tail_ == Tail::kNormal) {
      return plan_.jitter_normal > 0 ? plan_.jitter_normal * random_.Normal() : 0;
    }
    return plan_.jitter_exponential > 0
               ? plan_.jitter_exponential * (-std::log1p(-random_.Uniform()) - 1)
               : 0;
  }

  // When each rank has its batch, from the begin of this step; returns the mean.
  double TakeInputs() {
    begins_.push_back(now_);
    const size_t step = begins_.size() - 1;
    const auto ahead = static_cast<size_t>(scenario_.prefetch);
    const double may_begin = step >= ahead ? begins_[step - ahead] : 0;
    double sum = 0;
    wait_.resize(input_.size());
    for (size_t r = 0; r < input_.size(); ++r) {
      const double load = plan_.load_s * std::max(kLeastFactor, 1 + Deviation());
      input_[r] = std::max(input_[r], may_begin) + load;
      wait_[r] = std::max(0.0, input_[r] - now_) + plan_.wait_s;
      sum += wait_[r];
    }
    return sum / static_cast<double>(input_.size());
  }

  // When the last rank has done what takes an undisturbed one `seconds`.
  double LastRankAt(double seconds) const {
    double last = 0;
    for (size_t r = 0; r < factor_.size(); ++r) {
      last = std::max(last, wait_[r] + factor_[r] * seconds);
    }
    return last;
  }

  const StepPlan& plan_;
  const Scenario& scenario_;
  const Tail tail_;
  Random random_;
  std::vector<double> factor_, ready_, slow_, input_, wait_, begins_;
  bool loads_ = false;
  double now_ = 0;
};

struct Outcome {
  Breakdown mean;
  double samples_per_s = 0, epoch_s = 0, total_s = 0;
  Status status;
};

void Accumulate(const Breakdown& one, double weight, Breakdown* sum) {
  sum->input += weight * one.input;
  sum->compute += weight * one.compute;
  sum->straggler += weight * one.straggler;
  sum->exposed_calls += weight * one.exposed_calls;
  sum->optimizer += weight * one.optimizer;
  sum->capture += weight * one.capture;
  sum->control += weight * one.control;
}

Outcome RunDraw(const System& system, const Workload& workload, const Scenario& scenario,
                double epochs, uint64_t key, Tail tail) {
  System drawn = system;
  Workload work = workload;
  Random random(key, "scale.constants");
  for (const auto& [name, constant] : drawn.Constants(workload.model)) {
    constant->value = constant->At(random.Uniform());
  }
  work.bytes_per_sample.value = work.bytes_per_sample.At(random.Uniform());
  Outcome out;
  Result<StepPlan> plan = PlanStep(drawn, work, scenario);
  out.status = plan.status();
  if (!plan.ok()) return out;
  Draw draw(*plan, scenario, system.ranks_per_node, tail, key);
  for (int i = 0; i < kSettle; ++i) draw.Step();
  for (int i = 0; i < kCounted; ++i) Accumulate(draw.Step(), 1.0 / kCounted, &out.mean);
  const double step = out.mean.Sum();
  out.samples_per_s = static_cast<double>(scenario.local_batch) * scenario.ranks / step;
  out.epoch_s = EpochSeconds(drawn, work, scenario, step);
  out.total_s = TotalSeconds(drawn, work, scenario, step, epochs);
  return out;
}

Status Check(const Scenario& s, const Sampling& sampling) {
  const auto refuse = [](const std::string& what) { return Status(Code::kInvalidArgument, what); };
  if (s.ranks < 1 || s.ranks > 10000000) return refuse("ranks: 1 to 10000000");
  if (s.local_batch < 1 || s.local_batch > 10000000) return refuse("batch: 1 to 10000000");
  if (s.prefetch < 1 || s.prefetch > 1000) return refuse("prefetch: 1 to 1000");
  if (s.capture_every < 0) return refuse("captures: not negative");
  if (!(s.epochs >= 0 && s.epochs <= 1e6)) return refuse("epochs: 0 to 1000000");
  if (sampling.draws < 2 || sampling.draws > 1000000) return refuse("draws: 2 to 1000000");
  if (sampling.threads < 1 || sampling.threads > 1024) return refuse("threads: 1 to 1024");
  return {};
}

// Each constant alone at its ends, the others at their values.
std::vector<Share> SharesOf(const System& system, const Workload& workload,
                            const Scenario& scenario) {
  System varied = system;
  const auto names = varied.Constants(workload.model);
  const auto seconds = [&](Tail tail) {
    const Result<Breakdown> step = ExpectedStep(varied, workload, scenario, tail);
    return step.ok() ? step->Sum() : 0;
  };
  const double normal = seconds(Tail::kNormal), exponential = seconds(Tail::kExponential);
  std::vector<Share> shares = {
      {"straggler: which tail", std::pow(0.5 * (normal - exponential), 2)}};
  double total = shares[0].percent;
  for (const auto& [name, constant] : names) {
    const double value = constant->value;
    // The quartiles of the triangle, both tails: half their distance is in proportion to the
    // spread.
    double low = 0, high = 0;
    for (const Tail tail : {Tail::kNormal, Tail::kExponential}) {
      constant->value = constant->At(0.25);
      low += 0.5 * seconds(tail);
      constant->value = value;
      constant->value = constant->At(0.75);
      high += 0.5 * seconds(tail);
      constant->value = value;
    }
    const double spread = 0.75 * std::fabs(high - low);
    shares.push_back({name, spread * spread});
    total += spread * spread;
  }
  for (Share& share : shares) share.percent *= total > 0 ? 100 / total : 0;
  std::stable_sort(shares.begin(), shares.end(),
                   [](const Share& a, const Share& b) { return a.percent > b.percent; });
  return shares;
}

void Flag(const System& system, const Workload& workload, Prediction* p) {
  const Scenario& s = p->scenario;
  if (s.ranks > 4 * system.validated_ranks) {
    p->flags.push_back("extrapolated: " + std::to_string(s.ranks) +
                       " ranks are more than 4 times " + std::to_string(system.validated_ranks) +
                       ", the most that " + system.name + " was measured with");
  }
  const double batch = static_cast<double>(s.local_batch) * s.ranks;
  const bool outside = !EpochsAtBatch(batch, false).has_value();
  if (s.epochs <= 0 && workload.epochs_by_batch && outside) {
    p->flags.push_back(
        s.extrapolate ? "epochs extrapolated: MLPerf's points end at batches of 1632 and 67840"
                      : "time to accuracy refused: a global batch outside 1632 to 67840 has no "
                        "published number of epochs (--extrapolate, or --epochs)");
  }
  if (s.epochs <= 0 && !workload.epochs_by_batch) {
    p->flags.push_back("epochs assumed: " + workload.epochs.source);
  }
  if (workload.inputs_in_memory) p->flags.push_back("input assumed to be in memory");
}

}  // namespace

Result<Breakdown> ExpectedStep(const System& system, const Workload& workload,
                               const Scenario& given, Tail tail) {
  Scenario scenario = given;
  if (scenario.local_batch == 0) scenario.local_batch = workload.local_batch;
  STEMMA_ASSIGN_OR_RETURN(const StepPlan plan, PlanStep(system, workload, scenario));
  const bool normal = tail == Tail::kNormal;
  const double jitter = normal ? plan.jitter_normal : plan.jitter_exponential;
  const double nodes = NodesOf(system.MakeFabric(), scenario.ranks);
  const double any_slow = 1 - std::pow(1 - plan.slow_share, nodes);
  const double slowest =
      (1 + jitter * LargestOf(tail, scenario.ranks)) * (1 + any_slow * (plan.slow_factor - 1));
  std::vector<double> ready = plan.ready_s;
  // Loading takes part only when it is longer than everything it could hide behind.
  const double rest = slowest * plan.compute_s + plan.optimizer_s + plan.wait_s;
  const double input = plan.wait_s + std::max(0.0, plan.load_s - rest);
  for (double& at : ready) at = input + slowest * at;
  Breakdown b;
  b.input = input;
  b.compute = plan.compute_s * (1 + plan.slow_share * (plan.slow_factor - 1));
  b.straggler = slowest * plan.compute_s - b.compute;
  b.exposed_calls =
      std::max(0.0, EndOfCalls(ready, plan.call_s) - input - slowest * plan.compute_s);
  b.optimizer = plan.optimizer_s;
  b.capture = plan.capture_s;
  b.control = plan.control_s;
  return b;
}

Result<Prediction> Simulate(const System& system, const Workload& workload, const Scenario& given,
                            const Sampling& sampling) {
  Prediction p;
  p.scenario = given;
  Scenario& scenario = p.scenario;
  if (scenario.local_batch == 0) scenario.local_batch = workload.local_batch;
  STEMMA_RETURN_IF_ERROR(Check(scenario, sampling));
  STEMMA_RETURN_IF_ERROR(ExpectedStep(system, workload, scenario, Tail::kNormal).status());
  const Fabric fabric = system.MakeFabric();
  p.first_call =
      Cheapest(fabric, scenario.algorithm, scenario.ranks, workload.buckets.front().bytes);
  p.last_call = Cheapest(fabric, scenario.algorithm, scenario.ranks, workload.buckets.back().bytes);
  if (!std::isfinite(p.last_call.seconds)) {
    return Status(Code::kInvalidArgument,
                  std::string(AlgorithmName(scenario.algorithm)) + " cannot serve " +
                      std::to_string(scenario.ranks) + " ranks of " + system.name +
                      ": halving needs a power of two, nvls one node with such a switch");
  }
  const double batch = static_cast<double>(scenario.local_batch) * scenario.ranks;
  p.epochs = scenario.epochs > 0 ? scenario.epochs : workload.epochs.value;
  if (scenario.epochs <= 0 && workload.epochs_by_batch) {
    p.epochs = EpochsAtBatch(batch, scenario.extrapolate).value_or(0);
  }
  p.nodes = NodesOf(fabric, scenario.ranks);

  std::vector<Outcome> outcomes(static_cast<size_t>(sampling.draws));
  const auto work = [&](int first) {
    for (int d = first; d < sampling.draws; d += sampling.threads) {
      const uint64_t key = Key({sampling.seed, static_cast<uint64_t>(d)});
      outcomes[static_cast<size_t>(d)] = RunDraw(system, workload, scenario, p.epochs, key,
                                                 d % 2 == 0 ? Tail::kNormal : Tail::kExponential);
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < sampling.threads; ++t) threads.emplace_back(work, t);
  work(0);
  for (std::thread& thread : threads) thread.join();

  std::vector<double> steps, rates, epochs, totals;
  for (const Outcome& one : outcomes) {
    STEMMA_RETURN_IF_ERROR(Status(one.status));
    Accumulate(one.mean, 1.0 / sampling.draws, &p.mean);
    steps.push_back(one.mean.Sum());
    rates.push_back(one.samples_per_s);
    epochs.push_back(one.epoch_s);
    totals.push_back(one.total_s);
  }
  p.step_s = QuantilesOf(std::move(steps));
  p.samples_per_s = QuantilesOf(std::move(rates));
  p.epoch_s = QuantilesOf(std::move(epochs));
  if (p.epochs > 0) p.total_s = QuantilesOf(std::move(totals));
  if (scenario.capture_every > 0) {
    p.capture_gb_s = workload.parameters * workload.state_bytes / 1e9 /
                     (static_cast<double>(scenario.capture_every) * p.step_s.p50);
  }
  if (!workload.inputs_in_memory) {
    p.first_epoch_input_gb_s = p.samples_per_s.p50 * workload.bytes_per_sample.value / 1e9;
  }
  p.shares = SharesOf(system, workload, scenario);
  Flag(system, workload, &p);
  return p;
}

}  // namespace stemma::scale
