// A program as users write them: it does not call MPI itself. The first argument says what to do;
// world_start_test.sh looks at what the launcher returns and prints.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <mpi.h>
#include <unistd.h>

#include "comm/world.h"
#include "core/check.h"
#include "core/exit_code.h"

// Between the arrival at the node's board and MPI: see START_LATE in world_start_test.sh.
extern "C" int MPI_Init_thread(int* argc, char*** argv, int wanted, int* given) {
  if (const char* seconds = std::getenv("START_LATE")) sleep(std::atoi(seconds));
  return PMPI_Init_thread(argc, argv, wanted, given);
}

namespace {

using stemma::Code;
using stemma::Status;
using stemma::comm::CommSettings;
using stemma::comm::World;

int Fail(const Status& status) {
  std::fprintf(stderr, "%s: %s\n", CodeName(status.code()), status.message().c_str());
  return ExitCodeFor(status);
}

int Run(const std::string& what) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const bool last = rank != nullptr && std::string(rank) == "1";
  if (what == "absent" && last) {
    sleep(30);  // never comes to MPI_Init; the launcher ends it
    return 0;
  }
  CommSettings settings;
  settings.init_timeout_s = what == "absent" ? 2 : 60;
  auto opened = World::Open(settings, {{"build", what == "differ" && last ? "b" : "a"}});
  if (!opened.ok()) return Fail(opened.status());
  World& world = **opened;
  if (what == "abort" && last) world.Abort({Code::kPeerLost, "had enough"}, stemma::kExitTryAgain);
  if (what == "check" && last) STEMMA_CHECK(1 + 1 == 3, "arithmetic");
  if (what == "abort" || what == "check") {
    auto work = world.data().Barrier({});
    if (work.ok()) work->Wait().ok();  // the launcher ends this rank
    return 0;
  }
  if (const Status closed = world.Close(); !closed.ok()) return Fail(closed);
  int finalized = 0;
  MPI_Finalized(&finalized);
  const auto again = World::Open(settings, {});
  if (finalized == 0 || again.status().code() != Code::kInvalidArgument) return 1;
  if (world.rank() == 0) std::printf("%s: closed\n", world.description().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return Run(argc > 1 ? argv[1] : "open"); }
