// Failures of one rank alone: what its peers get, and what can still be called afterwards.
#include <memory>
#include <utility>

#include "ops/reducer.h"

#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Reducer;

const ops::OpsSettings kDefaults;

// The plain all-reduce, which fails where it is told to.
class Faulty final : public ops::BucketHook {
 public:
  std::string name() const override { return "faulty"; }
  Status Prepare(comm::World&, const std::vector<ops::Bucket>&) override {
    return Fails(&bad_prepares) ? Status(Code::kInternal, "no memory for scratch") : Status();
  }
  Result<comm::Work> Run(const ops::Bucket& bucket, comm::Communicator& c) override {
    if (bucket.index == 1 && Fails(&bad_runs)) return Status(Code::kInternal, "an odd bucket");
    return plain_->Run(bucket, c);
  }

  int bad_prepares = 0, bad_runs = 0;  // so many calls fail from now on

 private:
  static bool Fails(int* bad) {
    if (*bad == 0) return false;
    --*bad;
    return true;
  }
  const std::unique_ptr<ops::BucketHook> plain_ = ops::MakeAllReduce(comm::Op::kSum);
};

bool Last(const comm::World& world) { return world.rank() == world.ranks() - 1; }

ops::StepShape Divided(double divisor) {
  ops::StepShape shape;
  shape.divisor = divisor;
  return shape;
}

}  // namespace

// Bucket 0 is reduced everywhere; the last rank makes neither the call of bucket 1 nor later ones,
// says so, and ends the job, as a loop has to.
Status FailingHookLeavesItsRankStuck(comm::World& world) {
  const at::Tensor u = at::ones({3}).requires_grad_(true), v = at::ones({3}).requires_grad_(true);
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(TinyBuckets(), world, {{"u", {}, u}, {"v", {}, v}, {"w", {}, w}}));
  auto hook = std::make_unique<Faulty>();
  Faulty& faulty = *hook;
  STEMMA_RETURN_IF_ERROR(reducer->AddHook(std::move(hook)));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, (u + v + w).sum()));
  STEMMA_RETURN_IF_ERROR(Expect(!reducer->stuck(), "not stuck after a good step"));
  if (Last(world)) faulty.bad_runs = 1;
  STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
  const std::string thrown = ThrownBy((u + v + w).sum());
  const Status finished = reducer->Finish();
  if (!Last(world)) {
    STEMMA_RETURN_IF_ERROR(finished);
    const Status waited = reducer->Wait();  // of a code that the backend chooses
    STEMMA_RETURN_IF_ERROR(ExpectError(waited, waited.code(), "an odd bucket"));
    reducer->Abandon();
    return Expect(!reducer->stuck(), "this rank made its calls");
  }
  STEMMA_RETURN_IF_ERROR(Expect(thrown.find("an odd bucket") != std::string::npos, "it throws"));
  STEMMA_RETURN_IF_ERROR(ExpectError(finished, Code::kInternal, "an odd bucket"));
  STEMMA_RETURN_IF_ERROR(Expect(reducer->stuck(), "stuck after Finish"));
  reducer->Abandon();
  STEMMA_RETURN_IF_ERROR(Expect(reducer->stuck(), "stuck after Abandon"));
  world.data().Abort(finished);
  return {};
}

Status FailingPrepareEndsAddHook(comm::World& world) {
  const Code mistake = Code::kInvalidArgument;
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  const at::Tensor sum = at::full({3}, float(world.ranks()));
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  auto hook = std::make_unique<Faulty>();
  Faulty& faulty = *hook;
  const auto unusable = [&](const Status& failed) -> Status {
    const std::string rank = "rank " + std::to_string(world.ranks() - 1) + ": ";
    STEMMA_RETURN_IF_ERROR(ExpectError(failed, Code::kInternal, rank + "no memory for scratch"));
    const char* text = "the last AddHook or Replan failed, so nothing would be reduced";
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->BeginStep({}), mistake, text));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->ContributeNothing({}), mistake, text));
    STEMMA_RETURN_IF_ERROR(ExpectError(reducer->Finish(), mistake, "there was no BeginStep"));
    reducer->Abandon();
    STEMMA_RETURN_IF_ERROR(Expect(!reducer->stuck(), "no rank waits"));
    return Expect(reducer->launched_digest() == 0, "nothing was launched");
  };
  if (Last(world)) faulty.bad_prepares = 1;
  STEMMA_RETURN_IF_ERROR(unusable(reducer->AddHook(std::move(hook))));
  STEMMA_RETURN_IF_ERROR(reducer->Replan());
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), sum, "w.grad after Replan"));
  if (Last(world)) faulty.bad_prepares = 1;
  STEMMA_RETURN_IF_ERROR(unusable(reducer->Replan()));
  STEMMA_RETURN_IF_ERROR(reducer->Replan());
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, w.sum()));
  return ExpectEqual(w.grad(), sum, "w.grad after the second Replan");
}

// Twice, because the second step could announce the first one's divisor.
Status AbandonWithTheStepsShape(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  for (const double divisor : {8., 4.}) {
    if (Last(world)) {
      reducer->Abandon(Divided(divisor));
    } else {
      STEMMA_RETURN_IF_ERROR(OneStep(*reducer, divisor, w.sum()));
    }
    STEMMA_RETURN_IF_ERROR(Expect(!reducer->stuck(), "all calls were made"));
    const auto others = static_cast<float>(world.ranks() - 1);
    STEMMA_RETURN_IF_ERROR(
        ExpectEqual(w.grad(), at::full({3}, others / float(divisor)), "the others' gradient"));
  }
  return world.data().Health();
}

Status AbandonWithoutAnyShape(comm::World& world) {
  const at::Tensor w = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  if (Last(world)) {
    reducer->Abandon();
    return Expect(reducer->stuck() == (world.ranks() > 1), "the comparison ended the call");
  }
  return ExpectError(OneStep(*reducer, 8, w.sum()), Code::kIncompatible,
                     "\"bucket 0 (w .. w), by a rank that failed before its first BeginStep (its "
                     "own error is the cause)\"");
}

}  // namespace stemma::tests
