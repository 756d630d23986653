#include "tests/crash/stale_storage.h"

#include <algorithm>

#include "lineage/names.h"

namespace stemma::tests {
namespace {

Status Missing(const std::string& call, const std::string& path) {
  return {Code::kNotFound, call + " " + path + ": No such file or directory"};
}

}  // namespace

void StaleStorage::Warm(const std::string& path) {
  if (!Look(path).there || Look(path).size_status.ok()) return;
  const Result<std::vector<std::string>> names = List(path);
  if (!names.ok()) return;
  for (const std::string& name : *names) Warm(path + "/" + name);
}

StaleStorage::Seen StaleStorage::Ask(const std::string& path) {
  Seen seen;
  seen.at = now_();
  seen.there = base_.Exists(path);
  if (!seen.there) return seen;
  const Result<uint64_t> bytes = base_.SizeOf(path);
  seen.size_status = bytes.status();
  if (bytes.ok()) seen.bytes = *bytes;
  const Result<int64_t> modified = base_.ModifiedMs(path);
  if (modified.ok()) seen.modified_ms = *modified;
  return seen;
}

const StaleStorage::Seen& StaleStorage::Look(const std::string& path) {
  const auto found = seen_.find(path);
  if (found != seen_.end() && now_() - found->second.at <= age_s_) {
    stale_ += found->second.there == base_.Exists(path) ? 0 : 1;
    return found->second;
  }
  return seen_[path] = Ask(path);
}

void StaleStorage::Forget(const std::string& path) {
  const std::string below = path + "/";
  const auto gone = [&](const std::string& one) {
    return one == path || one.compare(0, below.size(), below) == 0;
  };
  for (auto at = seen_.begin(); at != seen_.end();) {
    at = gone(at->first) ? seen_.erase(at) : std::next(at);
  }
  for (auto at = listings_.begin(); at != listings_.end();) {
    at = gone(at->first) ? listings_.erase(at) : std::next(at);
  }
}

void StaleStorage::Known(const std::string& path, bool there) {
  Forget(path);
  seen_[path] = Ask(path);
  const auto listing = listings_.find(lineage::ParentOf(path));
  if (listing == listings_.end()) return;
  std::vector<std::string>& names = listing->second.names;
  const std::string name = lineage::BaseOf(path);
  const auto at = std::lower_bound(names.begin(), names.end(), name);
  const bool listed = at != names.end() && *at == name;
  if (there && !listed) names.insert(at, name);
  if (!there && listed) names.erase(at);
}

bool StaleStorage::Resend(const char* call) {
  if (resend_ <= 0 || --resend_ > 0) return false;
  resent_ = call;
  return true;
}

Status StaleStorage::KnownAbsent(const char* call, const std::string& path) {
  return Look(path).there ? Status() : Missing(call, path);
}

// What is made is written through: the writer's own size is asked for anew.
Result<std::unique_ptr<lineage::WritableFile>> StaleStorage::Create(
    const std::string& path, const lineage::WriteOptions& options) {
  STEMMA_ASSIGN_OR_RETURN(auto file, base_.Create(path, options));
  Known(path, true);
  seen_.erase(path);
  return file;
}

Result<std::string> StaleStorage::ReadAll(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(KnownAbsent("open", path));
  Known(path, base_.Exists(path));  // opening looks at the server
  return base_.ReadAll(path);
}

Result<std::string> StaleStorage::ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) {
  STEMMA_RETURN_IF_ERROR(KnownAbsent("open", path));
  Known(path, base_.Exists(path));
  return base_.ReadAt(path, offset, bytes);
}

Result<uint64_t> StaleStorage::SizeOf(const std::string& path) {
  const Seen& seen = Look(path);
  if (!seen.there) return Missing("stat", path);
  STEMMA_RETURN_IF_ERROR(seen.size_status);
  return seen.bytes;
}

Result<int64_t> StaleStorage::ModifiedMs(const std::string& path) {
  const Seen& seen = Look(path);
  if (!seen.there) return Missing("stat", path);
  return seen.modified_ms;
}

Result<std::vector<std::string>> StaleStorage::List(const std::string& dir) {
  const auto found = listings_.find(dir);
  if (found != listings_.end() && now_() - found->second.at <= age_s_) return found->second.names;
  if (found != listings_.end()) listings_.erase(found);
  STEMMA_RETURN_IF_ERROR(KnownAbsent("opendir", dir));
  STEMMA_ASSIGN_OR_RETURN(std::vector<std::string> names, base_.List(dir));
  listings_[dir] = {now_(), names};
  return names;
}

Status StaleStorage::MakeDir(const std::string& path) {
  Status made = base_.MakeDir(path);
  if (made.ok() && Resend("mkdir")) made = base_.MakeDir(path);
  if (base_.Exists(path)) Known(path, true);
  return made;
}

Status StaleStorage::Rename(const std::string& from, const std::string& to) {
  STEMMA_RETURN_IF_ERROR(KnownAbsent("rename", from));
  Status renamed = base_.Rename(from, to);
  if (renamed.ok() && Resend("rename")) renamed = base_.Rename(from, to);
  if (!base_.Exists(from)) Known(from, false);
  if (renamed.ok()) Known(to, true);
  return renamed;
}

Status StaleStorage::Remove(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(KnownAbsent("remove", path));
  Status removed = base_.Remove(path);
  if (removed.ok() && Resend("remove")) removed = base_.Remove(path);
  if (!base_.Exists(path)) Known(path, false);
  return removed;
}

}  // namespace stemma::tests
