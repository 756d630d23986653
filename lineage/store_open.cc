#include <algorithm>
#include <set>

#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace internal {

int64_t WallMs() {
  timeval now{};
  gettimeofday(&now, nullptr);
  return int64_t{now.tv_sec} * 1000 + now.tv_usec / 1000;
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "?";
}

Status MakeDirIfMissing(Storage& storage, const std::string& path) {
  Status made = storage.MakeDir(path);
  if (made.code() == Code::kInvalidArgument) return {};
  return made;
}

void RemoveFolderQuietly(Storage& storage, const std::string& folder) {
  Result<std::vector<std::string>> files = storage.List(folder);
  if (!files.ok()) return;
  for (const std::string& file : *files) (void)storage.Remove(folder + "/" + file);
  (void)storage.Remove(folder);
}

Result<Claim> Claim::Prepare(Storage& storage, const Paths& paths, const std::string& file,
                             std::string_view bytes) {
  Claim claim(storage);
  const std::string temporary = paths.TmpDir() + "/claim-" + NewUlid();
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage, temporary));
  claim.temporary_ = temporary;
  claim.file_ = file;
  claim.bytes_ = std::string(bytes);
  STEMMA_ASSIGN_OR_RETURN(claim.open_, storage.Create(temporary + "/" + file, {}));
  STEMMA_RETURN_IF_ERROR(claim.open_->Append(bytes));
  claim.open_->StartSync();
  return claim;
}

Claim::~Claim() {
  if (!temporary_.empty()) RemoveFolderQuietly(*storage_, temporary_);
}

Status Claim::Sync() {
  STEMMA_RETURN_IF_ERROR(open_->Sync());
  STEMMA_RETURN_IF_ERROR(std::exchange(open_, nullptr)->Close());
  return storage_->SyncDir(temporary_);
}

Status Claim::Publish(const std::string& folder) {
  const Status renamed = storage_->Rename(temporary_, folder);
  if (!renamed.ok()) {
    Result<std::string> there = storage_->ReadBounded(folder + "/" + file_, kSmallFileMax);
    if (!there.ok() || *there != bytes_) {
      if (!storage_->Exists(folder + "/" + file_)) return renamed;
      return {Code::kInvalidArgument, folder + " exists"};
    }
  }
  temporary_.clear();
  return storage_->SyncDir(ParentOf(folder));
}

Status ClaimFolder(Storage& storage, const Paths& paths, const std::string& folder,
                   const std::string& file, std::string_view bytes) {
  STEMMA_ASSIGN_OR_RETURN(Claim claim, Claim::Prepare(storage, paths, file, bytes));
  STEMMA_RETURN_IF_ERROR(claim.Sync());
  return claim.Publish(folder);
}

namespace {

constexpr char kMagicLine[] = "stemma store 1";

Status CheckFormat(Storage& storage, const Paths& paths) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text,
                          storage.ReadBounded(paths.Format(), kSmallFileMax));
  const std::string line = text.substr(0, text.find('\n'));
  if (line == kMagicLine) return {};
  if (line.rfind("stemma store ", 0) == 0) {
    return {Code::kIncompatible, paths.root() + " is a '" + line +
                                     "', made by a newer program; this one reads version 1"};
  }
  return {Code::kCorruption, paths.Format() + " does not begin with '" + kMagicLine + "'"};
}

// Whether somebody else has made the store since we looked, or a network file system had not shown
// it. A folder that creation began and did not finish holds nothing but our own folders.
Result<bool> IsMade(Storage& storage, const Paths& paths) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(paths.root()));
  if (std::find(names.begin(), names.end(), BaseOf(paths.Format())) != names.end()) {
    STEMMA_RETURN_IF_ERROR(CheckFormat(storage, paths));
    return true;
  }
  std::set<std::string> ours;
  for (const std::string& dir : paths.AllDirs()) {
    ours.insert(dir.substr(paths.root().size() + 1)
                    .substr(0, dir.find('/', paths.root().size() + 1) - paths.root().size() - 1));
  }
  for (const std::string& name : names) {
    if (ours.count(name)) continue;
    return Status(Code::kInvalidArgument, paths.root() + " is no store and not empty ('" + name +
                                              "' is in it): give the path of a new folder");
  }
  return false;
}

