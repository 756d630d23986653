#include "ops/reducer.h"

#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Parameter;
using ops::Reducer;

const ops::OpsSettings kDefaults;

ops::StepShape Batches(int micro_batches) {
  ops::StepShape shape;
  shape.micro_batches = micro_batches;
  return shape;
}

// After a failed step the next one works: every rank made the same mistake and nobody hangs.
Status NextStepWorks(Reducer& reducer, const comm::World& world, const at::Tensor& w) {
  STEMMA_RETURN_IF_ERROR(OneStep(reducer, 1, w.sum()));
  return ExpectEqual(w.grad(), at::full_like(w, world.ranks()), "the next step's gradient");
}

}  // namespace

Status TooManyBackwards(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"fc.w", {}, w}}));
  // The first step only counts backwards: how many gradients each brings is not known yet.
  for (const char* text : {"backward() ran 3 times since BeginStep, which announced "
                           "micro_batches = 2",
                           "\"fc.w\": its gradient arrived 3 times since BeginStep, which "
                           "announced micro_batches = 2"}) {
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep(Batches(2)));
    w.sum().backward();
    w.sum().backward();
    const std::string thrown = ThrownBy(w.sum());
    STEMMA_RETURN_IF_ERROR(Expect(thrown.find(text) != std::string::npos, "got " + thrown));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), Code::kInvalidArgument, text));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), Code::kInvalidArgument, text));
    STEMMA_RETURN_IF_ERROR(NextStepWorks(*reducer, world, w));
  }
  return NextStepWorks(*reducer, world, w);
}

Status TooFewBackwards(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep(Batches(3)));
  w.sum().backward();
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), Code::kInvalidArgument,
                                     "backward() ran 1 time since BeginStep, which announced "
                                     "micro_batches = 3"));
  reducer->Abandon();
  return NextStepWorks(*reducer, world, w);
}

Status UnusedParameterIsAnError(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({3}).requires_grad_(true);
  ops::OpsSettings settings;
  settings.unused = "error";
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(settings, world, {{"w", {}, w}, {"v", {}, v}}));
  const Status s = OneStep(*reducer, 1, w.sum());
  STEMMA_RETURN_IF_ERROR(
      ExpectError(s, Code::kInvalidArgument, "1 of 2 parameters got no gradient (\"v\")"));
  reducer->Abandon();
  at::Tensor(v).requires_grad_(false);  // frozen for a while: no error, and no gradient
  STEMMA_RETURN_IF_ERROR(NextStepWorks(*reducer, world, w));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(v.grad(), at::zeros({3}), "v.grad"));
  at::Tensor(v).requires_grad_(true);
  return OneStep(*reducer, 1, w.sum() + v.sum());
}

// What every optimizer's zero_grad() does by default.
Status LostAliasIsReattached(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({2}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(kDefaults, world, {{"w", {}, w}, {"v", {}, v}}));
  for (int step = 0; step < 3; ++step) {
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), at::full({3}, float(world.ranks())), "w.grad"));
    w.mutable_grad().reset();                // set_to_none
    v.mutable_grad() = at::full({2}, 100.);  // somebody else's memory
  }
  return Expect(reducer->stats().aliases_reattached == 4, "two aliases in each of two steps");
}

Status ZeroGradInsideTheStep(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep(Batches(1)));
  w.mutable_grad().reset();
  const std::string thrown = ThrownBy(w.sum());
  const char* text = "\"w\": in backward() its .grad is not in the bucket any more";
  STEMMA_RETURN_IF_ERROR(Expect(thrown.find(text) != std::string::npos, "backward() throws"));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), Code::kInvalidArgument, text));
  reducer->Abandon();
  return NextStepWorks(*reducer, world, w);
}

Status ConvertedModelIsRefused(comm::World& world) {
  const Net net(1, at::kFloat);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, net.Parameters()));
  at::Tensor w2 = net.w2, b1 = net.b1;
  w2.set_data(w2.to(at::kDouble));  // what model->to(torch::kDouble) does to each parameter
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep({}), Code::kInvalidArgument,
                                     "\"l2.weight\" (now Double on cpu) is no longer in the "
                                     "memory that the Reducer gave it"));
  reducer.reset();
  STEMMA_ASSIGN_OR_RETURN(reducer, Reducer::Create(kDefaults, world, net.Parameters()));
  b1.set_data(b1.clone());  // the same type, other memory
  return ExpectError(reducer->BeginStep({}), Code::kInvalidArgument, "\"l1.bias\"");
}

Status NewlyTrainableIsRefused(comm::World& world) {
  at::Tensor w = at::ones({3}).requires_grad_(true), frozen = at::ones({3});
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}, {"frozen", {}, frozen}}));
  frozen.requires_grad_(true);
  return ExpectError(reducer->BeginStep({}), Code::kInvalidArgument,
                     "\"frozen\" was frozen when the plan was made");
}

