#include <chrono>
#include <string>
#include <vector>

#include "comm/faulty_communicator.h"
#include "comm/world.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::Fault;
using comm::World;
using std::chrono::milliseconds;
using tests::HasCode;
using tests::IsOk;

constexpr int kCalls = 4;

struct Outcome {
  Status status;
  std::vector<double> values = std::vector<double>(kCalls, 0);
};

// Two ranks sum rank + 10 k in call k, for k = 0 .. 3; `faults` are rank 1's. Each waits for its
// calls at the end. `settings.deadline_s` is short: what does not come fails soon.
std::vector<Outcome> Run(const std::vector<Fault>& faults, const std::string& check = "off") {
  comm::CommSettings settings;
  settings.deadline_s = 0.3;
  settings.check = check;
  const auto worlds = World::Threads(2, settings);
  InjectFaults(*worlds[1], faults, milliseconds(300));
  std::vector<Outcome> outcomes(2);
  tests::SpawnRanks(2, [&](int rank) {
    Outcome& mine = outcomes[rank];
    std::vector<comm::Work> works;
    for (int k = 0; k < kCalls; ++k) {
      mine.values[k] = rank + 10 * k;
      comm::CallOptions options;
      options.what = "bucket " + std::to_string(k);
      auto work = worlds[rank]->data().AllReduce({&mine.values[k], 1, DType::kF64}, options);
      if (!work.ok() && mine.status.ok()) mine.status = work.status();
      if (work.ok()) works.push_back(std::move(*work));
    }
    for (comm::Work& work : works) {
      const Status status = work.Wait();
      if (mine.status.ok()) mine.status = status;
    }
    return Status();
  });
  return outcomes;
}

double Sum(int k) { return 1 + 20 * k; }

void CheckSums(const Outcome& outcome) {
  CHECK_THAT(outcome.status, IsOk());
  for (int k = 0; k < kCalls; ++k) CHECK(outcome.values[k] == Sum(k));
}

TEST_CASE("without a fault, and with one beyond the last call, nothing happens", "[faults]") {
  for (const Outcome& outcome : Run({})) CheckSums(outcome);
  for (const Outcome& outcome : Run({comm::Die(kCalls)})) CheckSums(outcome);
}

TEST_CASE("a delay delays", "[faults]") {
  const auto start = std::chrono::steady_clock::now();
  for (const Outcome& outcome : Run({comm::Delay(1, milliseconds(50))})) CheckSums(outcome);
  CHECK(std::chrono::steady_clock::now() - start >= milliseconds(50));
}

TEST_CASE("a call that fails is refused here and missed elsewhere", "[faults]") {
  const auto outcomes = Run({comm::Fail(3, Code::kPeerLost)});
  CHECK_THAT(outcomes[1].status, HasCode(Code::kPeerLost, "call 3"));
  CHECK_THAT(outcomes[0].status, HasCode(Code::kTimeout, "rank {1} did not come"));
  CHECK(outcomes[0].values[2] == Sum(2));
}

TEST_CASE("a call that is never made times out on all ranks", "[faults]") {
  const auto outcomes = Run({comm::Never(3)});
  CHECK_THAT(outcomes[0].status, HasCode(Code::kTimeout, "did not come"));
  CHECK_THAT(outcomes[1].status, HasCode(Code::kTimeout, "did not come"));
}

TEST_CASE("a rank that died makes no call any more", "[faults]") {
  const auto outcomes = Run({comm::Die(2)});
  CHECK_THAT(outcomes[1].status, HasCode(Code::kPeerLost, "call 2 \"bucket 2\": this rank died"));
  CHECK_THAT(outcomes[0].status, HasCode(Code::kTimeout, "rank {1} did not come"));
  CHECK(outcomes[1].values[3] == 31);  // its own value: nothing was received
}

TEST_CASE("a flipped bit is on one rank only", "[faults]") {
  const auto outcomes = Run({comm::Flip(2, 63)});
  CheckSums(outcomes[0]);
  CHECK_THAT(outcomes[1].status, IsOk());
  CHECK(outcomes[1].values[2] == -Sum(2));  // the sign
  CHECK(outcomes[1].values[3] == Sum(3));
}

TEST_CASE("swapped calls mix what belongs apart, unless calls are compared", "[faults]") {
  const auto outcomes = Run({comm::Swap(1)});  // the sums of 0 + 10 k of one and of the other call
  CHECK_THAT(outcomes[1].status, IsOk());
  CHECK(outcomes[0].values[1] == 10 + 21);
  CHECK(outcomes[1].values[2] == 10 + 21);
  CHECK(outcomes[0].values[3] == Sum(3));
  for (const Outcome& outcome : Run({comm::Swap(1)}, "full")) {
    CHECK_THAT(outcome.status,
               HasCode(Code::kIncompatible,
                       "call 1: rank {0} \"bucket 1\" all_reduce f64[1] sum, rank {1} \"bucket 2\" "
                       "all_reduce f64[1] sum"));
    CHECK(outcome.values[0] == Sum(0));
  }
}

}  // namespace
}  // namespace stemma
