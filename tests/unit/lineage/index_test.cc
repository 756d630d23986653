#include "lineage/index.h"

#include <string>
#include <vector>

#include "lineage/memory_storage.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

std::vector<Row> List(Rows rows) { return {rows.begin(), rows.end()}; }

// Run a: 1 <- 2 <- 3; run b begins at a's second. Times make the order a1 a2 b2 a3.
struct Small {
  Small() : store(OpenStore(disk)) {
    auto a = *store->StartRun("a");
    auto b = *store->StartRun("b");
    a1 = Add(*a, 1, 10, {});
    a2 = Add(*a, 2, 20, {{a1, EdgeKind::kTrain}});
    a3 = Add(*a, 3, 40, {{a2, EdgeKind::kTrain}}, "suspect: rank 1 differs");
    b2 = Add(*b, 2, 30, {{a2, EdgeKind::kFork}});
  }

  StateId Add(RunWriter& run, int64_t step, int64_t wall_ms, std::vector<Edge> parents,
              const std::string& audit = "ok") {
    Record record = MakeRecord(*store, step, std::nullopt);
    record.parents = std::move(parents);
    record.wall_ms = wall_ms;
    record.audit = audit;
    record.logical_bytes = 100;
    record.metrics["loss"] = 1.0 / static_cast<double>(step);
    record.attributes["of"] = run.name();
    if (step == 2) record.attributes["even"] = true;
    Result<StateId> id = run.Append(record);
    REQUIRE_THAT(id.status(), tests::IsOk());
    return *id;
  }

  MemoryStorage disk;
  std::unique_ptr<Store> store;
  StateId a1, a2, a3, b2;
};

TEST_CASE("rows are in the order of time, parents before children", "[index]") {
  Small small;
  const Index index = IndexOf(MustLoad(*small.store), *small.store);
  REQUIRE(index.size() == 4);
  const std::vector<StateId> order = {small.a1, small.a2, small.b2, small.a3};
  for (Row row = 0; row < 4; ++row) {
    CHECK(index.id[row] == order[row]);
    CHECK(index.Find(order[row]) == row);
  }
  CHECK(index.Find(std::string(32, 'x')) == kNoRow);
  CHECK((index.step == Column<int64_t>{1, 2, 2, 3}));
  CHECK((index.run == Column<uint32_t>{0, 0, 1, 0}));
  CHECK((index.wall_ms == Column<int64_t>{10, 20, 30, 40}));
  CHECK(index.edge[2] == EdgeKind::kFork);
  CHECK(List(index.ParentsOf(0)).empty());
  CHECK(index.FirstParent(0) == kNoRow);
  CHECK(List(index.ParentsOf(2)) == std::vector<Row>{1});
  CHECK(List(index.ChildrenOf(1)) == std::vector<Row>{2, 3});
  CHECK(List(index.ChildrenOf(3)).empty());
}

TEST_CASE("a fork shares its parent's bytes, and each pack counts once", "[index]") {
  Small small;
  const Index index = IndexOf(MustLoad(*small.store), *small.store);
  // The pack of a step is "pack of step <n>": 14 bytes; b@2 has the one of a@2.
  CHECK((index.own_bytes == Column<uint64_t>{14, 14, 0, 14}));
  CHECK((index.shared_bytes == Column<uint64_t>{0, 0, 14, 0}));
  CHECK((index.logical_bytes == Column<uint64_t>{100, 100, 100, 100}));
  CHECK(index.stored_bytes == 42);
}

TEST_CASE("runs, heads and suspects", "[index]") {
  Small small;
  const Index index = IndexOf(MustLoad(*small.store), *small.store);
  const RunRow* a = index.FindRun("a");
  REQUIRE(a != nullptr);
  CHECK((a->states == Column<Row>{0, 1, 3}));
  CHECK(a->head == 1);  // the newest is suspect
  CHECK(index.FindRun("b")->head == 2);
  CHECK(index.FindRun("c") == nullptr);
  CHECK((index.flags == Column<uint8_t>{0, 0, 0, kSuspectFlag}));
  REQUIRE((index.suspect.at == Column<uint32_t>{3}));
  CHECK(index.texts[index.suspect.values[0].bits] == "suspect: rank 1 differs");
}

TEST_CASE("values are found by key and row, and a note wins over the record", "[index]") {
  Small small;
  REQUIRE(small.store->Annotate(small.a1, "of", int64_t{7}).ok());
  REQUIRE(small.store->SetTag("best", small.b2, "", std::nullopt).ok());
  const Index index = IndexOf(MustLoad(*small.store), *small.store);
  const Values* loss = index.metrics.Find("loss");
  REQUIRE(loss != nullptr);
  CHECK((loss->at == Column<uint32_t>{0, 1, 2, 3}));
  CHECK(loss->Find(3)->kind == ValueKind::kFloat);
  CHECK(index.metrics.Find("lost") == nullptr);
  const Values* even = index.attributes.Find("even");
  REQUIRE(even != nullptr);
  CHECK((even->at == Column<uint32_t>{1, 2}));
  CHECK(even->Find(0) == nullptr);
  CHECK(even->Find(1)->bits == 1);
  const Values* of = index.attributes.Find("of");
  CHECK(of->Find(0)->kind == ValueKind::kInt);
  CHECK(of->Find(0)->bits == 7);
  CHECK(index.texts[of->Find(2)->bits] == "b");
  const Values* lr = index.hp.Find("lr");
  REQUIRE(lr != nullptr);
  CHECK(lr->Find(index.settings[0])->bits == 1);
  REQUIRE(index.tags.size() == 1);
  CHECK(index.tags[0].target == 2);
}

}  // namespace
}  // namespace stemma::lineage
