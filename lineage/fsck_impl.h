// The parts of fsck; not for users.
#pragma once

#include <map>
#include <set>
#include <string>

#include "lineage/fsck.h"
#include "lineage/names.h"
#include "lineage/retention.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

struct FsckContext {
  const Store& store;
  Storage& storage;
  const Paths paths;
  const Graph& graph;
  FsckReport& report;
  std::set<ObjectId> intended;  // named by an intent
  std::set<std::string> named;  // ulids of runs that a name leads to
  std::set<std::string> over;   // "<ulid>/<incarnation>" closed or superseded

  void Error(std::string text) { report.errors.push_back(std::move(text)); }
  void Remark(std::string text) { report.remarks.push_back(std::move(text)); }
};

// Frames, names and claims; fills `intended` and `over`.
Status CheckLogs(FsckContext* context);
// Layouts, packs and blobs of every state; tags; side branches.
void CheckStates(FsckContext* context, const FsckOptions& options);
// Objects that no state names, stray files, temporary files.
Status CheckOrphans(FsckContext* context);

}  // namespace stemma::lineage::internal
