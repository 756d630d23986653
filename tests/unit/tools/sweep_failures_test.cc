// What is no result of a trial: a training that was pre-empted, a disk that refuses, a late end.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/store.h"
#include "tools/sweep/controller.h"

#include "tests/support/status_matchers.h"
#include "tests/support/toy_sweep.h"

#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using tests::HasCode;
using tests::IsOk;

constexpr char kStore[] = "/store";
constexpr char kRates[] = R"(
recipe = "toy.toml"
[sweep]
name = "toy"
budget = "40step"
[settings]
optim.schedule = "constant"
[knobs]
optim.lr = { schedules = ["0: 0.1", "0: 0.1; 20step: 0.05"] }
)";

Result<Ending> Run(lineage::Storage& disk, Executor& executor, Journal* journal,
                   const std::string& spec = kRates) {
  cli::OpenedStore opened;
  STEMMA_ASSIGN_OR_RETURN(opened.store, lineage::Store::Open(kStore, true, disk));
  STEMMA_ASSIGN_OR_RETURN(opened.graph, opened.store->Load());
  STEMMA_ASSIGN_OR_RETURN(OpenedSweep sweep, OpenSweep(*opened.store, opened.graph, spec,
                                                       tests::ToySpecPath(), {"build", 2}));
  STEMMA_ASSIGN_OR_RETURN(const auto method, MakeMethod(sweep.spec, sweep.base));
  ControllerOptions options;
  options.wait_s = 0;
  options.retries = 2;
  options.seat.me = {"here", 1, 1};
  options.seat.is_alive = [](const Sitter&) { return std::optional<bool>(false); };
  tests::ToyClock clock;
  Controller controller(std::move(opened), std::move(sweep), *method, executor, options, clock);
  Result<Ending> ending = controller.Run();
  *journal = controller.journal();
  return ending;
}

// The first stage's run: the same on every disk, stages are named by what they train.
std::string FirstRun() {
  lineage::MemoryStorage disk;
  tests::ToyExecutor toys(disk, kStore);
  Journal journal;
  REQUIRE_THAT(Run(disk, toys, &journal).status(), IsOk());
  REQUIRE(toys.started.size() == 3);
  return toys.started[0];
}

void CheckResults(const Journal& journal) {
  CHECK(journal.lost.empty());
  CHECK(journal.history.outcomes().size() == 2);
  for (const auto& [point, outcome] : journal.history.outcomes()) {
    CHECK(std::isfinite(outcome.metric));
  }
}

TEST_CASE("a stage that saves more and stops in order goes on, however often") {
  lineage::MemoryStorage disk;
  tests::ToyExecutor toys(disk, kStore);
  const std::string first = FirstRun();
  toys.stops[first] = 4;  // at 10, 15, 17 and 18 of its 20 steps
  Journal journal;
  REQUIRE_THAT(Run(disk, toys, &journal).status(), IsOk());
  CHECK(std::count(toys.started.begin(), toys.started.end(), first) == 5);
  CHECK(toys.steps[first] == 20);
  CHECK(journal.crashes.empty());
  CheckResults(journal);
}

TEST_CASE("where the disk refuses, the sweep ends and no trial is lost") {
  lineage::MemoryStorage disk;
  const std::string first = FirstRun();
  Journal journal;
  tests::ToyExecutor full(disk, kStore);
  full.disk_refusals[first] = 4;
  CHECK_THAT(Run(disk, full, &journal).status(), HasCode(Code::kIo, "No space left on device"));
  CHECK(full.started.size() == 3);  // once, and `retries` times more
  CHECK(journal.lost.empty());
  CHECK_THAT(Run(disk, full, &journal).status(), HasCode(Code::kIo, "the same command goes on"));
  CHECK(full.started.size() == 4);

  tests::ToyExecutor toys(disk, kStore);
  REQUIRE_THAT(Run(disk, toys, &journal).status(), IsOk());
  CHECK(toys.started.size() == 3);
  CheckResults(journal);
}

TEST_CASE("where the best trial diverges on its way, it wins with the state before") {
  const std::string spec = R"(
recipe = "toy.toml"
[sweep]
name = "toy"
method = "halving"
budget = "40step"
[method]
trials = 2
eta = 2
min_steps = 20
[settings]
optim.schedule = "constant"
[knobs]
optim.lr = { schedules = ["0: 0.1; 20step: 7.0", "0: 0.2; 20step: 8.0"] }
)";
  lineage::MemoryStorage disk;
  tests::ToyExecutor toys(disk, kStore);
  Journal journal;
  REQUIRE_THAT(Run(disk, toys, &journal, spec).status(), IsOk());
  CHECK(journal.lost.size() == 1);
  const Outcome* winner = Winner("min", journal.history);
  REQUIRE(winner != nullptr);
  CHECK(winner->step == 20);
  CHECK(std::isnan(journal.history.outcomes().at({winner->trial, 40}).metric));
  CHECK(journal.end == "trial " + std::to_string(winner->trial));
}

}  // namespace
}  // namespace stemma::sweep
