// What ops' settings and the Reducer's rarer calls do: compression, hooks, unused parameters,
// divisors, uneven data.
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "ops/clip.h"
#include "ops/compress.h"
#include "ops/tensor_collectives.h"
#include "tests/ranks/observed_world.h"
#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Reducer;

const ops::OpsSettings kDefaults;

ops::StepShape Divided(double divisor) {
  ops::StepShape shape;
  shape.divisor = divisor;
  return shape;
}

Status SameOnAllRanks(comm::World& world, const std::string& mine, const std::string& what) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, world.cohort().AllGather(mine));
  for (const std::string& theirs : all) {
    STEMMA_RETURN_IF_ERROR(Expect(theirs == all[0], what + ": the same bits on all ranks"));
  }
  return {};
}

std::string BytesOf(const at::Tensor& t) {
  return std::string(static_cast<const char*>(t.const_data_ptr()), t.nbytes());
}

// u: the unit round-off of the type on the wire. ops/compress.h states the bound.
Status WithinBound(comm::World& world, const std::string& compress, double u, double absolute) {
  const int ranks = world.ranks();
  const at::Tensor w = at::zeros({5000}).requires_grad_(true);
  const at::Tensor v = at::zeros({40}, at::kHalf).requires_grad_(true);  // goes as it is
  ObservedWorld observed(world);
  ops::OpsSettings settings;
  settings.compress = compress;
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(settings, observed, {{"w", {}, w}, {"v", {}, v}}));
  const int allocated = observed.calls("allocate");
  for (uint64_t step = 0; step < 2; ++step) {
    at::Tensor sum = at::zeros({5000}, at::kDouble), size = sum.clone();
    at::Tensor mine;
    for (int rank = 0; rank < ranks; ++rank) {
      const auto key = 10 * step + static_cast<uint64_t>(rank);
      const at::Tensor g = Drawn(key, {5000}, at::kFloat);
      if (rank == world.rank()) mine = g;
      sum += g.to(at::kDouble);
      size += g.to(at::kDouble).abs();
    }
    const at::Tensor loss = (w * mine).sum() + v.sum().to(at::kFloat);
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 4, loss));
    const at::Tensor error = (w.grad().to(at::kDouble) * 4 - sum).abs();
    const at::Tensor bound = size * (2 * u + 2 * u * u) + absolute;
    STEMMA_RETURN_IF_ERROR(Expect(error.le(bound).all().item<bool>(), compress + " bound"));
    STEMMA_RETURN_IF_ERROR(Expect(error.max().item<double>() > 0, compress + " rounds"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(v.grad(), at::full_like(v, ranks / 4.), "the f16 bucket"));
    STEMMA_RETURN_IF_ERROR(SameOnAllRanks(world, BytesOf(w.grad()), compress));
  }
  const std::string wire = compress == "fp16" ? "all_reduce f16" : "all_reduce bf16";
  STEMMA_RETURN_IF_ERROR(Expect(observed.calls("all_reduce f32") == 0 && observed.calls(wire) >= 2,
                                "16 bits on the wire"));
  return Expect(observed.calls("allocate") == allocated, "nothing is allocated in a step");
}

class Doubling final : public ops::BucketHook {
 public:
  explicit Doubling(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  Status Prepare(comm::World&, const std::vector<ops::Bucket>& buckets) override {
    prepared_ = buckets.size();
    return {};
  }
  Result<comm::Work> Run(const ops::Bucket& bucket, comm::Communicator& c) override {
    if (bucket.index >= prepared_) return Status(Code::kInternal, "not prepared");
    const auto* data = bucket.gradients.data_ptr<float>();
    const comm::Span span = {const_cast<float*>(data), bucket.gradients.numel(), DType::kF32};
    comm::CallOptions options = OptionsFor(bucket, comm::Op::kSum);
    options.scale *= 2;
    return c.AllReduce(span, options);
  }
  std::vector<ops::HookState> State() override { return {{"feedback", at::ones({2}), true}}; }

 private:
  const std::string name_;
  size_t prepared_ = 0;
};

}  // namespace

Status CompressionStaysWithinItsBound(comm::World& world) {
  const double ranks = world.ranks();
  STEMMA_RETURN_IF_ERROR(WithinBound(world, "bf16", std::ldexp(1, -8), 1e-30));
  return WithinBound(world, "fp16", std::ldexp(1, -11), ranks * (ranks + 1) * std::ldexp(1, -25));
}

