#include "lineage/repair/sweep.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "core/text.h"
#include "lineage/names.h"
#include "lineage/retention.h"

namespace stemma::lineage {
namespace {

std::vector<std::string> NamesIn(Storage& storage, const std::string& dir) {
  Result<std::vector<std::string>> names = storage.List(dir);
  return names.ok() ? *std::move(names) : std::vector<std::string>();
}

bool IsEmptyFolder(Storage& storage, const std::string& path) {
  const Result<std::vector<std::string>> names = storage.List(path);
  return names.ok() && names->empty();
}

// "object-01ARZ3...": on its way to a rename.
bool IsUnderWay(std::string_view name) {
  if (name.size() < kUlidText + 2 || name[name.size() - kUlidText - 1] != '-') return false;
  return IsUlid(name.substr(name.size() - kUlidText));
}

class Finder {
 public:
  Finder(const Store& store, const Survey* survey, double stale_s, const std::set<ObjectId>& keep)
      : storage_(store.storage()),
        paths_(store.path()),
        probe_(storage_, paths_),
        survey_(survey),
        stale_s_(stale_s),
        keep_(keep) {}

  std::vector<Leftover> Find() {
    for (const std::string& name : NamesIn(storage_, paths_.TmpDir())) {
      const std::string what = WhatIs(name);
      if (!what.empty()) Add(paths_.TmpDir() + "/" + name, what);
    }
    for (const std::string& name : NamesIn(storage_, paths_.NamesDir())) {
      if (IsName(name)) AddClaim(paths_.NameDir(name), "name '" + name + "' without a run");
    }
    for (const std::string& tag : NamesIn(storage_, paths_.TagsDir())) {
      if (!IsName(tag)) continue;
      for (const std::string& version : NamesIn(storage_, paths_.TagDir(tag))) {
        if (const auto number = ParseTagVersion(version)) {
          AddClaim(paths_.TagVersionDir(tag, *number),
                   "version of tag '" + tag + "' without target");
        }
      }
    }
    return std::move(found_);
  }

 private:
  // "" for what may be needed.
  std::string WhatIs(const std::string& name) const {
    if (const auto folder = ParseTmp(name)) {
      if (survey_ == nullptr) return "";
      const auto facts =
          survey_->incarnations.find(IncarnationKey(folder->run, folder->incarnation));
      if (facts == survey_->incarnations.end()) return "";
      const bool over =
          facts->second.closed || !facts->second.next.empty() || !facts->second.dead.empty();
      return over ? "temporary files of an incarnation that is over" : "";
    }
    if (const auto pack = ParseAside(name)) {
      return keep_.count(*pack) ? "" : "copy of a pack that was mended since";
    }
    return IsUnderWay(name) ? "temporary file" : "";
  }

  void AddClaim(const std::string& path, const std::string& what) {
    if (IsEmptyFolder(storage_, path)) Add(path, what);
  }

  // A folder is as old as what changed last in it.
  void Add(const std::string& path, const std::string& what) {
    std::optional<double> age = probe_.Seconds(path);
    for (const std::string& file : NamesIn(storage_, path)) {
      const std::optional<double> one = probe_.Seconds(path + "/" + file);
      if (one && age) age = std::min(*age, *one);
    }
    if (!age || *age < stale_s_) return;
    found_.push_back({path, what + ", untouched for " + HumanDuration(*age)});
  }

  Storage& storage_;
  const Paths paths_;
  AgeProbe probe_;
  const Survey* const survey_;
  const double stale_s_;
  const std::set<ObjectId>& keep_;
  std::vector<Leftover> found_;
};

}  // namespace

std::vector<Leftover> FindLeftovers(const Store& store, const Survey* survey, double stale_s,
                                    const std::set<ObjectId>& keep) {
  return Finder(store, survey, stale_s, keep).Find();
}

// A folder in tmp/ holds files only. One that has got content since cannot be removed.
Status Sweep(const Store& store, const Leftover& leftover) {
  Storage& storage = store.storage();
  const bool in_tmp = ParentOf(leftover.path) == Paths(store.path()).TmpDir();
  if (in_tmp) {
    for (const std::string& file : NamesIn(storage, leftover.path)) {
      const Status removed = storage.Remove(leftover.path + "/" + file);
      if (removed.code() != Code::kNotFound) STEMMA_RETURN_IF_ERROR(removed);
    }
  }
  Status removed = storage.Remove(leftover.path);
  return removed.code() == Code::kNotFound ? Status() : removed;
}

}  // namespace stemma::lineage
