// Row 20 of the failure matrix on the real code: machines that see each other's changes late, as
// over NFS. Nothing that was acknowledged is lost, also beside a collector whose grace is three
// times as long as a view may be old; what is not seen yet is a delay or an error that says so.
#include <map>
#include <memory>
#include <string>

#include "lineage/collect.h"
#include "tests/crash/stale_storage.h"

#include "tests/support/gc_scene.h"
#include "tests/support/step_storage.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::StaleStorage;
using tests::StepStorage;

constexpr double kAge = 60;

// Several machines on one disk; time is the collector's.
struct Net {
  explicit Net(bool prune) : scene(prune) {}

  std::unique_ptr<StaleStorage> Node() {
    auto node = std::make_unique<StaleStorage>(
        scene.disk, [this] { return scene.clock.Now(); }, kAge);
    for (const char* dir : {"/names", "/runs", "/tags", "/notes", "/leases", "/gc", "/trash"}) {
      node->Warm(std::string("/store") + dir);
    }
    for (size_t i = 0; i < scene.states.size(); ++i) node->Warm(scene.PathOf(i));
    return node;
  }
  void Wait(double seconds) { scene.clock.Sleep(seconds); }

  Scene scene;
};

// What is not there any more of what was promised or not pruned; "" when nothing is missing.
std::string Lost(Net* net, const Result<StateId>& fork) {
  const std::unique_ptr<Store> fresh = OpenStore(net->scene.disk);
  const Graph graph = MustLoad(*fresh);
  if (fork.ok() && graph.states.count(*fork) == 0) return "the fork";
  for (const auto& [id, record] : graph.states) {
    if (IsPruned(graph, id)) continue;
    const Status there = fresh->EnsurePacks(record, IfPruned::kRefuse);
    if (!there.ok()) return NameOfState(record) + ": " + there.message();
  }
  return "";
}

struct Tally {
  int held = 0, refused = 0, lost = 0, stale = 0;
  std::string first_lost;
};

// A forker and a collector on machines of their own. The collector does its steps before `until` in
// the forker's `at`-th call and the others after the fork. False: the forker has fewer calls.
bool ForkBesideCollector(double grace_s, int until, int at, Tally* tally) {
  Net net(true);
  const auto forker = net.Node(), collects = net.Node();
  const std::unique_ptr<Store> store = OpenStore(*collects);
  GcOptions options;
  options.grace_s = grace_s;
  Collector collector(*store, options, net.scene.clock);
  Status collected;
  const auto collect = [&](int from, int to) {
    const std::vector<Status (Collector::*)()> steps = {
        &Collector::Claim,  &Collector::Adopt, &Collector::Mark,   &Collector::Trash,
        &Collector::ReMark, &Collector::Grace, &Collector::ReMark, &Collector::Unlink};
    for (int i = from; i < to && collected.ok(); ++i) {
      collected = (collector.*steps[static_cast<size_t>(i)])();
    }
  };
  StepStorage gap(*forker, at, [&] { collect(0, until); });
  const Result<StateId> fork = net.scene.Fork(gap);
  if (!gap.ran()) return false;
  collect(until, kSteps);
  INFO("until " << until << ", at call " << at << ", " << fork.status().message());
  REQUIRE_THAT(collected, IsOk());
  net.Wait(2 * kAge);
  const std::string lost = Lost(&net, fork);
  tally->lost += lost.empty() ? 0 : 1;
  if (tally->first_lost.empty()) tally->first_lost = lost;
  ++(fork.ok() ? tally->held : tally->refused);
  tally->stale += forker->stale_answers() + collects->stale_answers();
  return true;
}

Tally ForksBesideCollectors(double grace_s) {
  Tally tally;
  for (int until = 1; until <= kSteps; ++until) {
    for (int at = 1; ForkBesideCollector(grace_s, until, at, &tally); ++at) {
    }
  }
  return tally;
}

TEST_CASE("row 20: a fork beside a collector holds or fails loudly where views are old",
          "[crash]") {
  const Tally tally = ForksBesideCollectors(3 * kAge);
  INFO(tally.first_lost);
  CHECK(tally.lost == 0);
  CHECK(tally.held > 100);
  CHECK(tally.refused > 0);
  CHECK(tally.stale > 100);  // or the views were not old
}

TEST_CASE("row 20: a grace shorter than views may be old does lose a fork, and is seen to",
          "[crash]") {
  CHECK(ForksBesideCollectors(kAge / 2).lost > 0);
}

TEST_CASE("row 20: a reader that saw a pack before it went to the trash brings it back in time",
          "[crash]") {
  for (const bool before : {true, false}) {  // whether the trash folder was there at its last look
    Net net(true);
    if (before) REQUIRE_THAT(net.scene.disk.MakeDir("/store/trash"), IsOk());
    const auto reader = net.Node();
    Collector died(*net.scene.store, {}, net.scene.clock);
    RunSteps(died, 0, 4);  // up to the trash
    REQUIRE_FALSE(net.scene.Has(0));
    REQUIRE_THAT(net.scene.store->Mark(net.scene.states[0], kPrunedKey, std::string()), IsOk());
    const std::unique_ptr<Store> store = OpenStore(*reader);
    const Record& record = net.scene.before.states.at(net.scene.states[0]);
    const auto read = [&]() -> Status {
      STEMMA_RETURN_IF_ERROR(store->EnsurePacks(record, IfPruned::kRefuse));
      Status opened = reader->ReadAll(store->PackPath(record.packs[0].pack)).status();
      if (opened.ok()) return opened;
      STEMMA_RETURN_IF_ERROR(store->EnsurePacks(record, IfPruned::kRefuse));
      return reader->ReadAll(store->PackPath(record.packs[0].pack)).status();
    };
    const Status soon = read();
    if (!soon.ok()) CHECK_THAT(soon, HasCode(Code::kNotFound, "pack"));
    net.Wait(kAge + 1);
    CHECK_THAT(read(), IsOk());
  }
}

