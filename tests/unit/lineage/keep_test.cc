#include "lineage/keep/keeper.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/graph.h"
#include "lineage/keep/rules.h"
#include "lineage/marks.h"

#include "tests/support/gc_scene.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {
using tests::HasCode;
using tests::IsOk;

KeepRules Rules(const std::string& keep, double ttl_s = 0, const std::string& critical = "",
                const std::string& scope = "") {
  LineageSettings settings;
  settings.keep = keep;
  settings.ttl_s = ttl_s;
  settings.critical = critical;
  settings.scope = scope;
  const Result<KeepRules> rules = ParseKeep(settings);
  REQUIRE_THAT(rules.status(), IsOk());
  return *rules;
}

// A run that goes on, on a disk whose clock moves a second with each state.
struct Job {
  MemoryStorage disk;
  std::unique_ptr<Store> store = OpenStore(disk);
  std::unique_ptr<RunWriter> writer = *store->StartRun("r");
  std::optional<StateId> head;

  StateId Add(int64_t step, const KeepRules& rules = {}, Reason reason = Reason::kPeriodic) {
    Record record = MakeRecord(*store, step, head);
    record.reason = reason;
    AddHints(rules, &record);
    const Result<StateId> id = writer->Append(record);
    REQUIRE_THAT(id.status(), IsOk());
    disk.AdvanceMs(1000);
    head = *id;
    return *id;
  }
  void AddMany(int64_t last, const KeepRules& rules = {}) {
    for (int64_t step = 10; step <= last; step += 10) Add(step, rules);
  }
  std::set<int64_t> Pruned(const std::string& run = "r") const {
    const Graph graph = MustLoad(*store);
    std::set<int64_t> steps;
    for (const auto& [id, record] : graph.states) {
      if (record.run_name == run && IsPruned(graph, id)) steps.insert(record.step);
    }
    return steps;
  }
  void Keep(const KeepRules& rules) {
    Keeper keeper(*store, "r", rules);
    keeper.Finish();
    for (const std::string& line : keeper.TakeNews()) FAIL(line);
  }
};

TEST_CASE("a run marks those of its own states that no rule keeps, and says why") {
  Job job;
  job.AddMany(80);
  {
    const auto other = *job.store->StartRun("other");
    for (const int64_t step : {1, 2, 3, 4}) MustAppend(*job.store, *other, step);
    job.disk.AdvanceMs(1000);
  }
  Keeper keeper(*job.store, "r", Rules("last 3, every 20"));
  keeper.Finish();
  CHECK(job.Pruned() == std::set<int64_t>{30, 50});  // 10 is the first at or after 0
  CHECK(job.Pruned("other").empty());
  CHECK(keeper.marked() == 2);
  CHECK(keeper.TakeNews().empty());
  const Graph graph = MustLoad(*job.store);
  for (const auto& [id, record] : graph.states) {
    if (!IsPruned(graph, id)) continue;
    CHECK(std::get<std::string>(*MarkOf(graph, id, kPrunedKey)) == "policy: last 3, every 20");
  }
  keeper.Finish();
  CHECK(keeper.marked() == 2);
}

TEST_CASE("what a tag, a mark, a scope or a time to live holds is not marked") {
  Job job;
  REQUIRE_THAT(OpenScope(*job.store, "trial", std::nullopt), IsOk());
  const StateId tagged = job.Add(10);
  job.Add(20, Rules("all", 0, "requested, final"), Reason::kRequested);
  job.Add(30, Rules("all", 0, "requested"), Reason::kSignal);
  job.Add(40, Rules("all", 0, "", "trial"));
  job.Add(50, Rules("all", 3600));
  job.Add(60, Rules("all", 3600), Reason::kFinal);  // only periodic ones have an end
  for (const int64_t step : {70, 80}) job.Add(step);
  REQUIRE_THAT(job.store->SetTag("best", tagged, "", std::nullopt), IsOk());
  job.Keep(Rules("last 2"));
  CHECK(job.Pruned() == std::set<int64_t>{30, 60});
  job.disk.AdvanceMs(3700 * 1000);
  REQUIRE_THAT(CloseScope(*job.store, MustLoad(*job.store), "trial"), IsOk());
  job.Keep(Rules("last 2"));
  CHECK(job.Pruned() == std::set<int64_t>{30, 40, 50, 60});
}

