// Every fault at every call of a training of three steps. It is driven as the trainer drives it:
// who fails goes on contributing until the control word has told all, and replicas are compared.
#include <ATen/Parallel.h>

#include <chrono>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "comm/faulty_communicator.h"
#include "ops/reducer.h"

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"
#include "tests/ranks/reducer_fixture.h"

namespace stemma::tests {
namespace {

using std::chrono::milliseconds;

Status Judge(const comm::Verdict& verdict) {
  return Expect(verdict.audit_equal, "replicas with equal parameters");
}

// What a hook fails with comes out of backward() as text; Finish knows its code.
Status TryStep(ops::Reducer& reducer, double divisor, const at::Tensor& loss) {
  try {
    return OneStep(reducer, divisor, loss);
  } catch (const std::exception& error) {
    STEMMA_RETURN_IF_ERROR(reducer.Finish());
    return {Code::kInternal, error.what()};
  }
}

// What rank `r` does in step `step`, and its word about it.
Status Step(ops::Reducer& reducer, comm::World& world, const Net& net, uint64_t step,
            Status* failed) {
  comm::Mine mine;
  if (failed->ok()) {
    const uint64_t key = 100 * step + static_cast<uint64_t>(world.rank());
    *failed = TryStep(reducer, 2.0 * world.ranks(), net.Loss(Drawn(key, {2, 4}, at::kFloat)));
  }
  if (failed->ok()) {
    SgdStep(reducer.parameters(), 0.05);
  } else {
    reducer.Abandon();
    mine.any = comm::kAnyFailed;
    mine.text = failed->message();
    mine.code = failed->code();
  }
  mine.agree = reducer.launched_digest();
  mine.audit = reducer.DigestParameters();
  STEMMA_ASSIGN_OR_RETURN(const comm::Verdict verdict,
                          world.control().EndStep(static_cast<int64_t>(step), mine));
  return Judge(verdict);
}

// The digest of the parameters after three steps, or why there is none.
Result<uint64_t> Train(comm::World& world) {
  at::set_num_threads(1);
  const Net net(7, at::kFloat, 6);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          ops::Reducer::Create(TinyBuckets(), world, net.Parameters()));
  Status failed;
  for (uint64_t step = 0; step < 3; ++step) {
    STEMMA_RETURN_IF_ERROR(Step(*reducer, world, net, step, &failed));
  }
  while (true) {
    STEMMA_ASSIGN_OR_RETURN(const auto last, world.control().Drain());
    if (!last) break;
    STEMMA_RETURN_IF_ERROR(Judge(*last));
  }
  STEMMA_RETURN_IF_ERROR(failed);
  return reducer->DigestParameters();
}

struct Outcome {
  Status status;
  uint64_t digest = 0;
  int64_t calls = 0;  // of this rank
};

// A training in a world of its own, in which rank `faulty` has `faults`.
Result<Outcome> TrainWith(Rig& rig, int faulty, const std::vector<comm::Fault>& faults,
                          double deadline_s) {
  comm::CommSettings settings;
  settings.deadline_s = deadline_s;
  STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
  const bool mine = rig.rank() == faulty;
  comm::FaultyCommunicator& data =
      comm::InjectFaults(rig.world(), mine ? faults : std::vector<comm::Fault>(),
                         milliseconds(static_cast<int64_t>(deadline_s * 1000)));
  Outcome outcome;
  const Result<uint64_t> digest = Train(rig.world());
  outcome.status = digest.status();
  if (digest.ok()) outcome.digest = *digest;
  outcome.calls = data.calls();
  return outcome;
}

constexpr double kLong = 60, kShort = 0.25;

// One fault: all ranks end with an error, or all with the right bits, and soon.
Status Case(Rig& rig, int faulty, const comm::Fault& fault, const Outcome& right) {
  const bool waits = fault.kind == comm::Fault::kFail || fault.kind == comm::Fault::kNever ||
                     fault.kind == comm::Fault::kDie;
  const auto begin = std::chrono::steady_clock::now();
  STEMMA_ASSIGN_OR_RETURN(const Outcome found,
                          TrainWith(rig, faulty, {fault}, waits ? kShort : kLong));
  const auto took = std::chrono::steady_clock::now() - begin;
  const std::string what = "fault " + std::to_string(fault.kind) + " of rank " +
                           std::to_string(faulty) + " at call " + std::to_string(fault.call);
  const bool some_failed = rig.Worst(found.status.ok() ? 0 : 1) == 1;
  const bool some_ended = rig.Worst(found.status.ok() ? 1 : 0) == 1;
  STEMMA_RETURN_IF_ERROR(
      Expect(!some_failed || !some_ended,
             "all ranks to fail or none: " + what + ", here '" + found.status.message() + "'"));
  STEMMA_RETURN_IF_ERROR(
      Expect(some_failed || found.digest == right.digest, "right bits: " + what));
  if (fault.kind == comm::Fault::kDelay) {
    STEMMA_RETURN_IF_ERROR(Expect(!some_failed, "a delay is no failure: " + what));
  }
  if (fault.kind == comm::Fault::kNever || fault.kind == comm::Fault::kDie) {
    STEMMA_RETURN_IF_ERROR(Expect(some_failed, "what never comes is noticed: " + what));
  }
  return Expect(took < std::chrono::seconds(40), "no hang: " + what);
}

CONFORMANCE_ROW_FROM(2, conformance_89_every_fault_at_every_call) {
  STEMMA_ASSIGN_OR_RETURN(const Outcome right, TrainWith(rig, -1, {}, kLong));
  STEMMA_RETURN_IF_ERROR(right.status);
  STEMMA_RETURN_IF_ERROR(Expect(right.calls > 12, "calls in which something can go wrong"));
  const int last = rig.ranks() - 1;
  for (int64_t call = 0; call < right.calls; ++call) {
    const comm::Fault faults[] = {comm::Delay(call, milliseconds(20)),
                                  comm::Fail(call, Code::kIo),
                                  comm::Never(call),
                                  comm::Die(call),
                                  comm::Flip(call, 30),
                                  comm::Swap(call)};
    for (const comm::Fault& fault : faults) {
      STEMMA_RETURN_IF_ERROR(Case(rig, call % 2 == 0 ? 0 : last, fault, right));
    }
  }
  return {};
}

}  // namespace
}  // namespace stemma::tests
