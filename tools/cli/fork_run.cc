#include "tools/cli/fork_run.h"

#include "core/settings.h"
#include "lineage/graph.h"
#include "lineage/names.h"
#include "lineage/storage.h"
#include "models/train/settings.h"
#include "tools/cli/fork_rules.h"

namespace stemma::cli {
namespace {

using lineage::Record;

constexpr size_t kLostClaimsMax = 1000;  // names that others may take while one is looked for

struct Forked {
  std::string settings;  // resolved, as TOML
  std::string changes;   // "optim.lr 1.6 -> 3.2", "nothing changed"
};

// The parent's settings with the wanted ones changed, checked against the full list.
Result<Forked> ChangedSettings(const lineage::Store& store, const Record& parent,
                               const std::string& name, const std::vector<std::string>& sets) {
  if (parent.settings.empty()) {
    return Status(Code::kInvalidArgument,
                  lineage::NameOfState(parent) +
                      " was stored without settings, as imported states are: there is nothing to "
                      "change, and no training could go on from it");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string before, store.GetBlob(parent.settings));
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(before, "settings of " + lineage::NameOfState(parent)));
  for (const std::string& assignment : sets) {
    const std::string key = assignment.substr(0, assignment.find('='));
    const std::string why = list.Find(key) ? WhyNotAtFork(key) : "";
    if (!why.empty()) {
      return Status(Code::kInvalidArgument, key + " cannot change at a fork: it " + why);
    }
    STEMMA_RETURN_IF_ERROR(list.Set(assignment));
  }
  STEMMA_RETURN_IF_ERROR(list.Set("run.name=" + name, "--name"));
  Forked forked;
  forked.settings = list.ToToml();
  STEMMA_ASSIGN_OR_RETURN(const auto changes, DiffSettings(before, forked.settings));
  for (const SettingChange& change : changes) {
    if (change.key == "run.name") continue;
    forked.changes += (forked.changes.empty() ? "" : ", ") + change.key + " " +
                      (change.from.empty() ? "(absent)" : change.from) + " -> " + change.to;
  }
  if (forked.changes.empty()) forked.changes = "nothing changed";
  return forked;
}

}  // namespace

Result<MadeFork> MakeFork(const OpenedStore& opened, const Record& parent, const std::string& name,
                          const std::vector<std::string>& sets) {
  STEMMA_ASSIGN_OR_RETURN(const Forked forked, ChangedSettings(*opened.store, parent, name, sets));
  Record change;
  change.attributes["fork.set"] = forked.changes;
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::StateId id,
      opened.store->ForkWithSettings(opened.graph, parent.id, name, change, forked.settings));
  return MadeFork{id, name, forked.changes};
}

// The store gives a name to one claimant only. A name that the graph does not hold may still be
// taken, by somebody who forks at this moment: then the next one is tried.
Result<MadeFork> MakeForkWithOwnName(const OpenedStore& opened, const Record& parent,
                                     const std::string& suffix,
                                     const std::vector<std::string>& sets) {
  const lineage::Paths paths(opened.store->path());
  const size_t last = opened.graph.runs.size() + kLostClaimsMax;
  for (size_t i = 1; i <= last; ++i) {
    const std::string name = parent.run_name + suffix + std::to_string(i);
    if (!lineage::IsName(name)) {
      return Status(Code::kInvalidArgument,
                    "the fork's name would be too long, " + name + ": give one with --name=NAME");
    }
    if (opened.graph.runs.count(name) > 0) continue;
    Result<MadeFork> made = MakeFork(opened, parent, name, sets);
    const bool lost = made.status().code() == Code::kInvalidArgument &&
                      opened.store->storage().Exists(paths.NameRunFile(name));
    if (!lost) return made;
  }
  return Status(Code::kInvalidArgument, "no name " + parent.run_name + suffix + "1 to " + suffix +
                                            std::to_string(last) +
                                            " is free: give one with --name=NAME");
}

}  // namespace stemma::cli
