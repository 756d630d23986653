// The main of every test that runs as several ranks. All ranks leave with the same code, and the
// first test case that fails on any rank is the last one for all: what follows would meet
// mismatched collective calls.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>

#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"

namespace {

MPI_Comm verdict = MPI_COMM_NULL;  // a communicator of its own: a test cannot disturb it

int WorstOfAll(int mine) {
  int worst = mine;
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, verdict);
  return worst;
}

struct TogetherListener : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;

  // Catch2 names only what failed, and a rank that hangs has not failed yet.
  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    std::fprintf(stderr, "begin %s\n", info.name.c_str());
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const bool passed = WorstOfAll(stats.totals.assertions.failed > 0 ? 1 : 0) == 0;
    int rank = 0, ranks = 1;
    MPI_Comm_rank(verdict, &rank);
    MPI_Comm_size(verdict, &ranks);
    if (rank == 0) stemma::tests::ReportCase(stats.testInfo.name, passed, "mpi", ranks);
    if (passed) return;
    std::fflush(nullptr);
    MPI_Finalize();
    std::_Exit(1);
  }
};

}  // namespace

CATCH_REGISTER_LISTENER(TogetherListener)

int main(int argc, char** argv) {
  int level = MPI_THREAD_SINGLE;  // World::Open uses an MPI that it finds, if it is this one
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  if (level < MPI_THREAD_MULTIPLE) {
    std::fprintf(stderr, "MPI gives thread level %d, the tests need MPI_THREAD_MULTIPLE\n", level);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Comm_dup(MPI_COMM_WORLD, &verdict);
  Catch::Session session;
  int mine = session.applyCommandLine(argc, argv);
  auto& config = session.configData();
  config.warnings = Catch::WarnAbout::NoTests;  // a filter that matches nothing is a failure
  const char* filter = std::getenv("TESTBRIDGE_TEST_ONLY");  // bazel test --test_filter=...
  if (filter != nullptr) config.testsOrTags = {filter};
  if (mine == 0) mine = session.run();
  const int worst = WorstOfAll(mine == 0 ? 0 : 1);
  MPI_Finalize();
  return worst;
}
