// What the verbs share that begin a run at existing states (fork, reshape, shuffle, slice, ...):
// its settings, the command that goes on from it, and what they print.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "tools/cli/flags.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

enum class SetRules {
  kFork,  // what a fork may change, see fork_rules.h
  kAny,   // the verb says itself what it changes
};

struct NewSettings {
  std::string toml;     // resolved
  std::string changes;  // "optim.lr 1.6 -> 3.2", "nothing changed"; without run.name
};

// The parent's settings under the new run's name and with `sets` ("key=value") applied, held
// against the full list. kInvalidArgument when the parent has none, as imported states.
Result<NewSettings> SettingsFor(const lineage::Store& store, const lineage::Record& parent,
                                const std::string& name, const std::vector<std::string>& sets,
                                SetRules rules);

// The same as a blob; empty where the parent has no settings and nothing is to be set.
Result<lineage::ObjectId> PutSettingsFor(lineage::Store& store, const lineage::Record& parent,
                                         const std::string& name,
                                         const std::vector<std::string>& sets);

// "mpirun -n 4 stemma train --run NAME --store DIR".
std::string TrainLine(uint32_t ranks, const std::string& name, const std::string& path);

// The flags and the answer that these verbs have in common.
struct NewRunFlags {
  std::string path, name;
  bool quiet = false, json = false;

  void AddTo(Flags* flags);  // --name, --quiet, --json, --store
  Status CheckName() const;  // a name was given
  // The id alone, JSON, or `text` with the id below it and then `more`, which may be empty.
  Status Print(const lineage::Store& store, const lineage::StateId& id, const std::string& text,
               const std::string& more) const;
};

}  // namespace stemma::cli
