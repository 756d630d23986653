// Whole trainings of two ranks in a folder of their own, and the states that they leave.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "lineage/posix_storage.h"
#include "lineage/store.h"
#include "tests/unit/train/live_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {

using Sets = std::vector<std::string>;

inline std::string NewFolder() {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/trained_runs_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

// Trains two ranks to the end of train.length; a second call goes on.
inline void Train(const std::string& folder, const std::string& name, Sets sets, const Sets& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  const auto worlds = comm::World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    const TinyRun run(folder + "/store", name, sets);
    STEMMA_RETURN_IF_ERROR(run.status);
    return TrainTiny(run, folder, *worlds[static_cast<size_t>(rank)]);
  });
  for (const Status& result : results) REQUIRE_THAT(result, IsOk());
}

struct States {
  explicit States(const std::string& folder)
      : store(*lineage::Store::Open(folder + "/store", false, lineage::PosixStorage())),
        graph(*store->Load()) {}
  const lineage::Record& At(const std::string& run, int64_t step) const {
    const lineage::Record* record = StateAt(graph, run, step);
    REQUIRE(record != nullptr);
    return *record;
  }
  std::string Bytes(const std::string& run, int64_t step) const {
    const auto bytes = BytesOf(*store, At(run, step));
    REQUIRE_THAT(bytes.status(), IsOk());
    return *bytes;
  }

  std::unique_ptr<lineage::Store> store;
  lineage::Graph graph;
};

}  // namespace stemma::tests
