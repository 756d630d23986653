#include "tools/cli/fork_run.h"

#include "lineage/graph.h"
#include "lineage/names.h"
#include "lineage/storage.h"
#include "tools/cli/new_run.h"

namespace stemma::cli {
namespace {

using lineage::Record;

constexpr size_t kLostClaimsMax = 1000;  // names that others may take while one is looked for

}  // namespace

Result<MadeFork> MakeFork(const OpenedStore& opened, const Record& parent, const std::string& name,
                          const std::vector<std::string>& sets) {
  STEMMA_ASSIGN_OR_RETURN(const NewSettings forked,
                          SettingsFor(*opened.store, parent, name, sets, SetRules::kFork));
  Record change;
  change.attributes["fork.set"] = forked.changes;
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::StateId id,
      opened.store->ForkWithSettings(opened.graph, parent.id, name, change, forked.toml));
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