Status MakeWithParents(Storage& storage, const std::string& path) {
  if (path.empty() || storage.Exists(path)) return {};
  const std::string parent = ParentOf(path);
  if (parent != path) STEMMA_RETURN_IF_ERROR(MakeWithParents(storage, parent));
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage, path));
  return storage.SyncDir(parent.empty() ? "." : parent);
}

Status MakeDirs(Storage& storage, const Paths& paths) {
  std::set<std::string> parents = {paths.root()};
  for (const std::string& dir : paths.AllDirs()) {
    STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage, dir));
    parents.insert(ParentOf(dir));
  }
  for (const std::string& parent : parents) STEMMA_RETURN_IF_ERROR(storage.SyncDir(parent));
  return {};
}

// Everything else rests on this: a file made in tmp/ can be renamed into objects/ durably.
Status ProbeRename(Storage& storage, const Paths& paths) {
  const std::string name = "probe-" + NewUlid();
  const std::string from = paths.TmpDir() + "/" + name;
  const std::string dir = paths.ObjectDirs(ObjectKind::kPack).front();
  STEMMA_RETURN_IF_ERROR(WriteDurable(storage, from, "probe"));
  Status moved = storage.Rename(from, dir + "/" + name);
  if (!moved.ok()) {
    (void)storage.Remove(from);
    return std::move(moved).Within("no store can be at " + paths.root() +
                                   ": files cannot be renamed from its tmp/ to its objects/");
  }
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(dir));
  return storage.Remove(dir + "/" + name);
}

bool ProbeDirect(Storage& storage, const Paths& paths) {
  const std::string path = paths.TmpDir() + "/direct-" + NewUlid();
  WriteOptions options;
  options.direct = options.direct_required = true;
  alignas(4096) static const char block[4096] = {};
  Result<std::unique_ptr<WritableFile>> file = storage.Create(path, options);
  bool works = file.ok();
  if (works) works = (*file)->Append({block, sizeof block}).ok() && (*file)->Close().ok();
  (void)storage.Remove(path);
  return works;
}

// Last: what makes the folder a store. Two makers at once write the same.
Status WriteFormat(Storage& storage, const Paths& paths) {
  const std::string temporary = paths.TmpDir() + "/format-" + NewUlid();
  const std::string text = std::string(kMagicLine) + "\nrename yes\ndirect_io " +
                           (ProbeDirect(storage, paths) ? "yes" : "no") + "\n";
  STEMMA_RETURN_IF_ERROR(WriteDurable(storage, temporary, text));
  STEMMA_RETURN_IF_ERROR(storage.Rename(temporary, paths.Format()));
  return storage.SyncDir(paths.root());
}

Status CreateStore(Storage& storage, const Paths& paths) {
  STEMMA_RETURN_IF_ERROR(MakeWithParents(storage, paths.root()));
  STEMMA_ASSIGN_OR_RETURN(const bool made, IsMade(storage, paths));
  if (made) return {};
  STEMMA_RETURN_IF_ERROR(MakeDirs(storage, paths));
  STEMMA_RETURN_IF_ERROR(ProbeRename(storage, paths));
  return WriteFormat(storage, paths);
}

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace
}  // namespace internal

Result<std::unique_ptr<Store>> Store::Open(const std::string& path, bool create, Storage& storage) {
  if (path.empty()) return Status(Code::kInvalidArgument, "the store's path is empty");
  const std::string root = internal::WithoutSlashes(path);
  const Paths paths(root);
  if (storage.Exists(paths.Format())) {
    STEMMA_RETURN_IF_ERROR(internal::CheckFormat(storage, paths));
  } else if (create) {
    STEMMA_RETURN_IF_ERROR(internal::CreateStore(storage, paths).Within("make the store " + root));
  } else {
    return Status(Code::kNotFound,
                  "there is no store at '" + root + "' (no file 'format'); check lineage.store");
  }
  return std::unique_ptr<Store>(std::make_unique<internal::StoreImpl>(root, storage));
}

}  // namespace stemma::lineage
