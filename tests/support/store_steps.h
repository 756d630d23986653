#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/fsck.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"

namespace stemma::lineage {

// Steps that must succeed, for tests of a store. The main thread only.
inline std::unique_ptr<Store> OpenStore(Storage& storage, const std::string& path = "/store") {
  Result<std::unique_ptr<Store>> store = Store::Open(path, true, storage);
  REQUIRE_THAT(store.status(), tests::IsOk());
  return *std::move(store);
}

// A record whose one pack is any bytes: the store itself looks at sizes only.
inline Record MakeRecord(Store& store, int64_t step, const std::optional<StateId>& parent) {
  const std::string bytes = "pack of step " + std::to_string(step);
  const ObjectId id = Sha256(bytes);
  const std::string path = store.PackPath(id);
  if (!store.storage().Exists(path))
    REQUIRE_THAT(WriteDurable(store.storage(), path, bytes), tests::IsOk());
  Record record;
  record.step = step;
  record.packs = {{0, 1, id, bytes.size()}};
  record.layout = *store.PutLayout("layout");
  record.settings = *store.PutBlob("lr = 1");
  if (parent) record.parents = {{*parent, EdgeKind::kTrain}};
  return record;
}

inline StateId MustAppend(Store& store, RunWriter& run, int64_t step,
                          const std::optional<StateId>& parent = std::nullopt) {
  Result<StateId> id = run.Append(MakeRecord(store, step, parent));
  REQUIRE_THAT(id.status(), tests::IsOk());
  return *id;
}

inline Graph MustLoad(const Store& store) {
  Result<Graph> graph = store.Load();
  REQUIRE_THAT(graph.status(), tests::IsOk());
  return *std::move(graph);
}

// What fsck has against the store when it has read every byte.
inline std::vector<std::string> FsckErrors(const Store& store) {
  const Result<FsckReport> report = Fsck(store, {true});
  REQUIRE_THAT(report.status(), tests::IsOk());
  return report->errors;
}

}  // namespace stemma::lineage
