#include "lineage/index_cache.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/log.h"
#include "lineage/index_build.h"
#include "lineage/index_file.h"
#include "lineage/log.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

using internal::Copies;
using internal::FileCopies;
using internal::IndexFile;
using internal::SegmentFile;
using internal::StoreFiles;

constexpr size_t kNameBytes = 16;  // of the digest that names the file

// One place has one name, however it was reached.
std::string RealPath(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) != nullptr ? real : path;
}

struct NamedTag {
  std::string name;
  uint32_t version = 0;
  StateId target;
};

Result<std::vector<NamedTag>> ReadTags(Storage& storage, const Paths& paths) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(paths.TagsDir()));
  std::vector<NamedTag> tags;
  for (const std::string& name : names) {
    if (!IsName(name)) continue;
    STEMMA_ASSIGN_OR_RETURN(const internal::TagVersions versions,
                            internal::ReadTag(storage, paths, name, true));
    if (versions.valid.empty() || versions.valid.back().target.empty()) continue;
    tags.push_back({name, versions.valid.back().version, versions.valid.back().target});
  }
  return tags;
}

Index WithTags(Index index, const std::vector<NamedTag>& tags) {
  index.tags.clear();
  for (const NamedTag& tag : tags) {
    index.tags.push_back({tag.name, index.Find(tag.target), tag.version});
  }
  return index;
}

// What followed the last whole frame of a torn file may have been completed in place.
bool TornAreTheSame(Storage& storage, const Copies& torn) {
  for (const auto& [path, copy] : torn) {
    const Result<std::string> now = storage.ReadBounded(path, kSegmentReadMax);
    if (!now.ok() || Xxh128(*now) != copy.digest) return false;
  }
  return true;
}

Status MakeFolders(Storage& storage, const std::string& path) {
  if (path.empty() || storage.Exists(path)) return {};
  const std::string parent = ParentOf(path);
  if (parent != path) STEMMA_RETURN_IF_ERROR(MakeFolders(storage, parent));
  return internal::MakeDirIfMissing(storage, path);
}

// Files that a process which is gone had begun. One of a living process in another container may be
// hit: its rename fails, and it says so.
void SweepAside(Storage& storage, const std::string& dir) {
  const Result<std::vector<std::string>> names = storage.List(dir);
  if (!names.ok()) return;
  constexpr std::string_view kAside = ".tmp", kIndex = ".index.";
  for (const std::string& name : *names) {
    const size_t at = name.find(kIndex);
    if (at == std::string::npos || name.size() < kAside.size()) continue;
    if (name.compare(name.size() - kAside.size(), kAside.size(), kAside) != 0) continue;
    const long pid = std::strtol(name.c_str() + at + kIndex.size(), nullptr, 10);
    if (pid <= 0 || pid > INT_MAX) continue;
    if (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) continue;
    (void)storage.Remove(dir + "/" + name);
  }
}

// Caches of stores that are gone: not there for a day, since another machine that shares this
// folder may see them. A few files each time, from anywhere on, so that all have their turn.
void SweepGone(Storage& storage, const std::string& dir, const std::string& just_written) {
  constexpr size_t kFilesLookedAt = 16;
  constexpr int64_t kGoneForMs = int64_t{24} * 3600 * 1000;
  constexpr std::string_view kIndex = ".index";
  const Result<std::vector<std::string>> names = storage.List(dir);
  const Result<int64_t> now = storage.ModifiedMs(just_written);
  if (!names.ok() || !now.ok() || names->empty()) return;
  const size_t from = std::hash<std::string>()(NewUlid()) % names->size();
  for (size_t i = 0; i < std::min(names->size(), kFilesLookedAt); ++i) {
    const std::string& name = (*names)[(from + i) % names->size()];
    const bool index = name.size() > kIndex.size() &&
                       name.compare(name.size() - kIndex.size(), kIndex.size(), kIndex) == 0;
    const std::string path = dir + "/" + name;
    if (!index || path == just_written) continue;
    const Result<int64_t> then = storage.ModifiedMs(path);
    if (!then.ok() || *now - *then < kGoneForMs) continue;
    const Result<std::string> store = internal::StoreOfIndexFile(storage, path);
    const bool gone = store.ok() ? !storage.Exists(Paths(*store).Format())
                                 : store.status().code() == Code::kIncompatible;
    if (gone) (void)storage.Remove(path);
  }
}