TEST_CASE("where all are kept, those go whose time is over, but for the two newest") {
  Job job;
  const KeepRules rules = Rules("all", 5.5);
  job.Add(10);
  for (int64_t step = 20; step <= 100; step += 10) job.Add(step, rules);
  job.Keep(rules);  // 100 is one second old, 50 is six
  CHECK(job.Pruned() == std::set<int64_t>{20, 30, 40, 50});
  job.disk.AdvanceMs(3600 * 1000);
  job.Keep(rules);
  CHECK(job.Pruned() == std::set<int64_t>{20, 30, 40, 50, 60, 70, 80});
}

TEST_CASE("without rules nothing is looked at, and nothing marked") {
  Job job;
  job.AddMany(50);
  FaultyStorage watched(job.disk);
  const std::unique_ptr<Store> store = OpenStore(watched);
  const uint64_t before = watched.changes();
  Keeper keeper(*store, "r", Rules("all", 0, "final"));
  for (int i = 0; i < 5; ++i) keeper.StateDurable();
  keeper.Finish();
  CHECK(watched.changes() == before);
  CHECK(job.Pruned().empty());
}

TEST_CASE("the job appends while its keeper marks: the newest stay, and what rules keep is whole") {
  Job job;
  const KeepRules rules = Rules("last 2, every 100");
  Keeper keeper(*job.store, "r", rules);
  for (int64_t step = 10; step <= 300; step += 10) {
    job.Add(step, rules);
    keeper.StateDurable();
  }
  keeper.Finish();
  CHECK(keeper.TakeNews().empty());
  const std::set<int64_t> pruned = job.Pruned();
  CHECK(pruned.size() == 30 - 5);
  for (const int64_t step : {10, 100, 200, 290, 300}) CHECK(pruned.count(step) == 0);
  const Graph graph = MustLoad(*job.store);
  CHECK(graph.runs.at("r").head == job.head);
  for (const auto& [id, record] : graph.states) {
    if (IsPruned(graph, id)) continue;
    CHECK_THAT(job.store->EnsurePacks(record, IfPruned::kRefuse), IsOk());
  }
}

TEST_CASE("a fork that knew nothing of the mark keeps its bytes; one that knows is refused") {
  Scene scene(false);
  const Result<StateId> child = scene.Fork(scene.disk, "child");
  REQUIRE_THAT(child.status(), IsOk());
  scene.disk.AdvanceMs(3600 * 1000);
  Keeper keeper(*scene.store, "base", Rules("last 2"));
  keeper.Finish();
  CHECK(keeper.marked() == 1);
  const Result<StateId> slow = scene.Fork(scene.disk, "slow");  // looked before the mark
  REQUIRE_THAT(slow.status(), IsOk());
  CHECK_THAT(scene.store->Fork(MustLoad(*scene.store), scene.states[0], "late", {}).status(),
             HasCode(Code::kNotFound, "policy: last 2"));
  scene.CheckAtRest({*child, *slow});
  CHECK(scene.Has(0));
}

