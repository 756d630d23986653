#include "core/bytes.h"
#include "core/settings.h"
#include "lineage/graph.h"
#include "models/train/settings.h"
#include "tools/cli/fork_rules.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Record;

constexpr char kNotes[] =
    "Writes one record and no payload: the fork shares its parent's bytes. Everything but run.*,\n"
    "aigw.*, optim.name, train.seed and train.global_batch may change; `stemma train --help` "
    "lists\n"
    "the settings.\n"
    "\n"
    "Examples\n"
    "  stemma fork r50@12000 --name hot --set optim.lr=3.2\n"
    "  stemma fork tag:best --name long --set train.length=120ep\n"
    "  id=$(stemma fork r50@ --name trial7 --set optim.lr=0.4 --quiet)\n";

struct Forked {
  std::string settings;  // resolved, as TOML
  std::string changes;   // "optim.lr 1.6 -> 3.2", "nothing changed"
};

// The parent's settings with the wanted ones changed, checked against the full list.
Result<Forked> ChangedSettings(const lineage::Store& store, const Record& parent,
                               const std::string& name, const std::vector<std::string>& sets) {
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

std::string StartLine(const Record& parent, const std::string& name, const std::string& path) {
  std::string line = "stemma train --run " + name;
  if (path != "stemma-store") line += " --store " + path;
  if (parent.world == 1) return line;
  return "mpirun -n " + std::to_string(parent.world) + " " + line;
}

}  // namespace

Result<int> RunFork(const Arguments& arguments) {
  std::string path, state, name;
  std::vector<std::string> sets;
  bool quiet = false, json = false;
  Flags flags("fork", "A new run that begins at an existing state, with some settings changed.");
  flags.Word("STATE", &state, "where to branch off");
  flags.Text("name", &name, "NAME", "the new run's name");
  flags.List("set", &sets, "KEY=VALUE", "a setting to change; repeatable");
  flags.Switch("quiet", &quiet, "print the new state's id and nothing else");
  flags.Switch("json", &json, "print the new state as JSON");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (name.empty())
    return Status(Code::kInvalidArgument, "--name=NAME is missing: a fork is a run");

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(opened.graph, state));
  const Record& parent = opened.graph.states.at(id);
  STEMMA_ASSIGN_OR_RETURN(const Forked forked, ChangedSettings(*opened.store, parent, name, sets));
  Record change;
  STEMMA_ASSIGN_OR_RETURN(change.settings, opened.store->PutBlob(forked.settings));
  change.attributes["fork.set"] = forked.changes;
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId made,
                          opened.store->Fork(opened.graph, id, name, change));
  if (quiet) {
    Print(Hex(made) + "\n");
  } else if (json) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, opened.store->Load());
    Print(StateLine(graph, graph.states.at(made)));
  } else {
    Print("forked " + name + " from " + Words(opened.graph, id) + ": " + forked.changes +
          "\nstate  " + Hex(made) + "\nstart  " + StartLine(parent, name, path) + "\n");
  }
  return 0;
}

}  // namespace stemma::cli