class Loading {
 public:
  Loading(const Store& store, const std::string& dir)
      : store_(store), storage_(store.storage()), paths_(store.path()), dir_(dir) {
    if (!dir_.empty()) path_ = IndexCachePath(store, dir_);
  }

  Result<Index> Run() {
    // Tags before logs: what they name was durable before them, so a log read later has it.
    STEMMA_ASSIGN_OR_RETURN(const std::vector<NamedTag> tags, ReadTags(storage_, paths_));
    std::optional<IndexFile> old = Open();
    internal::KnownRuns known;
    size_t columns = 0;
    if (old) {
      for (const internal::RunFiles& run : old->files.runs) known[run.name] = run.ulid;
      columns = old->columns.size();
    }
    std::atomic<bool> whole{true};
    const auto check = [&](size_t i) {
      if (!internal::CheckColumn(old->columns[i])) whole = false;
    };
    STEMMA_ASSIGN_OR_RETURN(StoreFiles files,
                            internal::FindFiles(storage_, paths_, known, columns, check));
    if (old && (!whole || !internal::CheckRows(old->index))) {
      Discard("a column is damaged");
      old.reset();
    }
    if (old && SameFiles(old->files, files) && TornAreTheSame(storage_, old->torn)) {
      return WithTags(std::move(old->index), tags);
    }
    return WithTags(Rebuild(old ? &*old : nullptr, &files), tags);
  }

 private:
  std::optional<IndexFile> Open() {
    if (path_.empty()) return std::nullopt;
    Result<IndexFile> file = internal::OpenIndexFile(storage_, path_, RealPath(store_.path()));
    if (file.ok()) return *std::move(file);
    if (file.status().code() != Code::kNotFound) Discard(file.status().message());
    return std::nullopt;
  }

  void Discard(const std::string& why) {
    LogDebug("index cache made anew", {{"path", path_}, {"why", why}});
    (void)storage_.Remove(path_);
  }

  Index Rebuild(const IndexFile* old, StoreFiles* files) {
    const Copies none;
    if (old != nullptr) {
      internal::ForEachSegment(files, [&](SegmentFile* file) {
        if (old->torn.count(file->path)) file->torn = true;  // read it again
      });
    }
    FileCopies copies(store_, old != nullptr ? old->copies : none);
    Index index = internal::BuildIndex(paths_, &copies, files);
    if (!path_.empty() && !copies.doubt() && !HasFault(*files)) Write(*files, index, copies.Kept());
    return index;
  }

  static bool HasFault(const StoreFiles& files) {
    for (const internal::RunFiles& run : files.runs) {
      if (!run.fault.empty()) return true;
      for (const internal::IncarnationFiles& incarnation : run.incarnations) {
        if (!incarnation.fault.empty()) return true;
      }
    }
    return false;
  }

  void Write(const StoreFiles& files, const Index& index, const Copies& kept) {
    Status done = MakeFolders(storage_, dir_);
    if (done.ok()) {
      SweepAside(storage_, dir_);
      done = internal::WriteIndexFile(storage_, path_, RealPath(store_.path()), files, index, kept);
    }
    if (done.ok()) return SweepGone(storage_, dir_, path_);
    LogDebug(
        "the index cache cannot be written, so the next question takes as long again; set "
        "STEMMA_CACHE to a folder of this machine",
        {{"why", done.message()}});
  }

  const Store& store_;
  Storage& storage_;
  const Paths paths_;
  const std::string dir_;
  std::string path_;  // "": no file
};

const char* Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

Result<Index> LoadIndex(const Store& store, const std::string& cache_dir) {
  return Loading(store, cache_dir).Run();
}

std::string IndexCacheDir() {
  if (const char* const dir = Variable("STEMMA_CACHE")) return dir;
  if (const char* const dir = Variable("XDG_CACHE_HOME")) return std::string(dir) + "/stemma";
  if (const char* const dir = Variable("HOME")) return std::string(dir) + "/.cache/stemma";
  if (const char* const dir = Variable("TMPDIR")) {
    return std::string(dir) + "/stemma-" + std::to_string(getuid());
  }
  return "";
}

std::string IndexCachePath(const Store& store, const std::string& cache_dir) {
  const std::string name = Sha256(RealPath(store.path())).substr(0, kNameBytes);
  return cache_dir + "/" + Hex(name) + ".index";
}

}  // namespace stemma::lineage
