#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/settings_text.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

const char* KindName(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kPack:
      return "pack";
    case ObjectKind::kLayout:
      return "layout";
    case ObjectKind::kBlob:
      return "blob";
  }
  return "object";
}

Status CheckSize(Storage& storage, const std::string& path, uint64_t bytes) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t size, storage.SizeOf(path));
  if (size == bytes) return {};
  return {Code::kCorruption, path + ": " + std::to_string(size) + " bytes, expected " +
                                 std::to_string(bytes) + "; run fsck"};
}

Status CheckPresent(Storage& storage, const Paths& paths, ObjectKind kind, const ObjectId& id) {
  if (id.empty() || storage.Exists(paths.Object(kind, id))) return {};
  return {Code::kNotFound,
          std::string(KindName(kind)) + " " + paths.Object(kind, id) + " is not there"};
}

// Gives `bytes` the name `path`, in place of what has it.
Status PutUnder(Storage& storage, const std::string& temporary, const std::string& path,
                std::string_view bytes) {
  Status put = WriteSynced(storage, temporary, bytes);
  if (put.ok()) put = storage.Rename(temporary, path);
  if (!put.ok()) (void)storage.Remove(temporary);
  return put;
}

}  // namespace

Result<ObjectId> StoreImpl::PlaceObject(ObjectKind kind, std::string_view bytes) {
  const ObjectId id = Sha256(bytes);
  const std::string path = paths_.Object(kind, id);
  if (!storage_.Exists(path)) {
    const std::string temporary = paths_.TmpDir() + "/object-" + NewUlid();
    STEMMA_RETURN_IF_ERROR(PutUnder(storage_, temporary, path, bytes));
  }
  STEMMA_RETURN_IF_ERROR(CheckSize(storage_, path, bytes.size()));
  return id;
}

// The bytes are durable when this returns, whoever wrote them: an object that is there already may
// be a dead process's, renamed and not yet synced. A failed sync may have lost the name, and the
// next one would not say so: then the name is made anew, over the old one, which others may use.
Status StoreImpl::SyncObject(ObjectKind kind, const ObjectId& id, std::string_view bytes) {
  const std::string path = paths_.Object(kind, id);
  if (storage_.SyncDir(ParentOf(path)).ok()) return {};
  const std::string temporary = paths_.TmpDir() + "/object-" + NewUlid();
  STEMMA_RETURN_IF_ERROR(PutUnder(storage_, temporary, path, bytes));
  return storage_.SyncDir(ParentOf(path));
}

Result<ObjectId> StoreImpl::PutObject(ObjectKind kind, std::string_view bytes) {
  STEMMA_ASSIGN_OR_RETURN(const ObjectId id, PlaceObject(kind, bytes));
  STEMMA_RETURN_IF_ERROR(SyncObject(kind, id, bytes));
  return id;
}

Result<std::string> StoreImpl::GetObject(ObjectKind kind, const ObjectId& id) const {
  if (id.size() != kSha256Bytes) return Status(Code::kInvalidArgument, "an object id has 32 bytes");
  const std::string path = paths_.Object(kind, id);
  STEMMA_ASSIGN_OR_RETURN(std::string bytes, storage_.ReadBounded(path, kObjectMax));
  if (Sha256(bytes) == id) return bytes;
  return Status(Code::kCorruption, path + ": its content is not what its name says");
}

Result<ObjectId> StoreImpl::PutBlob(std::string_view bytes) {
  return PutObject(ObjectKind::kBlob, bytes);
}
Result<std::string> StoreImpl::GetBlob(const ObjectId& id) const {
  return GetObject(ObjectKind::kBlob, id);
}
Result<std::string> StoreImpl::GetSettings(const SettingsRef& settings) const {
  STEMMA_ASSIGN_OR_RETURN(std::string blob, GetBlob(settings.blob));
  if (settings.changes.empty()) return blob;
  Result<std::string> text = WithSettingChanges(blob, settings.changes);
  if (text.ok()) return text;
  return Status(text.status()).Within(paths_.Object(ObjectKind::kBlob, settings.blob));
}
Result<ObjectId> StoreImpl::PutLayout(std::string_view bytes) {
  return PutObject(ObjectKind::kLayout, bytes);
}
Result<std::string> StoreImpl::GetLayout(const ObjectId& id) const {
  return GetObject(ObjectKind::kLayout, id);
}

Status CheckObjects(Storage& storage, const Paths& paths, const Record& record) {
  for (const PackRef& pack : record.packs) {
    STEMMA_RETURN_IF_ERROR(
        CheckSize(storage, paths.Object(ObjectKind::kPack, pack.pack), pack.bytes));
  }
  STEMMA_RETURN_IF_ERROR(CheckPresent(storage, paths, ObjectKind::kLayout, record.layout));
  STEMMA_RETURN_IF_ERROR(CheckPresent(storage, paths, ObjectKind::kBlob, record.settings.blob));
  return CheckPresent(storage, paths, ObjectKind::kBlob, record.environment);
}

}  // namespace stemma::lineage::internal