// Each rank's gradient fits f16, their sum does not; and an integer bucket is nobody's to round.
Status Fp16DoesNotOverflow(comm::World& world) {
  const int ranks = world.ranks();
  const at::Tensor w = at::zeros({8}).requires_grad_(true);
  ops::OpsSettings settings;
  settings.compress = "fp16";
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, ranks, w.sum() * 49152));
  STEMMA_RETURN_IF_ERROR(Expect(at::allclose(w.grad(), at::full({8}, 49152.), 1e-3), "no inf"));

  STEMMA_ASSIGN_OR_RETURN(auto hook, ops::MakeCompression("fp16"));
  ops::Bucket bucket;
  bucket.gradients = at::full({3}, 1000003, at::kLong);
  bucket.what = "integers";
  STEMMA_RETURN_IF_ERROR(hook->Prepare(world, {bucket}));
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, hook->Run(bucket, world.data()));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  return ExpectEqual(bucket.gradients, at::full({3}, 1000003 * ranks, at::kLong), "integers");
}

Status UserHookReducesBuckets(comm::World& world) {
  const Code mistake = Code::kInvalidArgument;
  const at::Tensor w = at::zeros({5}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  const std::string before = reducer->plan().digest;
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->AddHook(nullptr), mistake, "no hook was given"));
  if (world.ranks() > 1) {
    const std::string name = world.rank() == 0 ? "doubling" : "tripling";
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->AddHook(std::make_unique<Doubling>(name)),
                                       Code::kIncompatible, "the hook of AddHook differs"));
  }
  STEMMA_RETURN_IF_ERROR(reducer->AddHook(std::make_unique<Doubling>("doubling")));
  STEMMA_RETURN_IF_ERROR(Expect(reducer->plan().digest != before, "another digest"));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), at::full({5}, 2.f * world.ranks()), "w.grad"));
  const auto state = reducer->HookStates();
  STEMMA_RETURN_IF_ERROR(Expect(state.size() == 1 && state[0].per_rank, "the hook's state"));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->AddHook(std::make_unique<Doubling>("again")), mistake,
                                     "before the first BeginStep"));
  ops::OpsSettings compressed;
  compressed.compress = "bf16";
  const at::Tensor v = at::zeros({5}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(reducer, Reducer::Create(compressed, world, {{"v", {}, v}}));
  return ExpectError(reducer->AddHook(std::make_unique<Doubling>("doubling")), mistake,
                     "set ops.compress=none");
}

Status UnusedKeepsNone(comm::World& world) {
  at::Tensor used = at::ones({6}).requires_grad_(true);
  at::Tensor on_rank_0 = at::ones({6}).requires_grad_(true);
  at::Tensor never = at::ones({6}).requires_grad_(true);
  ops::OpsSettings settings = TinyBuckets();
  settings.unused = "keep_none";
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(settings, world,
                      {{"used", {}, used}, {"on_rank_0", {}, on_rank_0}, {"never", {}, never}}));
  const at::Tensor one = at::ones({6});
  for (int step = 0; step < 3; ++step) {
    const at::Tensor loss = world.rank() == 0 ? (used + on_rank_0).sum() : used.sum();
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(used.grad(), one * world.ranks(), "used.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(on_rank_0.grad(), one, "on_rank_0.grad"));
    STEMMA_RETURN_IF_ERROR(Expect(!never.grad().defined(), "never.grad is undefined"));
  }
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, never.sum()));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(never.grad(), one * world.ranks(), "never.grad, used"));
  STEMMA_RETURN_IF_ERROR(Expect(!used.grad().defined(), "used.grad is undefined"));
  return Expect(reducer->stats().aliases_reattached == 0, "nothing was lost by the user");
}

