// Gradients that are taken out of their buckets: by zero_grad, create_graph, or an assignment.
#include "ops/reducer.h"

#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Reducer;

const ops::OpsSettings kDefaults;
constexpr Code kMistake = Code::kInvalidArgument;

}  // namespace

// zero_grad() where it would take a gradient away that is being reduced.
Status ZeroGradAfterBackward(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  const at::Tensor sum = at::full({3}, float(world.ranks()));
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  const char* text = "leave out zero_grad() after it";
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.sum().backward();
  w.mutable_grad().reset();
  const Status finish = reducer->Finish();
  STEMMA_RETURN_IF_ERROR(
      ExpectError(finish, kMistake, "\"w\": between backward() and Finish() its .grad is not"));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), kMistake, text));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.sum().backward();
  STEMMA_RETURN_IF_ERROR(reducer->Finish());
  w.mutable_grad().reset();
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), kMistake,
                                     "\"w\": between Finish() and Wait() its .grad is not"));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  return ExpectEqual(w.grad(), sum, "the next step's gradient");
}

Status LostAliasIsCopied(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  const at::Tensor expected = at::full({3}, 2.f * world.ranks());
  STEMMA_ASSIGN_OR_RETURN(auto strict, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(strict->BeginStep({}));
  std::string thrown;
  try {
    (w * w).sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true);
  } catch (const std::exception& error) {
    thrown = error.what();
  }
  STEMMA_RETURN_IF_ERROR(Expect(thrown.find("\"w\": in backward() its .grad is not in the bucket "
                                            "any more") != std::string::npos,
                                "create_graph is an error, got " + thrown));
  strict->Abandon();
  strict.reset();

  ops::OpsSettings settings;
  settings.lost_alias = "copy";
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, {{"w", {}, w}}));
  for (int step = 1; step <= 2; ++step) {
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
    (w * w).sum().backward({}, true, true);
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    w.mutable_grad().reset();  // zero_grad() before the result is there
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), expected, "w.grad"));
    STEMMA_RETURN_IF_ERROR(Expect(w.grad().is_alias_of(reducer->spaces()[0].gradients), "alias"));
    STEMMA_RETURN_IF_ERROR(Expect(reducer->stats().copied_bytes == 12ull * step, "12 B a step"));
  }
  return {};
}

// Whatever the last step left in a gradient of 64 KiB and more, nothing of it is in this step's.
Status LargeGradientsBecomeZeroLate(comm::World& world) {
  const at::Tensor w = at::ones({1 << 15}).requires_grad_(true);
  const at::Tensor v = at::ones({3, 1 << 14}).requires_grad_(true);
  const at::Tensor small = at::ones({5}).requires_grad_(true);
  const std::vector<ops::Parameter> all = {{"w", {}, w}, {"v", {}, v}, {"small", {}, small}};
  const auto n = static_cast<float>(world.ranks());
  const auto expect = [&](float of_w, float of_v, float of_small) -> Status {
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), at::full_like(w, of_w * n), "w"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(v.grad(), at::full_like(v, of_v * n), "v"));
    return ExpectEqual(small.grad(), at::full_like(small, of_small * n), "small");
  };
  const auto loss = [&] { return w.sum() + 2 * v.sum() + 3 * small.sum(); };
  for (const char* when : {"arrival", "begin"}) {
    ops::OpsSettings settings;
    settings.zero_gradients = when;
    STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, all));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss()));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss()));
    STEMMA_RETURN_IF_ERROR(expect(1, 2, 3));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, 5 * small.sum()));  // nothing comes to w and v
    STEMMA_RETURN_IF_ERROR(expect(0, 0, 5));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss()));
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({2, 1}));
    loss().backward();
    w.sum().backward();
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(expect(2, 2, 3));
    v.requires_grad_(false);
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
    v.requires_grad_(true);
    STEMMA_RETURN_IF_ERROR(expect(1, 0, 0));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss()));
    STEMMA_RETURN_IF_ERROR(reducer->ContributeNothing({}));
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(expect(0, 0, 0));
  }
  return {};
}

// Nobody can say whether it was added to the last step's result, but zeros are harmless.
Status HandWrittenLargeGradient(comm::World& world) {
  const at::Tensor w = at::ones({1 << 15}).requires_grad_(true);
  const auto sum = [&](float each) { return at::full_like(w, each * float(world.ranks())); };
  const char* text = "\"w\": its .grad was written to after BeginStep";
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.mutable_grad().zero_();
  w.sum().backward();
  STEMMA_RETURN_IF_ERROR(reducer->Finish());
  STEMMA_RETURN_IF_ERROR(reducer->Wait());
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), sum(1), "zeroed by hand"));

  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.mutable_grad().add_(1);
  std::string thrown;
  try {
    w.sum().backward();
  } catch (const std::exception& error) {
    thrown = error.what();
  }
  STEMMA_RETURN_IF_ERROR(Expect(thrown.find(text) != std::string::npos, "got " + thrown));
  reducer->Abandon();
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.mutable_grad().add_(1);
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), kMistake, text));
  STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), kMistake, text));
  reducer.reset();

  ops::OpsSettings settings;
  settings.zero_gradients = "begin";
  STEMMA_ASSIGN_OR_RETURN(reducer, Reducer::Create(settings, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  w.mutable_grad().add_(1);
  w.sum().backward();
  STEMMA_RETURN_IF_ERROR(reducer->Finish());
  STEMMA_RETURN_IF_ERROR(reducer->Wait());
  return ExpectEqual(w.grad(), sum(2), "written to at once, zeroed in BeginStep");
}

// A bucket under way and a reduced sum are no place for the values of one rank.
Status ReplacedGradientIsRefused(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true), v = at::ones({2}).requires_grad_(true);
  const at::Tensor sum = at::full({3}, float(world.ranks()));
  ops::OpsSettings settings = TinyBuckets();
  settings.lost_alias = "copy";
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(settings, world, {{"w", {}, w}, {"v", {}, v}}));
  for (const char* when : {"\"w\": between backward() and Finish()",
                           "\"w\": between Finish() and Wait()", "\"v\": since BeginStep"}) {
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum() + v.sum()));  // launches from backward()
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
    const std::string text = std::string(when) + " its .grad was replaced by another tensor";
    const bool unused = when[1] == 'v';  // by this rank, or by all
    (unused ? w.sum() : w.sum() + v.sum()).backward();
    const bool early = text.find("Finish() its") != std::string::npos;
    const at::Tensor mine = at::full({unused ? 2 : 3}, 100.f + world.rank());
    if (early) w.mutable_grad() = mine;
    const Status finish = reducer->Finish();
    STEMMA_RETURN_IF_ERROR(early ? ExpectError(finish, Code::kInvalidArgument, text) : finish);
    if (!early) (unused ? v : w).mutable_grad() = mine;
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Wait(), Code::kInvalidArgument, text));
    const at::Tensor flat = reducer->spaces()[0].gradients;
    const auto at_w = reducer->plan().slots[1].offset;
    STEMMA_RETURN_IF_ERROR(ExpectEqual(flat.narrow(0, at_w, 3), sum, "what was reduced"));
    STEMMA_RETURN_IF_ERROR(Expect(!reducer->stuck(), "all calls were made"));
  }
  return Expect(reducer->stats().copied_bytes == 0, "nothing was copied");
}

}  // namespace stemma::tests
