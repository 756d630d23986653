#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/notes.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr int kSearches = 3;  // a collector may move the pack to its own folder meanwhile

Status Sync(Storage& storage, const Paths& paths, const ObjectId& pack) {
  return storage.SyncDir(paths.ObjectDir(ObjectKind::kPack, pack));
}

// One look into every trash folder; "true" when the pack is in objects/ afterwards.
Result<bool> TakeFromTrash(Storage& storage, const Paths& paths, const ObjectId& pack) {
  const std::string path = paths.Object(ObjectKind::kPack, pack);
  Result<std::vector<std::string>> folders = storage.List(paths.TrashDir());
  if (!folders.ok() && folders.status().code() != Code::kNotFound) return folders.status();
  if (folders.ok()) {
    for (const std::string& folder : *folders) {
      const std::optional<uint32_t> epoch = ParseEpoch(folder);
      if (!epoch || !storage.Exists(paths.Trashed(*epoch, pack))) continue;
      const Status moved = storage.Rename(paths.Trashed(*epoch, pack), path);
      if (moved.code() == Code::kNotFound) continue;
      STEMMA_RETURN_IF_ERROR(moved);
      STEMMA_RETURN_IF_ERROR(Sync(storage, paths, pack));
      return true;
    }
  }
  return storage.Exists(path);  // somebody else may have been faster
}

bool IsSomewhere(Storage& storage, const Paths& paths, const ObjectId& pack) {
  if (storage.Exists(paths.Object(ObjectKind::kPack, pack))) return true;
  Result<std::vector<std::string>> folders = storage.List(paths.TrashDir());
  if (!folders.ok()) return false;
  for (const std::string& folder : *folders) {
    const std::optional<uint32_t> epoch = ParseEpoch(folder);
    if (epoch && storage.Exists(paths.Trashed(*epoch, pack))) return true;
  }
  return false;
}

}  // namespace

Status Resurrect(Storage& storage, const Paths& paths, const ObjectId& pack) {
  for (int i = 0; i < kSearches; ++i) {
    STEMMA_ASSIGN_OR_RETURN(const bool there, TakeFromTrash(storage, paths, pack));
    if (there) return {};
  }
  return {Code::kNotFound, "pack " + paths.Object(ObjectKind::kPack, pack) + " is not there"};
}

Status StoreImpl::WhyPruned(const Record& record) const {
  STEMMA_ASSIGN_OR_RETURN(const auto pruned, MarkText(storage_, paths_, record.id, kPrunedKey));
  if (!pruned) return {};
  bool all = true;
  for (const PackRef& pack : record.packs) all = all && IsSomewhere(storage_, paths_, pack.pack);
  return {Code::kNotFound, NameOfState(record) + " was pruned " + *pruned +
                               (all ? "; its bytes are still there: `stemma prune --undo " +
                                          Hex(record.id).substr(0, 8) + "` brings it back"
                                    : "; its bytes are gone, its record and metrics stay")};
}

// A state's packs are all in objects/ nearly always: then this costs one stat each.
Status StoreImpl::EnsurePacks(const Record& record, IfPruned if_pruned) const {
  bool asked = false;
  for (const PackRef& pack : record.packs) {
    if (storage_.Exists(PackPath(pack.pack))) continue;
    if (if_pruned == IfPruned::kRefuse && !std::exchange(asked, true)) {
      STEMMA_RETURN_IF_ERROR(WhyPruned(record));
    }
    STEMMA_RETURN_IF_ERROR(Resurrect(storage_, paths_, pack.pack));
  }
  return {};
}

}  // namespace stemma::lineage::internal
