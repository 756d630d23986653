// Models that change, are used twice, or do not fit: what the Reducer does and what it refuses.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "ops/reducer.h"
#include "tests/ranks/observed_world.h"
#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Parameter;
using ops::Reducer;

const ops::OpsSettings kDefaults;
constexpr Code kMistake = Code::kInvalidArgument;

// tanh(x w), computed again in backward with a backward of its own, whose gradient of w goes
// straight into w.grad: reentrant checkpointing.
struct Held {
  at::Tensor tensor;
  at::Tensor mean;  // if defined: a running statistic, which every forward changes,
  double seen = 0;  // by this
  void Forward() const {
    if (mean.defined()) at::Tensor(mean).add_(seen);
  }
};
class Checkpointed : public torch::autograd::Function<Checkpointed> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const Held& w) {
    context->save_for_backward({x});
    context->saved_data["w"] = w.tensor;
    context->saved_data["mean"] = w.mean;
    context->saved_data["seen"] = w.seen;
    w.Forward();
    return at::tanh(x * w.tensor.detach());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const at::Tensor w = context->saved_data["w"].toTensor();
    Held{w, context->saved_data["mean"].toTensor(), context->saved_data["seen"].toDouble()}
        .Forward();
    const at::AutoGradMode on(true);
    torch::autograd::backward({at::tanh(x * w)}, {gradients[0]});
    return {x.grad(), at::Tensor()};
  }
};

at::Tensor LossOf(const at::Tensor& x, const at::Tensor& w, const at::Tensor& v, bool checkpoint) {
  const auto layer = [&](const at::Tensor& y) {
    return checkpoint ? Checkpointed::apply(y, Held{w, {}}) : at::tanh(y * w);
  };
  return (layer(layer(x)) * v).sum();
}

}  // namespace

// w fires twice in each backward(), inside two nested ones; v once.
Status ReentrantCheckpointsCountOnce(comm::World& world) {
  const at::Tensor w = Trainable(Drawn(1, {6})), v = Trainable(Drawn(2, {6}));
  const at::Tensor w2 = Trainable(w.detach()), v2 = Trainable(v.detach());
  const at::Tensor x = Drawn(3, {6}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"v", {}, v}}));
  for (int count : {1, 1, 2, 1}) {
    const uint64_t early = reducer->stats().launched_before_finish;
    ops::StepShape shape;
    shape.micro_batches = count;
    shape.divisor = world.ranks();
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep(shape));
    w2.mutable_grad().reset();
    v2.mutable_grad().reset();
    for (int i = 0; i < count; ++i) {
      LossOf(x, w, v, true).backward();
      LossOf(x, w2, v2, false).backward();
    }
    const bool first = reducer->stats().buckets_launched == 0;
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(w.grad(), w2.grad(), 1e-12), "w.grad"));
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(v.grad(), v2.grad(), 1e-12), "v.grad"));
    const uint64_t overlapped = reducer->stats().launched_before_finish - early;
    STEMMA_RETURN_IF_ERROR(Expect(overlapped == (first ? 0 : 2), "overlap after the first step"));
  }
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  LossOf(x, w, v, true).backward();
  const std::string thrown = ThrownBy(LossOf(x, w, v, true));
  reducer->Abandon();
  return Expect(thrown.find("announced micro_batches = 1") != std::string::npos,
                "one backward too many, got '" + thrown + "'");
}

// Two segments, each forward of which adds rank + 1 to the mean, two of the four inside backward.
Status NestedForwardsCompleteTheMean(comm::World& world) {
  const at::Tensor w = Trainable(Drawn(1, {6})), v = Trainable(Drawn(2, {6}));
  const at::Tensor mean = at::zeros({2}), x = Drawn(3, {6}).requires_grad_(true);
  ObservedWorld observed(world);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(TinyBuckets(), observed, {{"w", {}, w}, {"v", {}, v}},
                                          {{"mean", mean, true}}));
  const Held layer{w, mean, world.rank() + 1.};
  for (int step = 1; step <= 3; ++step) {
    const int before = observed.calls("all_reduce f32");
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
    (Checkpointed::apply(Checkpointed::apply(x, layer), layer) * v).sum().backward();
    STEMMA_RETURN_IF_ERROR(Expect(observed.calls("all_reduce f32") == before,
                                  "the mean is not reduced while backward() changes it"));
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(Expect(observed.calls("all_reduce f32") == before + 1, "it is reduced"));
    const double all = step * 4 * (world.ranks() + 1) / 2.;
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(mean, at::full({2}, all), 1e-6), "the mean"));
  }
  return {};
}

// Nobody waits for the gradient of a parameter that was frozen when the step began.
Status TrainableInsideTheStepIsRefused(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  at::Tensor v = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"v", {}, v}}));
  const char* text = "\"v\" was frozen at BeginStep, and a gradient of it arrived";
  for (int step = 0; step < 2; ++step) {  // the first one learns
    v.requires_grad_(false);
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
    v.requires_grad_(true);
    const std::string thrown = ThrownBy((w + v).sum());
    STEMMA_RETURN_IF_ERROR(Expect(thrown.find(text) != std::string::npos, "got '" + thrown + "'"));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), kMistake, text));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), kMistake, text));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, (w + v).sum()));
    const at::Tensor sum = at::full({3}, float(world.ranks()));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(v.grad(), sum, "v.grad of the next step"));
  }
  return {};
}

