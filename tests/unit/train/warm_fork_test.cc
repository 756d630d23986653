// A warm fork against a cold one: the same child, trained from its parent's memory and from the
// parent's packs, ends with the same bits, whoever trained the parent.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "comm/world.h"
#include "comm/world_group.h"
#include "lineage/fsck.h"
#include "lineage/reader/state_reader.h"
#include "models/train/warm_fork.h"
#include "tests/unit/train/live_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

using lineage::Record;
using lineage::Store;
using models::HandOver;
using models::LiveState;
using models::WarmFork;

std::string NewFolder() {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/warm_fork_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

Status First(const std::vector<Status>& results) {
  for (const Status& result : results) STEMMA_RETURN_IF_ERROR(result);
  return {};
}

// Changes a byte in the middle of the file, or changes it back.
void Flip(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
}

struct Case {
  const char* what;
  std::vector<int> parent, child;
  const char* shard;
};

std::vector<std::string> ParentSets(const Case& c) {
  return {"train.length=3step", "optim.lr=0.01", std::string("ops.shard=") + c.shard};
}
std::vector<std::string> ChildSets(const Case& c) {
  return {"train.length=6step", "optim.lr=0.02", std::string("ops.shard=") + c.shard};
}

// One rank of a world in which the parent is trained, forked in memory, and the child trained.
class WarmRank {
 public:
  WarmRank(const Case& c, std::string folder, ops::World& world)
      : case_(c), folder_(std::move(folder)), world_(world) {}

  Status Run() {
    const comm::CommSettings settings;
    STEMMA_ASSIGN_OR_RETURN(const auto parents, comm::SplitWorld(world_, {case_.parent}, settings));
    STEMMA_ASSIGN_OR_RETURN(const auto children, comm::SplitWorld(world_, {case_.child}, settings));
    STEMMA_RETURN_IF_ERROR(parents != nullptr ? TrainParent(*parents) : OnlyReceive());
    if (children == nullptr) return {};
    // What is read from the disk now would not pass its digest.
    if (children->rank() == 0) Flip(PackOf(child_.record));
    STEMMA_RETURN_IF_ERROR(Agree(children->cohort(), {}));
    const TinyRun run(folder_ + "/store", "warm", ChildSets(case_));
    const Status trained = TrainTiny(run, folder_, *children, {}, &child_);
    if (children->rank() == 0) Flip(PackOf(child_.record));
    return trained;
  }

 private:
  Status TrainParent(ops::World& group) {
    HandOver hand_over;
    hand_over.due = [](int64_t step) { return step == 3; };
    hand_over.give = [&](const LiveState& live, Store& store) { return Take(&live, store); };
    const TinyRun run(folder_ + "/store", "parent", ParentSets(case_));
    STEMMA_RETURN_IF_ERROR(run.status);
    return TrainTiny(run, folder_, group, hand_over);
  }

  Status OnlyReceive() {
    STEMMA_ASSIGN_OR_RETURN(const auto store,
                            Store::Open(folder_ + "/store", true, lineage::PosixStorage()));
    return Take(nullptr, *store);
  }

  Status Take(const LiveState* live, Store& store) {
    const TinyRun child(folder_ + "/store", "warm", ChildSets(case_));
    STEMMA_ASSIGN_OR_RETURN(
        child_,
        WarmFork({case_.parent, case_.child, "warm", child.list.ToToml()}, live, store, world_));
    return {};
  }

  std::string PackOf(const Record& record) const {
    const auto store = Store::Open(folder_ + "/store", false, lineage::PosixStorage());
    return (*store)->PackPath(record.packs.back().pack);
  }

  const Case& case_;
  const std::string folder_;
  ops::World& world_;
  LiveState child_;
};

Status RunWarm(const Case& c, const std::string& folder) {
  const int ranks = 1 + std::max(c.parent.back(), c.child.back());
  const auto worlds = comm::World::Threads(ranks);
  return First(SpawnRanks(ranks, [&](int rank) {
    return WarmRank(c, folder, *worlds[static_cast<size_t>(rank)]).Run();
  }));
}

// The same child, forked and restored from the disk.
Status RunCold(const Case& c, const std::string& folder) {
  STEMMA_ASSIGN_OR_RETURN(const auto store,
                          Store::Open(folder + "/store", false, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  const TinyRun settings(folder + "/store", "cold", ChildSets(c));
  STEMMA_RETURN_IF_ERROR(store
                             ->ForkWithSettings(graph, StateAt(graph, "parent", 3)->id, "cold", {},
                                                settings.list.ToToml())
                             .status());
  const auto ranks = static_cast<int>(c.child.size());
  const auto worlds = comm::World::Threads(ranks);
  return First(SpawnRanks(ranks, [&](int rank) -> Status {
    const TinyRun run(folder + "/store", "cold", ChildSets(c));
    return TrainTiny(run, folder, *worlds[static_cast<size_t>(rank)]);
  }));
}

const Record* ForkOf(const lineage::Graph& graph, const std::string& run) {
  return StateAt(graph, run, 3, lineage::Reason::kFinal);
}

void CheckSameFamily(const std::string& folder) {
  const auto store = Store::Open(folder + "/store", false, lineage::PosixStorage());
  REQUIRE_THAT(store.status(), IsOk());
  const lineage::Graph graph = *(*store)->Load();
  const Record* const parent = StateAt(graph, "parent", 3);
  const Record* const warm = ForkOf(graph, "warm");
  const Record* const cold = ForkOf(graph, "cold");
  REQUIRE(warm != nullptr);
  REQUIRE(cold != nullptr);
  CHECK(warm->parents.front().parent == parent->id);
  CHECK(warm->parents.front().kind == lineage::EdgeKind::kFork);
  CHECK(warm->packs.front().pack == parent->packs.front().pack);
  CHECK(warm->attributes.at(lineage::kRestoreAttribute) ==
        lineage::AttributeValue(std::string("warm")));
  CHECK(cold->attributes.count(lineage::kRestoreAttribute) == 0);
  for (const int64_t step : {4, 6}) {
    INFO("step " << step);
    const Record* const a = StateAt(graph, "warm", step);
    const Record* const b = StateAt(graph, "cold", step);
    REQUIRE(a != nullptr);
    REQUIRE(b != nullptr);
    const auto warm_bytes = BytesOf(**store, *a), cold_bytes = BytesOf(**store, *b);
    REQUIRE_THAT(warm_bytes.status(), IsOk());
    CHECK(*warm_bytes == *cold_bytes);
    CHECK(a->metrics == b->metrics);
  }
  CHECK(lineage::Fsck(**store, {true})->errors == std::vector<std::string>{});
}

TEST_CASE("a child from its parent's memory has the bits of one from the store") {
  const Case c = GENERATE(Case{"to another rank", {0}, {1}, "none"},
                          Case{"the parent's ranks go on", {0, 1}, {0, 1}, "none"},
                          Case{"they go on with their shards", {0, 1}, {0, 1}, "optimizer"},
                          Case{"shards of two to one that has none", {0, 1}, {2}, "optimizer"},
                          Case{"more ranks than before", {0}, {0, 1}, "none"},
                          Case{"fewer ranks than before", {0, 1}, {1}, "none"});
  INFO(c.what);
  const std::string folder = NewFolder();
  REQUIRE_THAT(RunWarm(c, folder), IsOk());
  REQUIRE_THAT(RunCold(c, folder), IsOk());
  CheckSameFamily(folder);
  std::filesystem::remove_all(folder);
}

// The parent goes on after the hand-over as if nobody had looked, and its later steps do not reach
// the copy.
TEST_CASE("a state that is handed over in the middle leaves the training as it was") {
  const std::string folder = NewFolder();
  LiveState copy;
  const auto train = [&](const char* name, const HandOver& hand_over) {
    const TinyRun run(folder + "/store", name, {"train.length=4step"});
    const auto worlds = comm::World::Threads(1);
    return TrainTiny(run, folder, *worlds[0], hand_over);
  };
  HandOver hand_over;
  hand_over.due = [](int64_t step) { return step == 2; };
  hand_over.give = [&](const LiveState& live, Store&) -> Status {
    STEMMA_ASSIGN_OR_RETURN(copy, models::Clone(live));
    return {};
  };
  REQUIRE_THAT(train("seen", hand_over), IsOk());
  REQUIRE_THAT(train("unseen", {}), IsOk());
  const auto store = Store::Open(folder + "/store", false, lineage::PosixStorage());
  const lineage::Graph graph = *(*store)->Load();
  CHECK(*BytesOf(**store, *StateAt(graph, "seen", 4)) ==
        *BytesOf(**store, *StateAt(graph, "unseen", 4)));
  CHECK(copy.record.step == 2);
  for (const LiveState::Part& part : copy.parts) {
    const auto stored = lineage::ReadSpan(**store, copy.record, part.span.name);
    REQUIRE_THAT(stored.status(), IsOk());
    CHECK(*stored == std::string(static_cast<const char*>(part.bytes.data_ptr()),
                                 static_cast<size_t>(part.bytes.numel())));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a live state begins the run that was forked from it, and no other") {
  const std::string folder = NewFolder();
  LiveState copy;
  const auto worlds = comm::World::Threads(1);
  HandOver hand_over;
  hand_over.due = [](int64_t step) { return step == 3; };
  hand_over.give = [&](const LiveState& live, Store&) -> Status {
    STEMMA_ASSIGN_OR_RETURN(copy, models::Clone(live));
    return {};
  };
  const TinyRun run(folder + "/store", "parent", {});
  REQUIRE_THAT(TrainTiny(run, folder, *worlds[0], hand_over), IsOk());
  const TinyRun other(folder + "/store", "other", {});
  CHECK_THAT(TrainTiny(other, folder, *worlds[0], {}, &copy),
             HasCode(Code::kInternal, "the live state is parent@3"));
  const TinyRun storeless("", "storeless", {});
  CHECK_THAT(TrainTiny(storeless, folder, *worlds[0], hand_over),
             HasCode(Code::kInternal, "there is no store"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("ranks that cannot be are refused on all ranks alike, and leave no run") {
  const std::string folder = NewFolder();
  const struct {
    std::vector<int> parent, child;
    const char* text;
  } rows[] = {{{}, {1}, "the parent's ranks are ranks {}"},
              {{0}, {2}, "the child's ranks are rank {2}"},
              {{0}, {1, 0}, "they must be ascending"},
              {{0}, {1}, "the parent's ranks, and no others, give its state"}};
  for (const auto& row : rows) {
    const auto worlds = comm::World::Threads(2);
    const auto results = SpawnRanks(2, [&](int rank) -> Status {
      STEMMA_ASSIGN_OR_RETURN(const auto store,
                              Store::Open(folder + "/store", true, lineage::PosixStorage()));
      return WarmFork({row.parent, row.child, "warm", "settings"}, nullptr, *store,
                      *worlds[static_cast<size_t>(rank)])
          .status();
    });
    for (const Status& result : results) {
      CHECK_THAT(result, HasCode(Code::kInvalidArgument, row.text));
    }
  }
  const auto store = Store::Open(folder + "/store", false, lineage::PosixStorage());
  CHECK((*store)->Load()->runs.empty());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace stemma::tests
