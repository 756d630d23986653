#include <string>

#include "lineage/graph.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"
#include "tests/support/step_storage.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("a fork is one record: no payload, its parent's packs, its own settings") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  const StateId a = MustAppend(*store, *run, 10);
  const Graph before = MustLoad(*store);
  Record change;
  change.settings = *store->PutBlob("lr = 2");
  change.attributes["fork.set"] = std::string("optim.lr=2");
  Result<StateId> forked = store->Fork(before, a, "branch", change);
  REQUIRE_THAT(forked.status(), IsOk());
  const Graph graph = MustLoad(*store);
  CHECK(graph.warnings.empty());
  const Record& child = graph.states.at(*forked);
  CHECK(child.parents.front().parent == a);
  CHECK(child.parents.front().kind == EdgeKind::kFork);
  CHECK(child.settings == change.settings);
  CHECK(child.packs.front().pack == graph.states.at(a).packs.front().pack);
  CHECK(BytesOf(graph, child).own == 0);
  CHECK(graph.runs.at("branch").head == *forked);
  auto next = *store->NextIncarnation("branch");
  CHECK(next->incarnation() == 2);
  CHECK_THAT(store->Fork(graph, a, "branch", {}).status(), HasCode(Code::kInvalidArgument));
  REQUIRE_THAT(disk.Remove(store->PackPath(child.packs.front().pack)), IsOk());
  CHECK_THAT(store->Fork(graph, a, "late", {}).status(), HasCode(Code::kNotFound, "fork base@10"));
  CHECK(MustLoad(*store).runs.count("late") == 0);
}

TEST_CASE("a fork with settings of its own has them as a blob; how it was restored stays with it") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  const StateId a = MustAppend(*store, *run, 10);
  Record change;
  change.attributes[kRestoreAttribute] = std::string("warm");
  const auto forked = store->ForkWithSettings(MustLoad(*store), a, "branch", change, "lr = 2");
  REQUIRE_THAT(forked.status(), IsOk());
  disk.Crash();  // what was acknowledged needs no further sync
  const Graph graph = MustLoad(*store);
  const Record& child = graph.states.at(*forked);
  CHECK(*store->GetSettings(child.settings) == "lr = 2");
  CHECK(child.attributes.at(kRestoreAttribute) == AttributeValue(std::string("warm")));
  const auto again = store->Fork(graph, *forked, "twig", {});
  REQUIRE_THAT(again.status(), IsOk());
  const Graph after = MustLoad(*store);
  CHECK(after.states.at(*again).settings == child.settings);
  CHECK(after.states.at(*again).attributes.count(kRestoreAttribute) == 0);
}

TEST_CASE("a fork that loses the race for its name says so and keeps no bytes") {
  int lost = 0;
  for (int at = 1;; ++at) {
    INFO("at call " << at);
    MemoryStorage disk;
    const auto base = OpenStore(disk);
    auto run = *base->StartRun("base");
    const StateId a = MustAppend(*base, *run, 10);
    bool took = false;
    tests::StepStorage steps(disk, at, [&] {
      const auto other = OpenStore(disk);
      took = other->Fork(MustLoad(*other), a, "branch", {}).ok();
    });
    const auto store = OpenStore(steps);
    const auto forked = store->Fork(MustLoad(*store), a, "branch", {});
    if (!steps.ran()) break;
    CHECK(forked.ok() != took);
    if (!took) continue;  // it came first
    CHECK_THAT(forked.status(), HasCode(Code::kInvalidArgument, "branch"));
    const Paths paths(store->path());
    const Graph graph = MustLoad(*store);
    const auto runs = *disk.List(paths.RunsDir());
    for (const std::string& ulid : runs) {
      if (graph.runs.at("base").ulid == ulid || graph.runs.at("branch").ulid == ulid) continue;
      const auto log = disk.ReadAll(paths.LogSegment(ulid, 1, 1));
      if (!log.ok() || log->find("fork done") == std::string::npos) continue;  // no record yet
      ++lost;
      CHECK(log->find("its name was taken") != std::string::npos);
    }
  }
  CHECK(lost > 0);
}

TEST_CASE("a fork stores what it changed, also of a parent that did so, and no blob") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto run = *store->StartRun("base");
  Record base = MakeRecord(*store, 10, std::nullopt);
  base.settings = *store->PutBlob("decay = 0\nlr = 1\nname = \"base\"\n");
  const StateId a = *run->Append(base);
  const auto fork = [&](const StateId& of, const std::string& name, const std::string& text) {
    const auto forked = store->ForkWithSettings(MustLoad(*store), of, name, {}, text);
    REQUIRE_THAT(forked.status(), IsOk());
    const Record child = MustLoad(*store).states.at(*forked);
    CHECK(*store->GetSettings(child.settings) == text);
    return child;
  };
  const Record branch = fork(a, "branch", "decay = 0\nlr = 2\nname = \"branch\"\n");
  CHECK(branch.settings.blob == base.settings.blob);
  CHECK(branch.settings.changes == "lr = 2\nname = \"branch\"\n");
  const Record twig = fork(branch.id, "twig", "decay = 0\neps = 3\nlr = 1\nname = \"twig\"\n");
  CHECK(twig.settings.blob == base.settings.blob);
  CHECK(twig.settings.changes == "eps = 3\nname = \"twig\"\n");
  const Record other = fork(branch.id, "other", "decay = 0\nname = \"other\"\n");  // no lr
  CHECK(other.settings.blob != base.settings.blob);
  CHECK(other.settings.changes.empty());
  const auto bare = store->Fork(MustLoad(*store), branch.id, "bare", {});
  REQUIRE_THAT(bare.status(), IsOk());
  CHECK(MustLoad(*store).states.at(*bare).settings == branch.settings);

  disk.Crash();
  CHECK(*store->GetSettings(twig.settings) == "decay = 0\neps = 3\nlr = 1\nname = \"twig\"\n");
  const size_t faults = FsckErrors(*store).size();  // MakeRecord's pack is none
  REQUIRE_THAT(disk.Remove(Paths(store->path()).Object(ObjectKind::kBlob, base.settings.blob)),
               IsOk());
  CHECK(FsckErrors(*store).size() > faults);
  CHECK_THAT(store->Fork(MustLoad(*store), twig.id, "late", {}).status(), HasCode(Code::kNotFound));
}

}  // namespace
}  // namespace stemma::lineage