// Rank r has data for r + 1 steps, r + 2 samples in each, and each sample's gradient is r + 1.
Status UnevenDataByDivisor(comm::World& world, const std::string& divisor) {
  const int ranks = world.ranks(), rank = world.rank();
  const at::Tensor w = at::zeros({3}, at::kDouble).requires_grad_(true);
  ops::OpsSettings settings;
  settings.divisor = divisor;
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, {{"w", {}, w}}));
  const bool sums = divisor == "counted" || divisor == "samples";
  for (int step = 0; step <= ranks; ++step) {
    double gradient = 0, samples = 0;
    for (int r = step; r < ranks; ++r) {
      samples += r + 2;
      gradient += (r + 1) * (sums ? r + 2 : 1);
    }
    const double total = sums ? samples : divisor == "world" ? ranks : ranks - step;
    const double given = divisor == "samples" ? std::max(samples, 1.) : sums ? rank + 2 : 1;
    if (rank >= step) {
      STEMMA_RETURN_IF_ERROR(
          OneStep(*reducer, given, w.sum() * (rank + 1) * (sums ? rank + 2 : 1)));
    } else {
      STEMMA_RETURN_IF_ERROR(reducer->ContributeNothing(Divided(given)));
      STEMMA_RETURN_IF_ERROR(reducer->Wait());
    }
    const double expected = total > 0 ? gradient / total : 0;
    STEMMA_RETURN_IF_ERROR(
        Expect(at::allclose(w.grad(), at::full({3}, expected, at::kDouble), 1e-14),
               divisor + ": the mean of step " + std::to_string(step)));
    const auto& shares = reducer->contributions();
    for (size_t r = 0; r < shares.size(); ++r) {
      const int who = static_cast<int>(r);
      const double share = who < step ? 0 : divisor == "active" ? 1 : who + 2;
      STEMMA_RETURN_IF_ERROR(Expect(shares[r] == share, divisor + ": all know who had data"));
    }
    const bool known = divisor == "counted" || divisor == "active";
    STEMMA_RETURN_IF_ERROR(Expect(shares.empty() != known, divisor + ": contributions"));
  }
  return ops::AllReduce(world, at::ones({2})).Within("after the epoch");
}

Status UnevenData(comm::World& world) {
  for (const char* divisor : {"samples", "counted", "world", "active"}) {
    STEMMA_RETURN_IF_ERROR(UnevenDataByDivisor(world, divisor));
    // In the last step nobody had data: the epoch is over, for all.
    STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, at::ones({2})).Within("after the epoch"));
  }
  return {};
}

Status OtherCollectivesAfterAJoin(comm::World& world) {
  const at::Tensor w = at::zeros({3}).requires_grad_(true), t = at::ones({2});
  ops::OpsSettings settings;
  settings.divisor = "active";
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, t));  // nobody has joined
  if (world.rank() == 0) {
    STEMMA_RETURN_IF_ERROR(reducer->ContributeNothing({}));
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
  } else {
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  }
  if (world.ranks() == 1) return ops::AllReduce(world, t);  // it was everybody's last step
  const char* text = "ranks {0} have no data left";
  const Code mistake = Code::kInvalidArgument;
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllReduce(world, t), mistake, text));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::Broadcast(world, t, 0), mistake, text));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));  // the next epoch: all are back
  STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, t));
  for (const bool replanned : {true, false}) {
    STEMMA_RETURN_IF_ERROR(world.rank() == 0 ? reducer->ContributeNothing({})
                                             : reducer->BeginStep({}));
    if (world.rank() != 0) STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    if (replanned) {
      STEMMA_RETURN_IF_ERROR(reducer->Replan());
    } else {
      reducer.reset();
    }
    STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, t).Within("all can call again"));
  }
  return {};
}

Status NonFiniteNamesTheRank(comm::World& world) {
  const bool bad = world.rank() == world.ranks() - 1;
  const at::Tensor w = at::ones({4000}).requires_grad_(true);
  const at::Tensor v = at::ones({3}).requires_grad_(true);
  ops::OpsSettings settings;
  settings.check_finite = "bucket";
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(settings, world, {{"w", {}, w}, {"v", {}, v}}));
  for (double value : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    at::Tensor x = at::ones({4000});
    if (bad) x[3999] = value;
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, (w * x).sum() + v.sum()));
    const std::string text = "rank " + std::to_string(world.rank()) +
                             ": the gradient of \"w\" (bucket 0) is not finite before it is "
                             "reduced";
    STEMMA_RETURN_IF_ERROR(Expect(reducer->non_finite() == (bad ? text : ""), "who it was"));
    STEMMA_RETURN_IF_ERROR(Expect(!std::isfinite(w.grad()[3999].item<double>()), "on all ranks"));
    STEMMA_RETURN_IF_ERROR(ExpectError(ops::ClipNorm(*reducer, 1).status(), Code::kInvalidArgument,
                                       "the gradient of \"w\" is not finite"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(v.grad(), at::full({3}, float(world.ranks())), "v.grad"));
  }
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  return Expect(reducer->non_finite().empty(), "a finite step");
}

