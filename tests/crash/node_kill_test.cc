// Ranks that share memory and die: the others notice, and name who it was.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/node_scenarios.h"
#include "tests/support/process_cohort.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using std::chrono::milliseconds;

constexpr int kRanks = 3, kVictim = 1, kLastCall = 20;

// One rank's life: calls without end, except for the victim, who dies before its share of a call or
// in the middle of it. Exit code 0: the loss was noticed as such.
int Live(int rank, const std::vector<tests::SocketPair>& sockets, const tests::NodeSetup& setup,
         bool after_posting) {
  tests::ProcessCohort cohort(rank, sockets);
  auto node = tests::OpenNode(cohort, setup);
  if (!node.ok()) return 2;
  auto segment = (*node)->Allocate(40000, "bucket");
  if (!segment.ok()) return 3;
  Status status;
  for (int call = 0; status.ok(); ++call) {
    const bool dies = rank == kVictim && call == kLastCall;
    if (dies && !after_posting) raise(SIGKILL);
    auto work = (*node)->AllReduce({(*segment)->data(), 10000, DType::kF32}, {});
    if (dies) raise(SIGKILL);
    status = work.ok() ? work->Wait() : work.status();
  }
  const std::string name = "rank " + std::to_string(kVictim) + " on ";
  const bool named = status.message().find(name) != std::string::npos &&
                     status.message().find("has ended") != std::string::npos;
  if (status.code() == Code::kPeerLost && named) return 0;
  std::fprintf(stderr, "rank %d: %s\n", rank, status.message().c_str());
  return 4;
}

TEST_CASE("conformance_71_a_rank_that_is_killed_is_named_by_the_others", "[node]") {
  for (tests::NodeSetup setup : tests::NodeSetups()) {
    for (const bool after_posting : {false, true}) {
      const auto sockets = tests::MakeSockets(kRanks);
      std::vector<pid_t> pids;
      for (int rank = 0; rank < kRanks; ++rank) {
        pids.push_back(fork());
        if (pids.back() == 0) _exit(Live(rank, sockets, setup, after_posting));
      }
      tests::CloseSockets(sockets);
      for (int rank = 0; rank < kRanks; ++rank) {
        int ended = 0;
        REQUIRE(waitpid(pids[rank], &ended, 0) == pids[rank]);
        INFO("rank " << rank);
        if (rank == kVictim) {
          CHECK(WIFSIGNALED(ended));
        } else {
          CHECK((WIFEXITED(ended) && WEXITSTATUS(ended) == 0));
        }
      }
    }
  }
}

}  // namespace
}  // namespace stemma