// A short last batch: rank r ran forward r + 1 times.
Status CountersAreBroadcast(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), frozen = at::ones({2});
  const at::Tensor tracked = at::full({}, 10, at::kLong), mean = at::zeros({2});
  const at::Tensor scale = at::ones({2});  // a buffer of floats that is not averaged
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(kDefaults, world, {{"w", {}, w}, {"frozen", {}, frozen}},
                      {{"tracked", tracked, true}, {"mean", mean, true}, {"scale", scale, false}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  tracked.add_(world.rank() + 1);
  scale.mul_(world.rank() + 3);
  if (world.ranks() > 1) {
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->CompareReplicas(), Code::kIncompatible, "rank"));
  }
  STEMMA_RETURN_IF_ERROR(reducer->BroadcastBuffers());
  STEMMA_RETURN_IF_ERROR(ExpectEqual(tracked, at::full({}, 11, at::kLong), "tracked"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(scale, at::full({2}, 3.f), "scale"));
  STEMMA_RETURN_IF_ERROR(reducer->CompareReplicas());
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BroadcastBuffers(), kMistake,
                                     "BroadcastBuffers: the step before has not ended"));
  reducer->Abandon();
  return OneStep(*reducer, 1, w.sum());
}

// A GAN's halves: frozen for a while needs nothing, newly trainable needs Replan.
Status ToggledParametersAndReplan(comm::World& world) {
  at::Tensor w = at::ones({3}).requires_grad_(true), frozen = at::full({3}, 2.);
  at::Tensor mean = at::full({2}, 3.);
  const at::Tensor sum = at::full({3}, float(world.ranks()));
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer, Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"frozen", {}, frozen}},
                                    {{"mean", mean, true}}));
  const std::string digest = reducer->plan().digest;
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  frozen.requires_grad_(true);
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep({}), kMistake,
                                     "\"frozen\" was frozen when the plan was made and is "
                                     "trainable now: call Replan() on all ranks"));
  STEMMA_RETURN_IF_ERROR(reducer->Replan());
  STEMMA_RETURN_IF_ERROR(Expect(reducer->plan().digest != digest, "another digest"));
  for (int step = 0; step < 2; ++step) {
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, (w + frozen).sum()));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), sum, "w.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(frozen.grad(), sum, "frozen.grad"));
  }
  STEMMA_RETURN_IF_ERROR(ExpectEqual(frozen.detach(), at::full({3}, 2.), "frozen"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(mean, at::full({2}, 3.), "mean"));
  w.requires_grad_(false);  // frozen now: no new plan needed
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, frozen.sum()));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), sum * 0, "w.grad while frozen"));
  w.requires_grad_(true);
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), sum, "w.grad again"));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Replan(), kMistake, "the step before has not ended"));
  reducer->Abandon();
  if (world.rank() == 0) w.requires_grad_(false);  // ranks that disagree
  const Status other = reducer->Replan();
  if (world.ranks() == 1) return other;
  return ExpectError(other, Code::kIncompatible, "\"w\": rank {0} f32[3] frozen");
}

// A meta tensor stands for another device: nothing is moved, nothing is sent.
Status OtherDeviceIsRefused(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  const at::Tensor there = at::empty({3}, at::kMeta).requires_grad_(true);
  const bool last = world.rank() == world.ranks() - 1;
  const std::string text = "\"v\" is on meta, this world's tensors are on cpu";
  const float* before = w.const_data_ptr<float>();
  const Status everywhere =
      Reducer::Create(kDefaults, world, {{"w", {}, w}, {"v", {}, there}}).status();
  STEMMA_RETURN_IF_ERROR(ExpectError(everywhere, kMistake, "rank 0: " + text));
  const at::Tensor v = last ? there : at::ones({3}).requires_grad_(true);  // on one rank only
  const Status one = Reducer::Create(kDefaults, world, {{"w", {}, w}, {"v", {}, v}}).status();
  STEMMA_RETURN_IF_ERROR(
      ExpectError(one, kMistake, "rank " + std::to_string(world.ranks() - 1) + ": " + text));
  return Expect(w.const_data_ptr<float>() == before, "w was left where it is");
}

Status BadNamesAreRefused(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({3}).requires_grad_(true);
  const auto create = [&](std::vector<Parameter> parameters, std::vector<ops::Buffer> buffers) {
    return Reducer::Create(kDefaults, world, std::move(parameters), std::move(buffers)).status();
  };
  STEMMA_RETURN_IF_ERROR(ExpectError(create({{"w", {}, w}, {"w", {}, v}}, {}), kMistake,
                                     "two parameters are called \"w\""));
  STEMMA_RETURN_IF_ERROR(
      ExpectError(create({{"w", {}, w}, {"", {}, v}}, {}), kMistake, "parameter 1 has no name"));
  return ExpectError(create({{"w", {}, w}}, {{"w", at::ones({2})}}), kMistake,
                     "buffer \"w\" has the name of another tensor");
}

// The last rank's v never comes and it never calls Finish: the others' wait ends, naming the
// bucket. The world is unusable afterwards.
Status MissingParameterTimesOut(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"v", {}, v}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));
  if (world.ranks() == 1) return {};
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  if (world.rank() == world.ranks() - 1) {
    const uint64_t launched = reducer->stats().buckets_launched;
    w.sum().backward();
    return Expect(reducer->stats().buckets_launched == launched,
                  "w's bucket waits for v's, which comes first in the plan");
  }
  (w + v).sum().backward();
  STEMMA_RETURN_IF_ERROR(reducer->Finish());
  const Status waited = reducer->Wait();
  STEMMA_RETURN_IF_ERROR(ExpectError(waited, Code::kTimeout, "bucket 0 (v .. v)"));
  return ExpectError(waited, Code::kTimeout, "rank");
}

}  // namespace stemma::tests