TEST_CASE("a full disk gives a proposal: what is pruned already, and what could be") {
  Job job;
  job.AddMany(70);
  const auto proposal = [&] {
    Keeper keeper(*job.store, "r", Rules("all"));
    keeper.DiskFull();
    keeper.Finish();
    const std::vector<std::string> news = keeper.TakeNews();
    REQUIRE(news.size() == 1);
    CHECK(keeper.TakeNews().empty());
    return news[0];
  };
  const std::string first = proposal();
  INFO(first);
  CHECK(first.find("5 states of r (r@10, r@20, r@30, ...) can go, 75 B: `stemma prune r --keep "
                   "'last 2' --apply`, then `stemma gc --apply`") != std::string::npos);
  CHECK(job.Pruned().empty());  // it proposes
  job.Keep(Rules("last 2"));
  const std::string second = proposal();
  INFO(second);
  CHECK(second.find("`stemma gc --apply` frees 75 B of states that are pruned") !=
        std::string::npos);
  CHECK(second.find("no further state of r can go") != std::string::npos);
}

TEST_CASE("whichever change of the disk fails, only losers are marked and the next look goes on") {
  for (uint64_t change = 1;; ++change) {
    INFO("change " << change);
    Job job;
    job.AddMany(60);
    FaultyStorage faulty(job.disk);
    const std::unique_ptr<Store> store = OpenStore(faulty);
    faulty.FailAt(change, Fault::kNoSpace);
    Keeper keeper(*store, "r", Rules("last 3"));
    keeper.Finish();
    const std::set<int64_t> losers = {10, 20, 30};
    for (const int64_t step : job.Pruned()) REQUIRE(losers.count(step) == 1);
    keeper.Finish();
    CHECK(job.Pruned() == losers);
    if (!faulty.fired()) break;
    REQUIRE(change < 100);
  }
}

TEST_CASE("a store that cannot be read is told of once, and nothing is marked") {
  Job job;
  job.AddMany(60);
  FaultyStorage faulty(job.disk);
  const std::unique_ptr<Store> store = OpenStore(faulty);
  faulty.FailAt(1, Fault::kDieBefore);
  Keeper keeper(*store, "r", Rules("last 3"));
  keeper.Finish();
  keeper.Finish();
  const std::vector<std::string> news = keeper.TakeNews();
  REQUIRE(news.size() == 1);
  CHECK(news[0].find("could not be marked") != std::string::npos);
  CHECK(job.Pruned().empty());
}

TEST_CASE("settings that mean nothing are refused by name") {
  LineageSettings settings;
  CHECK_FALSE(ParseKeep(settings)->MayPrune());
  settings.critical = "final, sometimes";
  CHECK_THAT(ParseKeep(settings).status(),
             HasCode(Code::kInvalidArgument, "'sometimes' is no reason of a capture"));
  settings.critical = "";
  settings.keep = "lats 3";
  CHECK_THAT(ParseKeep(settings).status(), HasCode(Code::kInvalidArgument, "lineage.keep"));
  CHECK_THAT(ParseKeep(settings).status(), HasCode(Code::kInvalidArgument, "'last'"));
  settings.keep = "";
  CHECK_THAT(ParseKeep(settings).status(), HasCode(Code::kInvalidArgument, "lineage.keep"));
}

TEST_CASE("a scope must be open before captures can join it") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const KeepRules rules = Rules("all", 0, "", "sweep7");
  CHECK_THAT(CheckScope(*store, rules), HasCode(Code::kNotFound, "stemma scope open sweep7"));
  REQUIRE_THAT(OpenScope(*store, "sweep", std::nullopt), IsOk());
  CHECK_THAT(CheckScope(*store, rules), HasCode(Code::kNotFound, "did you mean 'sweep'?"));
  REQUIRE_THAT(OpenScope(*store, "sweep7", std::nullopt), IsOk());
  CHECK_THAT(CheckScope(*store, rules), IsOk());
  REQUIRE_THAT(CloseScope(*store, MustLoad(*store), "sweep7"), IsOk());
  CHECK_THAT(CheckScope(*store, rules), HasCode(Code::kNotFound, "stemma scope open sweep7"));
  CHECK_THAT(CheckScope(*store, Rules("last 3")), IsOk());
}

}  // namespace
}  // namespace stemma::lineage