TEST_CASE("row 20: a restart that a writer does not see yet costs it no acknowledged state",
          "[crash]") {
  int fenced = 0, side = 0;
  for (int at = 1;; ++at) {
    Net net(false);
    auto writer = *net.scene.store->StartRun("r");
    MustAppend(*net.scene.store, *writer, 1);
    REQUIRE_THAT(writer->Close(), IsOk());
    const auto old_node = net.Node(), new_node = net.Node();
    std::optional<StateId> news;
    StepStorage gap(*old_node, at, [&] {
      const std::unique_ptr<Store> store = OpenStore(*new_node);
      auto next = *store->NextIncarnation("r");
      news = MustAppend(*store, *next, 30);
    });
    const std::unique_ptr<Store> store = OpenStore(gap);
    Result<std::unique_ptr<RunWriter>> old_writer = store->NextIncarnation("r");
    Record record = MakeRecord(*net.scene.store, 20, std::nullopt);
    const Result<StateId> zombie =
        old_writer.ok() ? (*old_writer)->Append(record) : old_writer.status();
    if (!gap.ran()) break;
    INFO("at call " << at << ": " << zombie.status().message());
    ++(zombie.ok() ? side : fenced);
    const Graph graph = MustLoad(*net.scene.store);
    REQUIRE(news);
    CHECK(graph.states.count(*news) == 1);
    if (zombie.ok()) CHECK(graph.states.count(*zombie) == 1);
    CHECK(graph.states.size() == 3 + 1 + 1 + (zombie.ok() ? 1u : 0u));
    net.Wait(kAge + 1);
    const bool newest = old_writer.ok() && (*old_writer)->incarnation() == 3;
    if (old_writer.ok() && !newest) {
      CHECK_THAT((*old_writer)->CheckFence(), HasCode(Code::kIncompatible, "fenced"));
    }
  }
  CHECK(side > 0);
}

TEST_CASE("row 20: of two machines that move a tag, the one that is late is told, or moves it on",
          "[crash]") {
  Net net(false);
  const std::vector<StateId>& states = net.scene.states;
  REQUIRE_THAT(net.scene.store->SetTag("best", states[0], "", {}), IsOk());
  const auto quick = net.Node(), late = net.Node(), later = net.Node();
  REQUIRE_THAT(OpenStore(*quick)->SetTag("best", states[1], "", states[0]), IsOk());
  CHECK_THAT(OpenStore(*late)->SetTag("best", states[2], "", states[0]),
             HasCode(Code::kInvalidArgument, "moved"));
  CHECK(MustLoad(*net.scene.store).tags.at("best").target == states[1]);
  CHECK_THAT(OpenStore(*later)->SetTag("best", states[2], "", {}), IsOk());
  CHECK(MustLoad(*net.scene.store).tags.at("best").target == states[2]);
  CHECK(net.scene.store->TagHistory("best")->size() == 3);
}

TEST_CASE("row 20: two machines that begin a run of one name get one run", "[crash]") {
  Net net(false);
  const auto quick = net.Node(), late = net.Node();
  REQUIRE_FALSE(late->Exists("/store/names/r/run"));  // and remembers it
  const auto first = OpenStore(*quick)->StartRun("r");
  REQUIRE_THAT(first.status(), IsOk());
  CHECK_THAT(OpenStore(*late)->StartRun("r").status(),
             HasCode(Code::kInvalidArgument, "begun by somebody else"));
  CHECK_THAT(OpenStore(*late)->Fork(net.scene.before, net.scene.states[0], "r", {}).status(),
             HasCode(Code::kInvalidArgument, "r"));
}

// mkdir that was done and says "exists", rename and remove that were done and find nothing.
TEST_CASE("row 20: a request that is sent twice costs at most an error that says so", "[crash]") {
  int done = 0, refused = 0;
  for (int at = 1;; ++at) {
    Net net(true);
    const auto node = net.Node();
    node->ResendAt(at);
    const std::unique_ptr<Store> store = OpenStore(*node);
    std::map<std::string, Status> ended;
    const Result<StateId> fork = net.scene.Fork(*node);
    ended["fork"] = fork.status();
    ended["tag"] = store->SetTag("best", net.scene.states[1], "", {});
    ended["start"] = store->StartRun("new").status();
    ended["resume"] = store->NextIncarnation("base").status();
    ended["gc"] = CollectGarbage(*store, {}, net.scene.clock).status();
    if (node->resent().empty()) break;
    for (const auto& [what, status] : ended) {
      INFO("change " << at << ", " << what << ": " << status.message());
      ++(status.ok() ? done : refused);
      if (node->resent() == "mkdir") CHECK_THAT(status, IsOk());
      if (!status.ok()) CHECK(status.message().find("o such file") != std::string::npos);
    }
    CHECK(Lost(&net, fork).empty());
    if (ended["tag"].ok()) {
      CHECK(MustLoad(*net.scene.store).tags.at("best").target == net.scene.states[1]);
    }
  }
  CHECK(done > 5 * refused);
}

}  // namespace
}  // namespace stemma::lineage
