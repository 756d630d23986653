// Several trainings in one world, each in a group of its ranks: each writes its own states once,
// with the bits that it would have had alone.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/world.h"
#include "comm/world_group.h"
#include "lineage/fsck.h"
#include "tests/unit/train/live_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

using lineage::Record;

std::string NewFolder() {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/groups_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

std::vector<std::string> Sets(int group) {
  return {"train.length=4step", "optim.lr=0.0" + std::to_string(group + 1)};
}

// Two groups of two in a world of four, over threads and over node-shared memory.
Status TrainGroups(const std::string& folder, const std::string& backend) {
  comm::CommSettings settings;
  settings.backend = backend;
  settings.deadline_s = 60;
  const auto worlds = comm::World::Threads(4, settings);
  const auto results = SpawnRanks(4, [&](int rank) -> Status {
    ops::World& world = *worlds[static_cast<size_t>(rank)];
    {
      STEMMA_ASSIGN_OR_RETURN(const auto group,
                              comm::SplitWorld(world, {{0, 1}, {2, 3}}, settings));
      if (group->ranks() != 2 || group->rank() != rank % 2) return {Code::kInternal, "my place"};
      const TinyRun run(folder + "/store", rank < 2 ? "a" : "b", Sets(rank / 2));
      STEMMA_RETURN_IF_ERROR(run.status);
      STEMMA_RETURN_IF_ERROR(TrainTiny(run, folder, *group));
      STEMMA_RETURN_IF_ERROR(group->Close());
    }
    return world.Close();
  });
  for (const Status& result : results) STEMMA_RETURN_IF_ERROR(result);
  return {};
}

Status TrainAlone(const std::string& folder, int group) {
  const auto worlds = comm::World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    const TinyRun run(folder + "/alone", group == 0 ? "a" : "b", Sets(group));
    STEMMA_RETURN_IF_ERROR(run.status);
    return TrainTiny(run, folder + "/of-alone", *worlds[static_cast<size_t>(rank)]);
  });
  for (const Status& result : results) STEMMA_RETURN_IF_ERROR(result);
  return {};
}

// Written once, by both ranks of the group alike.
void CheckWrittenOnce(const Record& record) {
  REQUIRE(record.packs.size() == 2);
  CHECK(record.world == 2);
  const auto first = static_cast<double>(record.packs[0].bytes);
  const auto second = static_cast<double>(record.packs[1].bytes);
  CHECK(std::max(first, second) <= 1.01 * (first + second) / 2);
  CHECK(first + second >= static_cast<double>(record.logical_bytes));
  CHECK(first + second <= 1.02 * static_cast<double>(record.logical_bytes));
}

TEST_CASE("groups of a world train and capture runs of their own, as if each were alone") {
  const std::string folder = NewFolder();
  const std::string backend = GENERATE("threads", "node-shared");
  INFO(backend);
  REQUIRE_THAT(TrainGroups(folder, backend), IsOk());
  REQUIRE_THAT(TrainAlone(folder, 0), IsOk());
  REQUIRE_THAT(TrainAlone(folder, 1), IsOk());

  const auto store = lineage::Store::Open(folder + "/store", false, lineage::PosixStorage());
  const auto alone = lineage::Store::Open(folder + "/alone", false, lineage::PosixStorage());
  REQUIRE_THAT(store.status(), IsOk());
  REQUIRE_THAT(alone.status(), IsOk());
  const lineage::Graph graph = *(*store)->Load(), graph_alone = *(*alone)->Load();
  CHECK(graph.states.size() == 4);
  for (const char* name : {"a", "b"}) {
    for (const int64_t step : {2, 4}) {
      INFO(name << "@" << step);
      const Record* const state = StateAt(graph, name, step);
      const Record* const same = StateAt(graph_alone, name, step);
      REQUIRE(state != nullptr);
      REQUIRE(same != nullptr);
      CheckWrittenOnce(*state);
      const auto bytes = BytesOf(**store, *state), as_alone = BytesOf(**alone, *same);
      REQUIRE_THAT(bytes.status(), IsOk());
      CHECK(*bytes == *as_alone);
    }
  }
  CHECK(*BytesOf(**store, *StateAt(graph, "a", 4)) != *BytesOf(**store, *StateAt(graph, "b", 4)));
  CHECK(lineage::Fsck(**store, {true})->errors == std::vector<std::string>{});
  std::filesystem::remove_all(folder);
}

TEST_CASE("groups that cannot be are refused on all ranks alike") {
  const struct {
    std::vector<std::vector<int>> groups, of_rank1;
    Code code;
    const char* text;
  } rows[] = {
      {{{0}, {0, 1}}, {{0}, {0, 1}}, Code::kInvalidArgument, "rank 0 is in two of the groups"},
      {{{0, 2}}, {{0, 2}}, Code::kInvalidArgument, "2"},
      {{{0}}, {{1}}, Code::kIncompatible, "groups of ranks differs"},
  };
  for (const auto& row : rows) {
    const auto worlds = comm::World::Threads(2);
    const auto results = SpawnRanks(2, [&](int rank) {
      return comm::SplitWorld(*worlds[static_cast<size_t>(rank)],
                              rank == 0 ? row.groups : row.of_rank1, {})
          .status();
    });
    for (const Status& result : results) CHECK_THAT(result, HasCode(row.code, row.text));
  }
}

TEST_CASE("a rank outside of all groups gets none, and a group is not divided further") {
  const auto worlds = comm::World::Threads(3);
  const auto results = SpawnRanks(3, [&](int rank) -> Status {
    STEMMA_ASSIGN_OR_RETURN(const auto group,
                            comm::SplitWorld(*worlds[static_cast<size_t>(rank)], {{2, 1}}, {}));
    if ((group == nullptr) != (rank == 0)) return {Code::kInternal, "a group too many or too few"};
    if (rank == 0) return {};
    if (group->rank() != rank - 1) return {Code::kInternal, "not in ascending order"};
    STEMMA_ASSIGN_OR_RETURN(const auto texts, group->cohort().AllGather(std::to_string(rank)));
    if (texts != std::vector<std::string>{"1", "2"}) return {Code::kInternal, "others' texts"};
    const Status again = group->Subset({0}).status();
    return again.code() == Code::kInvalidArgument ? Status() : Status(Code::kInternal, "divided");
  });
  for (const Status& result : results) CHECK_THAT(result, IsOk());
}

}  // namespace
}  // namespace stemma::tests
