#include "core/bytes.h"
#include "lineage/graph.h"
#include "tools/cli/fork_run.h"
#include "tools/cli/new_run.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Record;

constexpr char kNotes[] =
    "Writes one record and no payload: the fork shares its parent's bytes. Everything but run.*,\n"
    "aigw.*, resnet50.classes, optim.name, train.seed and train.global_batch may change;\n"
    "`stemma train --help` lists the settings.\n"
    "\n"
    "Without --name a fork of run r50 is called r50-f1, the next r50-f2: the first such name that\n"
    "no run has. A fork of r50-f1 is called r50-f1-f1, so that the name tells the way.\n"
    "\n"
    "To go back to an older state, fork it: 'r50@<=12000' is the newest one at or before that "
    "step.\n"
    "The states behind it stay on their run; `stemma train --run r50` itself always goes on from\n"
    "the newest.\n"
    "\n"
    "Examples\n"
    "  stemma fork r50@12000 --set optim.lr=3.2\n"
    "  stemma fork 'r50@<=12000' --name again\n"
    "  stemma fork r50@12000 --name hot --set optim.lr=3.2\n"
    "  stemma fork tag:best --name long --set train.length=120ep\n"
    "  id=$(stemma fork r50@ --name trial7 --set optim.lr=0.4 --quiet)\n";

}  // namespace

Result<int> RunFork(const Arguments& arguments) {
  std::string path, state, name;
  std::vector<std::string> sets;
  bool quiet = false, json = false;
  Flags flags("fork", "A new run that begins at an existing state, with some settings changed.");
  flags.Word("STATE", &state, "where to branch off");
  flags.Text("name", &name, "NAME",
             "the new run's name; without it the parent's with -f1, -f2, ...");
  flags.List("set", &sets, "KEY=VALUE", "a setting to change; repeatable");
  flags.Switch("quiet", &quiet, "print the new state's id and nothing else");
  flags.Switch("json", &json, "print the new state as JSON");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, state));
  const Record& parent = opened.graph.states.at(id);
  STEMMA_ASSIGN_OR_RETURN(const MadeFork made, name.empty()
                                                   ? MakeForkWithOwnName(opened, parent, "-f", sets)
                                                   : MakeFork(opened, parent, name, sets));
  if (quiet) {
    Print(Hex(made.id) + "\n");
  } else if (json) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, opened.store->Load());
    Print(StateLine(graph, graph.states.at(made.id)));
  } else {
    Print("forked " + made.name + " from " + Words(opened.graph, id) + ": " + made.changes +
          "\nstate  " + Hex(made.id) + "\nstart  " + TrainLine(parent.world, made.name, path) +
          "\n");
  }
  return 0;
}

}  // namespace stemma::cli