Status CallsOutOfOrder(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  const Code mistake = Code::kInvalidArgument;
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), mistake, "there was no BeginStep"));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), mistake, "there was no Finish"));
  STEMMA_RETURN_IF_ERROR(
      Expect(ThrownBy(w.sum()).find("before the first BeginStep") != std::string::npos,
             "backward() outside a step throws"));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep(Batches(0)), mistake, "micro_batches"));
  ops::StepShape shape;
  shape.divisor = 0;
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep(shape), mistake, "divisor"));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep({}), mistake, "call Finish() and Wait()"));
  w.sum().backward();
  STEMMA_RETURN_IF_ERROR(reducer->Finish());
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep({}), mistake, "call Wait()"));
  STEMMA_RETURN_IF_ERROR(reducer->Wait());
  STEMMA_RETURN_IF_ERROR(Expect(!ThrownBy(w.sum()).empty(), "backward() between two steps throws"));
  return NextStepWorks(*reducer, world, w);
}

Status OtherModelOnOneRank(comm::World& world) {
  const bool other = world.rank() == world.ranks() - 1;
  const Net net(1, at::kFloat, other ? 6 : 5);
  const auto reducer = Reducer::Create(kDefaults, world, net.Parameters());
  if (world.ranks() == 1) return reducer.status();
  std::string many = world.ranks() == 2 ? "rank {0" : "ranks {0";
  for (int rank = 1; rank < world.ranks() - 1; ++rank) many += "," + std::to_string(rank);
  many += "}";
  const std::string last = "rank {" + std::to_string(world.ranks() - 1) + "}";
  STEMMA_RETURN_IF_ERROR(
      ExpectError(reducer.status(), Code::kIncompatible,
                  "\"l1.weight\": " + many + " f32[4,5], " + last + " f32[4,6]"));
  STEMMA_ASSIGN_OR_RETURN(const auto all, world.cohort().AllGather(reducer.status().message()));
  for (const std::string& text : all) {
    STEMMA_RETURN_IF_ERROR(Expect(text == all[0], "the same text on all ranks"));
  }
  ops::OpsSettings settings;  // and other settings
  settings.bucket_mb = other ? 8 : 4;
  const auto again = Reducer::Create(settings, world, Net(1).Parameters());
  return ExpectError(again.status(), Code::kIncompatible, "\"ops.bucket_mb\": " + many + " 4");
}

// One rank alone sees the mistake; all of them return.
Status BadArgumentOnOneRank(comm::World& world) {
  const at::Tensor w = at::ones({3, 4}).requires_grad_(true);
  std::vector<Parameter> parameters = {{"w", {}, w}};
  const std::string rank = "rank " + std::to_string(world.ranks() - 1) + ": ";
  const bool bad = world.rank() == world.ranks() - 1;
  if (bad) parameters.push_back({"computed", {}, w * 2});
  STEMMA_RETURN_IF_ERROR(ExpectError(Reducer::Create(kDefaults, world, parameters).status(),
                                     Code::kInvalidArgument,
                                     rank + "\"computed\" is computed from other tensors"));
  parameters.resize(1);
  if (bad) parameters.push_back({"v", {}, w.detach()});
  STEMMA_RETURN_IF_ERROR(
      ExpectError(Reducer::Create(kDefaults, world, parameters).status(), Code::kInvalidArgument,
                  rank + "\"v\" and \"w\" are two tensors over the same memory"));
  parameters.resize(1);
  if (bad) parameters[0].name = "";
  return ExpectError(Reducer::Create(kDefaults, world, parameters).status(), Code::kInvalidArgument,
                     rank + "parameter 0 has no name");
}

// Rank 0 fails in its loss, then before BeginStep, then not at all.
Status FailingRankDoesNotHangOthers(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({3}).requires_grad_(true);
  const at::Tensor mean = at::zeros({2});
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"v", {}, v}}, {{"mean", mean, true}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));
  const uint64_t digest = reducer->launched_digest();
  for (int step = 0; step < 2; ++step) {
    if (world.rank() != 0) {
      STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));
    } else {
      if (step == 0) STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
      reducer->Abandon();
    }
    STEMMA_RETURN_IF_ERROR(
        ExpectEqual(v.grad(), at::full({3}, float(world.ranks() - 1)), "v.grad without rank 0"));
    STEMMA_RETURN_IF_ERROR(Expect(reducer->launched_digest() == digest, "the same launches"));
  }
  return NextStepWorks(*reducer, world, w);
}

Status MemoryOutlivesTheReducer(comm::World& world) {
  const at::Tensor w = at::full({3}, 2.).requires_grad_(true), mean = at::full({2}, 7.);
  {
    STEMMA_ASSIGN_OR_RETURN(
        auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}, {{"mean", mean, true}}));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, world.ranks(), w.sum()));
  }
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.detach(), at::full({3}, 2.), "w"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(mean, at::full({2}, 7.), "mean"));
  w.sum().backward();  // no hook is left, and the gradient is ordinary memory
  return Expect(at::allclose(w.grad(), at::full({3}, 2.)), "w.grad accumulates");
}

}  // namespace stemma::tests
