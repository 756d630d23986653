// Row 19 of the failure matrix: a thousand runs write at once. Each has a log of its own, so none
// waits for another, and none is lost.
#include <atomic>
#include <optional>
#include <string>

#include "core/digest.h"
#include "lineage/memory_storage.h"
#include "lineage/store.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::IsOk;

constexpr int kRuns = 1000, kThreads = 8, kStates = 2;

// Its record names the one pack and layout that there are.
Status OneRun(Store& store, int number, const Record& like) {
  STEMMA_ASSIGN_OR_RETURN(const auto writer, store.StartRun("r" + std::to_string(number)));
  std::optional<StateId> parent;
  for (int64_t step = 1; step <= kStates; ++step) {
    Record record = like;
    record.step = step;
    if (parent) record.parents = {{*parent, EdgeKind::kTrain}};
    STEMMA_ASSIGN_OR_RETURN(parent, writer->Append(record));
  }
  return writer->Close();
}

TEST_CASE("row 19: a thousand runs that write at once are a thousand whole logs", "[crash]") {
  MemoryStorage disk;
  const auto store = *Store::Open("/store", true, disk);
  Record like;
  like.layout = *store->PutLayout("layout");
  like.packs = {{0, 1, Sha256("pack"), 4}};
  REQUIRE_THAT(WriteDurable(disk, store->PackPath(Sha256("pack")), "pack"), IsOk());
  std::atomic<int> next{0};
  const auto ended = tests::SpawnRanks(kThreads, [&](int) -> Status {
    for (int i; (i = next++) < kRuns;) STEMMA_RETURN_IF_ERROR(OneRun(*store, i, like));
    return {};
  });
  for (const Status& status : ended) REQUIRE_THAT(status, IsOk());
  disk.Crash();  // all was acknowledged
  const Result<Graph> graph = (*Store::Open("/store", false, disk))->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  CHECK(graph->runs.size() == kRuns);
  CHECK(graph->states.size() == kRuns * kStates);
  CHECK(graph->warnings.empty());
  for (const auto& [name, run] : graph->runs) CHECK(run.states.size() == kStates);
}

}  // namespace
}  // namespace stemma::lineage
