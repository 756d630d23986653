#include "tools/bench/train_bench.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "models/train/threads.h"
#include "ops/guard.h"
#include "ops/tensor_bytes.h"
#include "ops/tensor_collectives.h"
#include "tools/bench/statistics.h"
#include "tools/bench/train_loops.h"

namespace stemma::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Nanoseconds that one call of `body` takes.
template <typename Body>
double NanosecondsOf(Body body) {
  constexpr int kTimes = 20000;
  const auto begin = Clock::now();
  for (int k = 0; k < kTimes; ++k) body();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / kTimes;
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class TrainBench {
 public:
  TrainBench(const TrainFlags& flags, const models::RunSettings& settings, comm::World& world)
      : flags_(flags), settings_(settings), world_(world), alone_(comm::World::Threads(1)) {}

  Status Run();

 private:
  Status MakeLoops();
  Status Warm();
  Status RunIteration(int64_t k);
  Status Steps(Loop& loop, int64_t count);
  Status Gather();
  void PrintProtocolHead() const;
  void PrintProtocolTail() const;
  void PrintAdded();
  void PrintLoop(const Loop& loop);
  void PrintDifference(const char* what, const char* with, const char* without);
  void PrintMemory();
  void PrintRecorder();
  std::vector<double> Iterations(const Loop& loop) const;  // mean step of each, slowest ranks
  const Loop* Find(const std::string& name) const;
  bool speaks() const { return world_.rank() == 0; }

  const TrainFlags& flags_;
  const models::RunSettings& settings_;
  comm::World& world_;
  const std::vector<std::unique_ptr<comm::World>> alone_;  // without communication
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<double> rates_;  // samples/s of rank 0, first loop, per iteration
  double peak_bytes_ = 0, share_bytes_ = 0;
  uint64_t recorded_calls_ = 0;  // of the first loop's iterations
  nlohmann::ordered_json json_;
};

Status TrainBench::MakeLoops() {
  LoopShape shape;
  shape.model.name = flags_.model_word.empty() ? flags_.model : flags_.model_word;
  shape.model.batch = flags_.batch_size;
  shape.model.side = flags_.size;
  shape.model.channels_last = flags_.channels_last;
  shape.model.device = ops::DeviceOf(world_);
  shape.model.data = static_cast<uint64_t>(world_.rank());
  shape.lr = 0.01 * world_.ranks();
  shape.precision = flags_.precision;
  if (!flags_.only) {
    STEMMA_ASSIGN_OR_RETURN(auto loop, MakeEngineLoop("engine", world_, settings_.ops, shape));
    loops_.push_back(std::move(loop));
  }
  if (flags_.no_comm) {
    if (world_.on_gpu()) {
      return {Code::kInvalidArgument, "--no-comm is for the CPU: its world of one has no GPU"};
    }
    STEMMA_ASSIGN_OR_RETURN(auto loop, MakeEngineLoop("no-comm", *alone_[0], settings_.ops, shape));
    loops_.push_back(std::move(loop));
  }
  if (flags_.bare) {
    STEMMA_ASSIGN_OR_RETURN(auto loop, MakeBareLoop(shape));
    loops_.push_back(std::move(loop));
  }
  return {};
}

Status TrainBench::Steps(Loop& loop, int64_t count) {
  // The protocol times an iteration as a whole; on a GPU a step's own end is not seen by the host.
  const bool each = !world_.on_gpu();
  const auto begin = Clock::now();
  auto last = begin;
  for (int64_t i = 0; i < count; ++i) {
    STEMMA_RETURN_IF_ERROR(loop.Step());
    if (!each) continue;
    const auto now = Clock::now();
    loop.step_s.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
  }
  STEMMA_RETURN_IF_ERROR(loop.Settle());
  const double mean = SecondsSince(begin) / static_cast<double>(count);
  for (int64_t i = 0; !each && i < count; ++i) loop.step_s.push_back(mean);
  return {};
}

Status TrainBench::Warm() {
  for (const auto& loop : loops_) {
    if (flags_.warmup_batches > 0) STEMMA_RETURN_IF_ERROR(Steps(*loop, flags_.warmup_batches));
    loop->step_s.clear();
  }
  return {};
}

Status TrainBench::RunIteration(int64_t k) {
  const size_t n = loops_.size();
  for (size_t i = 0; i < n; ++i) {
    Loop& loop = *loops_[k % 2 == 0 ? i : n - 1 - i];
    STEMMA_ASSIGN_OR_RETURN(comm::Work meet, world_.data().Barrier({}));
    STEMMA_RETURN_IF_ERROR(meet.Wait());
    const uint64_t before = world_.recorder().host().last_call;
    const auto begin = Clock::now();
    STEMMA_RETURN_IF_ERROR(Steps(loop, flags_.batches_per_iter));
    if (&loop != loops_[0].get()) continue;
    recorded_calls_ += world_.recorder().host().last_call - before;
    const auto samples = static_cast<double>(flags_.batch_size * flags_.batches_per_iter);
    rates_.push_back(samples / SecondsSince(begin));
  }
  return {};
}

// Every step becomes as long as on its slowest rank.
Status TrainBench::Gather() {
  return ops::Guard("the figures", [&]() -> Status {
    const auto reduced = [&](std::vector<double>* values, comm::Op op) -> Status {
      const at::Tensor host =
          at::from_blob(values->data(), {static_cast<int64_t>(values->size())}, at::kDouble);
      const at::Tensor there = host.to(ops::DeviceOf(world_)).clone();
      STEMMA_RETURN_IF_ERROR(ops::AllReduce(world_, there, op));
      host.copy_(there);
      return {};
    };
    for (const auto& loop : loops_) {
      STEMMA_RETURN_IF_ERROR(reduced(&loop->step_s, comm::Op::kMax));
    }
    malloc_trim(0);  // glibc keeps what autograd freed: that is held by nobody
    std::vector<double> peak = {static_cast<double>(ProcBytes("status", "VmHWM"))};
    std::vector<double> share = {static_cast<double>(ProcBytes("smaps_rollup", "Pss"))};
    STEMMA_RETURN_IF_ERROR(reduced(&peak, comm::Op::kMax));
    STEMMA_RETURN_IF_ERROR(reduced(&share, comm::Op::kAverage));
    peak_bytes_ = peak[0];
    share_bytes_ = share[0];
    return {};
  });
}

const Loop* TrainBench::Find(const std::string& name) const {
  for (const auto& loop : loops_) {
    if (name == loop->name()) return loop.get();
  }
  return nullptr;
}

std::vector<double> TrainBench::Iterations(const Loop& loop) const {
  std::vector<double> means;
  const auto per = static_cast<size_t>(flags_.batches_per_iter);
  for (size_t at = 0; at + per <= loop.step_s.size(); at += per) {
    means.push_back(Mean({loop.step_s.begin() + static_cast<int64_t>(at),
                          loop.step_s.begin() + static_cast<int64_t>(at + per)}));
  }
  return means;
}

const char* DeviceWord(const comm::World& world) { return world.on_gpu() ? "GPU" : "CPU"; }

void TrainBench::PrintProtocolHead() const {
  const std::string& model = flags_.model_word.empty() ? flags_.model : flags_.model_word;
  std::printf("Model: %s\nBatch size: %lld\nNumber of %ss: %d\nRunning warmup...\n", model.c_str(),
              static_cast<long long>(flags_.batch_size), DeviceWord(world_), world_.ranks());
  std::fflush(stdout);
}

void TrainBench::PrintProtocolTail() const {
  const char* device = DeviceWord(world_);
  const double mean = Mean(rates_), around = 1.96 * Deviation(rates_);
  std::printf("Img/sec per %s: %.1f +-%.1f\n", device, mean, around);
  std::printf("Total img/sec on %d %s(s): %.1f +-%.1f\n", world_.ranks(), device,
              world_.ranks() * mean, world_.ranks() * around);
}

void TrainBench::PrintLoop(const Loop& loop) {
  const double median = Median(loop.step_s), p95 = Quantile(loop.step_s, 0.95);
  std::printf("%-8s step median %.3f ms, p95 %.3f ms over %zu steps, slowest rank\n", loop.name(),
              1e3 * median, 1e3 * p95, loop.step_s.size());
  json_[loop.name()] = {{"step_ms", 1e3 * median}, {"step_p95_ms", 1e3 * p95}};
  std::vector<double> each = Iterations(loop);
  for (double& value : each) value *= 1e3;
  json_[loop.name()]["iterations_ms"] = each;
  if (loop.reducer() == nullptr) return;
  const ops::Reducer& reducer = *loop.reducer();
  uint64_t bytes = 0, gradients = 0;
  for (const auto& bucket : reducer.plan().buckets) {
    bytes += static_cast<uint64_t>(bucket.count) * SizeOf(bucket.dtype);
  }
  for (const auto& p : reducer.parameters()) gradients += p.tensor.nbytes();
  const auto steps = static_cast<double>(loop.step_s.size() + flags_.warmup_batches);
  std::printf("         reduces %s per step in %zu buckets; waits %.3f ms per step, copied %s\n",
              HumanBytes(bytes).c_str(), reducer.plan().buckets.size(),
              1e3 * reducer.stats().wait_s / steps,
              HumanBytes(reducer.stats().copied_bytes).c_str());
  json_[loop.name()]["reduced_bytes"] = bytes;
  json_[loop.name()]["gradient_bytes"] = gradients;
  json_[loop.name()]["wait_ms"] = 1e3 * reducer.stats().wait_s / steps;
}

void TrainBench::PrintDifference(const char* what, const char* with, const char* without) {
  const Loop *a = Find(with), *b = Find(without);
  if (a == nullptr || b == nullptr) return;
  const std::vector<double> more = Iterations(*a), less = Iterations(*b);
  std::vector<double> differences, shares;
  for (size_t k = 0; k < std::min(more.size(), less.size()); ++k) {
    differences.push_back(1e3 * (more[k] - less[k]));
    shares.push_back(100 * (more[k] - less[k]) / less[k]);
  }
  std::printf("%s: %.3f ms per step (%.2f %% of %s); quartiles %.3f .. %.3f ms\n", what,
              Median(differences), Median(shares), without, Quantile(differences, 0.25),
              Quantile(differences, 0.75));
  json_[what] = {{"ms", differences}, {"percent", shares}};
}

void TrainBench::PrintMemory() {
  std::printf("Memory: peak %s resident, now %s per rank\n",
              HumanBytes(static_cast<uint64_t>(peak_bytes_)).c_str(),
              HumanBytes(static_cast<uint64_t>(share_bytes_)).c_str());
  json_["peak_bytes"] = peak_bytes_;
  json_["share_bytes"] = share_bytes_;
}

// What the flight recorder costs a training: its calls, and the phases that the trainer enters in a
// step, on a recorder beside the world's.
void TrainBench::PrintRecorder() {
  constexpr double kPhases = 9;
  std::vector<char> memory(static_cast<size_t>(comm::FlightRecorder::kBytes) + 64, '\0');
  void* aligned = memory.data();
  size_t room = memory.size();
  std::align(64, static_cast<size_t>(comm::FlightRecorder::kBytes), aligned, room);
  comm::FlightRecorder recorder(aligned);
  const double call_ns = NanosecondsOf([&] {
    recorder.Finished(recorder.Enqueued(comm::CallKind::kAllReduce, 1, "bucket 0 (a .. b)"), true);
  });
  const double phase_ns = NanosecondsOf([&] { recorder.Enter(comm::Phase::kForward); });
  const auto steps = static_cast<double>(flags_.iters * flags_.batches_per_iter);
  const double calls = static_cast<double>(recorded_calls_) / steps;
  const double ns = calls * call_ns + kPhases * phase_ns;
  const double percent = 100 * ns / (1e9 * Median(loops_[0]->step_s));
  std::printf("Flight recorder: %.1f calls of %.0f ns, %.0f phases of %.0f ns: %.4f %% of a step\n",
              calls, call_ns, kPhases, phase_ns, percent);
  json_["recorder"] = {{"calls_per_step", calls},
                       {"call_ns", call_ns},
                       {"phase_ns", phase_ns},
                       {"percent", percent}};
}

void TrainBench::PrintAdded() {
  std::printf("\n%s; %s; %d LibTorch threads per rank; %s\n", world_.description().c_str(),
              loops_[0]->model().Describe().c_str(), at::get_num_threads(),
              flags_.precision.c_str());
  json_["world"] = world_.description();
  json_["model"] = flags_.model_word.empty() ? flags_.model : flags_.model_word;
  json_["ranks"] = world_.ranks();
  json_["batch"] = flags_.batch_size;
  json_["shape"] = loops_[0]->model().Describe();
  json_["threads"] = at::get_num_threads();
  json_["samples_per_s"] = world_.ranks() * Mean(rates_);
  for (const auto& loop : loops_) PrintLoop(*loop);
  PrintDifference("Exposed communication", "engine", "no-comm");
  PrintDifference("Engine over bare LibTorch", "engine", "bare");
  PrintMemory();
  PrintRecorder();
  if (flags_.efficiency_baseline > 0) {
    const double share = Mean(rates_) / flags_.efficiency_baseline;
    std::printf("Efficiency: %.1f %% of %d x %.1f samples/s\n", 100 * share, world_.ranks(),
                flags_.efficiency_baseline);
    json_["efficiency"] = share;
  }
}

Status TrainBench::Run() {
  models::RunSettings threads = settings_;
  if (flags_.threads > 0) threads.device.threads = flags_.threads;
  STEMMA_RETURN_IF_ERROR(models::UseThreads(threads, world_));  // as a training would
  STEMMA_RETURN_IF_ERROR(MakeLoops());
  if (speaks()) PrintProtocolHead();
  STEMMA_RETURN_IF_ERROR(Warm());
  if (speaks()) std::printf("Running benchmark...\n");
  for (int64_t k = 0; k < flags_.iters; ++k) {
    STEMMA_RETURN_IF_ERROR(RunIteration(k));
    if (!speaks()) continue;
    std::printf("Iter #%lld: %.1f img/sec per %s\n", static_cast<long long>(k), rates_.back(),
                DeviceWord(world_));
    std::fflush(stdout);
  }
  for (const auto& loop : loops_) STEMMA_RETURN_IF_ERROR(loop->Close());
  STEMMA_RETURN_IF_ERROR(Gather());
  if (!speaks()) return {};
  PrintProtocolTail();
  PrintAdded();
  if (flags_.json.empty()) return {};
  std::ofstream out(flags_.json, std::ios::app);
  out << json_.dump() << "\n";
  if (!out.flush()) return {Code::kIo, "--json " + flags_.json + ": cannot be written"};
  return {};
}

}  // namespace

Status RunTrainBench(const TrainFlags& flags, const models::RunSettings& settings,
                     comm::World& world) {
  return TrainBench(flags, settings, world).Run();
}

}  // namespace stemma::bench
