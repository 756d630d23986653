// The toy training as a program, for the faults that a shared library injects:
//
//   toy_worker STORE STEPS RANKS stop|continue
//
// goes on with run "toy" for STEPS steps, a capture at each, on RANKS processes. Prints what an
// observer is told: "restored STEP DIGEST", "durable STEP ID", "missed STEP WHY". The bits that it
// restores are compared with those of a run that was never stopped. Exit codes as all programs',
// and 3 for wrong bits.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "core/exit_code.h"
#include "tests/crash/toy_training.h"

#include "tests/support/process_cohort.h"

namespace stemma::tests {
namespace {

constexpr int kWrongBits = 3;

int Say(int rank, size_t count, const std::string& line) {
  if (rank != 0) return 0;
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  std::istringstream words(line);
  std::string what, digest;
  int64_t step = 0;
  if (!(words >> what >> step >> digest) || what != "restored") return 0;
  ToyState never_stopped = ToyState::Initial(count);
  while (never_stopped.step < step) never_stopped.Advance();
  return digest == never_stopped.Digest() ? 0 : kWrongBits;
}

int RunRank(const ToyOptions& options, int rank, const std::vector<SocketPair>& sockets) {
  ProcessCohort cohort(rank, sockets);
  const Status status = RunToy(options, cohort, [&](const std::string& line) {
    if (const int wrong = Say(rank, options.count, line)) _exit(wrong);
  });
  if (!status.ok()) std::fprintf(stderr, "rank %d: %s\n", rank, status.message().c_str());
  return ExitCodeFor(status);
}

int Main(int argc, char** argv) {
  if (argc != 5) return kExitUsage;
  signal(SIGPIPE, SIG_IGN);
  ToyOptions options;
  options.store = argv[1];
  options.more = std::atoi(argv[2]);
  options.every = 1;
  options.on_failure = argv[4];
  options.direct_io = "auto";
  options.settings = "[run]\nname = \"toy\"\n";
  const int ranks = std::atoi(argv[3]);
  const auto sockets = MakeSockets(ranks);
  for (int rank = 1; rank < ranks; ++rank) {
    if (fork() == 0) _exit(RunRank(options, rank, sockets));
  }
  const int code = RunRank(options, 0, sockets);
  int status = 0;
  while (wait(&status) > 0) {
    const bool same = WIFEXITED(status) && WEXITSTATUS(status) == code;
    if (!same) std::fprintf(stderr, "a rank ended with another exit code\n");
  }
  return code;
}

}  // namespace
}  // namespace stemma::tests

int main(int argc, char** argv) { return stemma::tests::Main(argc, argv); }