// One bucket or one per parameter, on any number of threads: the same norm, the same bits.
Status ClipsByGlobalNorm(comm::World& world) {
  const int ranks = world.ranks();
  std::string first;
  for (const ops::OpsSettings& settings : {kDefaults, TinyBuckets()}) {
    const at::Tensor w = at::zeros({70, 100}).requires_grad_(true);
    const at::Tensor v = at::zeros({9}, at::kDouble).requires_grad_(true);
    STEMMA_ASSIGN_OR_RETURN(auto reducer,
                            Reducer::Create(settings, world, {{"w", {}, w}, {"v", {}, v}}));
    const at::Tensor g = Drawn(5, {70, 100}, at::kFloat), h = Drawn(6, {9});
    const auto loss = [&] { return (w * g).sum().to(at::kDouble) + (v * h).sum(); };
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, ranks, loss()));
    const at::Tensor unclipped = w.grad().clone();
    const double expected = std::sqrt(w.grad().to(at::kDouble).square().sum().item<double>() +
                                      v.grad().square().sum().item<double>());
    STEMMA_ASSIGN_OR_RETURN(const double norm, ops::ClipNorm(*reducer, 2));
    STEMMA_RETURN_IF_ERROR(Expect(std::abs(norm / expected - 1) < 1e-5, "the norm"));
    STEMMA_RETURN_IF_ERROR(
        Expect(at::allclose(w.grad(), unclipped * (2 / norm), 1e-6), "scaled to max_norm"));
    std::string bits(sizeof norm, 0);
    std::memcpy(bits.data(), &norm, sizeof norm);
    STEMMA_RETURN_IF_ERROR(SameOnAllRanks(world, bits + BytesOf(w.grad()), "clipping"));
    if (first.empty()) first = bits;
    STEMMA_RETURN_IF_ERROR(Expect(first == bits, "buckets do not matter"));
    STEMMA_ASSIGN_OR_RETURN(const double again, ops::ClipNorm(*reducer, 1000));
    STEMMA_RETURN_IF_ERROR(Expect(std::abs(again - 2) < 1e-4, "clipped to 2, and left alone"));
  }
  return {};
}

Status HookMakesProgress(comm::World& world) {
  const at::Tensor w = at::zeros({3}).requires_grad_(true), v = at::zeros({3}).requires_grad_(true);
  ObservedWorld observed(world);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(kDefaults, observed, {{"w", {}, w}, {"v", {}, v}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, v.sum()));
  return Expect(observed.calls("progress") == 3, "one Progress() per gradient");
}

Status ManyTensorsInOneBroadcast(comm::World& world) {
  std::vector<ops::Parameter> parameters;
  std::vector<ops::Buffer> buffers;
  for (int i = 0; i < 300; ++i) {
    const at::Tensor w = at::full({i % 7 + 1}, float(world.rank() + i)).requires_grad_(i % 2 == 0);
    parameters.push_back({"p" + std::to_string(i), {}, w});
    buffers.push_back({"b" + std::to_string(i), at::full({2}, world.rank() + i, at::kLong)});
  }
  ObservedWorld observed(world);
  STEMMA_RETURN_IF_ERROR(Reducer::Create(kDefaults, observed, parameters, buffers).status());
  for (int i = 0; i < 300; ++i) {
    const size_t n = static_cast<size_t>(i);
    const at::Tensor p = parameters[n].tensor.detach();
    STEMMA_RETURN_IF_ERROR(ExpectEqual(p, at::full_like(p, i), parameters[n].name));
    const at::Tensor b = buffers[n].tensor;
    STEMMA_RETURN_IF_ERROR(ExpectEqual(b, at::full_like(b, i), buffers[n].name));
  }
  return Expect(observed.calls("broadcast") == 2, "one call for trainable tensors, one for others");
}

Status FusedBitsAreUnfusedBits(comm::World& world) {
  std::string bits[2];
  uint64_t launched[2];
  for (const bool fused : {false, true}) {
    const Net net(3, at::kFloat, 50);
    STEMMA_ASSIGN_OR_RETURN(
        auto reducer, Reducer::Create(fused ? kDefaults : TinyBuckets(), world, net.Parameters()));
    for (uint64_t step = 0; step < 3; ++step) {
      const uint64_t key = 1000 * step + static_cast<uint64_t>(world.rank());
      STEMMA_RETURN_IF_ERROR(
          OneStep(*reducer, 3.0 * world.ranks(), net.Loss(Drawn(key, {3, 4}, at::kFloat))));
      for (const auto& p : net.Parameters()) bits[fused] += BytesOf(p.tensor.grad());
      SgdStep(reducer->parameters(), 0.01);
    }
    launched[fused] = reducer->stats().buckets_launched;
  }
  STEMMA_RETURN_IF_ERROR(Expect(bits[0] == bits[1], "the same bits from 4 calls as from 1"));
  return Expect(launched[0] == 12 && launched[1] == 3, "1 call for 4 tensors");
}

}  // namespace stemma::tests
