// Whose bytes are on the disk, over trees small enough to count by hand.
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/memory_storage.h"
#include "lineage/usage.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {
namespace {

using tests::IsOk;

// A graph of states by name; each names packs by one letter, whose sizes are 1, 10, 100, ...
struct Tree {
  Graph graph;

  StateId Add(const std::string& run, const std::string& name, const std::string& packs,
              uint64_t logical) {
    Record record;
    record.id = Sha256(name);
    record.run_name = run;
    record.logical_bytes = logical;
    for (const char pack : packs) {
      uint64_t bytes = 1;
      for (char c = 'a'; c < pack; ++c) bytes *= 10;
      record.packs.push_back({0, 1, Sha256(std::string(1, pack)), bytes});
    }
    graph.states[record.id] = record;
    graph.runs[run].name = run;
    graph.runs[run].states.push_back(record.id);
    return record.id;
  }
};

void Check(const GroupUsage& usage, const std::string& name, uint64_t states, uint64_t exclusive,
           uint64_t shared, uint64_t logical) {
  INFO(name);
  CHECK(usage.name == name);
  CHECK(usage.states == states);
  CHECK(usage.exclusive == exclusive);
  CHECK(usage.shared == shared);
  CHECK(usage.logical == logical);
}

TEST_CASE("what only a run names is exclusive to it, what others name is shared") {
  Tree tree;
  tree.Add("base", "base@1", "ab", 7);
  const StateId second = tree.Add("base", "base@2", "cd", 7);
  tree.Add("fork", "fork@2", "cd", 7);  // shares base@2's
  const StateId late = tree.Add("fork", "fork@3", "e", 7);
  tree.Add("twin", "twin@1", "a", 3);
  const Usage usage = UsageOf(tree.graph, RunsAsGroups(tree.graph));
  REQUIRE(usage.groups.size() == 3);
  Check(usage.groups[0], "base", 2, 10, 1101, 14);
  Check(usage.groups[1], "fork", 2, 10000, 1100, 14);
  Check(usage.groups[2], "twin", 1, 0, 1, 3);
  Check(usage.all, "all", 5, 11111, 0, 31);
  CHECK(usage.stored == 11111);

  // Groups may overlap and need not be all: base@2 and its fork together own what they share.
  const Usage some = UsageOf(tree.graph, {{"x", {second}},
                                          {"y", tree.graph.runs.at("fork").states},
                                          {"z", {late, late, Sha256("nobody")}}});
  Check(some.groups[0], "x", 1, 0, 1100, 7);
  Check(some.groups[1], "y", 2, 10000, 1100, 14);
  Check(some.groups[2], "z", 1, 10000, 0, 7);
  Check(some.all, "all", 3, 11100, 0, 21);
  CHECK(some.stored == 11111);
}

TEST_CASE("an empty store uses nothing, and a pack named twice in a state counts once") {
  const Usage nothing = UsageOf({}, {});
  CHECK(nothing.groups.empty());
  Check(nothing.all, "all", 0, 0, 0, 0);
  Tree tree;
  tree.Add("r", "r@1", "bb", 1);
  const Usage once = UsageOf(tree.graph, RunsAsGroups(tree.graph));
  Check(once.groups[0], "r", 1, 10, 0, 1);
}

TEST_CASE("objects that no state names are counted with their bytes") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  CHECK(UnnamedObjects(*store, MustLoad(*store))->objects == 0);
  const auto run = store->StartRun("base");
  REQUIRE_THAT(run.status(), IsOk());
  MustAppend(*store, **run, 1);
  CHECK(UnnamedObjects(*store, MustLoad(*store))->objects == 0);
  REQUIRE_THAT(store->PutBlob("nobody's").status(), IsOk());
  REQUIRE_THAT(WriteDurable(disk, store->PackPath(Sha256("p")), "an orphan"), IsOk());
  REQUIRE_THAT(WriteDurable(disk, store->PackPath(Sha256("p")) + ".bak", "none of ours"), IsOk());
  const auto found = UnnamedObjects(*store, MustLoad(*store));
  REQUIRE_THAT(found.status(), IsOk());
  CHECK(found->objects == 2);
  CHECK(found->bytes == 8 + 9);
}

}  // namespace
}  // namespace stemma::lineage
