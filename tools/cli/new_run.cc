#include "tools/cli/new_run.h"

#include "core/bytes.h"
#include "core/settings.h"
#include "lineage/graph.h"
#include "models/train/settings.h"
#include "models/train/stored_settings.h"
#include "tools/cli/fork_rules.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {

using lineage::Record;

Result<NewSettings> SettingsFor(const lineage::Store& store, const Record& parent,
                                const std::string& name, const std::vector<std::string>& sets,
                                SetRules rules) {
  if (parent.settings.empty()) {
    return Status(Code::kInvalidArgument,
                  lineage::NameOfState(parent) +
                      " was stored without settings, as imported states are: there is nothing to "
                      "change, and no training could go on from it");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string before, store.GetSettings(parent.settings));
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(before, "settings of " + lineage::NameOfState(parent)));
  const optim::OptimSettings optim_before = settings.optim;
  for (const std::string& assignment : sets) {
    const std::string key = assignment.substr(0, assignment.find('='));
    const bool asked = rules == SetRules::kFork && list.Find(key) != nullptr;
    const std::string why = asked ? WhyNotAtFork(key) : "";
    if (!why.empty()) {
      return Status(Code::kInvalidArgument, key + " cannot change at a fork: it " + why);
    }
    STEMMA_RETURN_IF_ERROR(list.Set(assignment));
  }
  if (rules == SetRules::kFork) {
    const std::string why = WhyNotThatState(optim_before, settings.optim);
    if (!why.empty()) return Status(Code::kInvalidArgument, why);
  }
  STEMMA_RETURN_IF_ERROR(list.Set("run.name=" + name, "--name"));
  NewSettings made;
  made.toml = models::ResolvedSettings(list);
  STEMMA_ASSIGN_OR_RETURN(const auto changes, models::SettingChanges(before, made.toml));
  for (const SettingChange& change : changes) {
    if (change.key == "run.name") continue;
    made.changes += (made.changes.empty() ? "" : ", ") + change.key + " " +
                    (change.from.empty() ? "(absent)" : change.from) + " -> " + change.to;
  }
  if (made.changes.empty()) made.changes = "nothing changed";
  return made;
}

Result<lineage::ObjectId> PutSettingsFor(lineage::Store& store, const Record& parent,
                                         const std::string& name,
                                         const std::vector<std::string>& sets) {
  if (parent.settings.empty() && sets.empty()) return lineage::ObjectId();
  STEMMA_ASSIGN_OR_RETURN(const NewSettings made,
                          SettingsFor(store, parent, name, sets, SetRules::kAny));
  return store.PutBlob(made.toml);
}

std::string TrainLine(uint32_t ranks, const std::string& name, const std::string& path) {
  std::string line = "stemma train --run " + name;
  if (path != "stemma-store") line += " --store " + path;
  return ranks == 1 ? line : "mpirun -n " + std::to_string(ranks) + " " + line;
}

void NewRunFlags::AddTo(Flags* flags) {
  flags->Text("name", &name, "NAME", "the new run's name");
  flags->Switch("quiet", &quiet, "print the new state's id and nothing else");
  flags->Switch("json", &json, "print the new state as JSON");
  AddStoreFlag(flags, &path);
}

Status NewRunFlags::CheckName() const {
  if (!name.empty()) return {};
  return {Code::kInvalidArgument, "the new run needs a name: --name=NAME"};
}

Status NewRunFlags::Print(const lineage::Store& store, const lineage::StateId& id,
                          const std::string& text, const std::string& more) const {
  if (quiet) {
    cli::Print(Hex(id) + "\n");
  } else if (json) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
    cli::Print(StateLine(graph, graph.states.at(id)));
  } else {
    cli::Print(text + "\nstate  " + Hex(id) + "\n" + more);
  }
  return {};
}

}  // namespace stemma::cli
