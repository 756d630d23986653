#include "tools/cli/train_options.h"

#include <memory>
#include <sstream>

#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/fill_settings.h"

namespace stemma::cli {
namespace {

// What the run was made with, from its newest state.
Status ReadStored(const std::string& run, const std::string& store_path, SettingsList* list) {
  STEMMA_ASSIGN_OR_RETURN(
      const std::unique_ptr<lineage::Store> store,
      lineage::Store::Open(store_path, /*create=*/false, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId head, lineage::Resolve(graph, run + "@"));
  const lineage::SettingsRef& settings = graph.states.at(head).settings;
  if (settings.empty()) {
    return {Code::kIncompatible, run +
                                     "@ was stored without settings, as imported states are: no "
                                     "training can go on from it"};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string text, store->GetSettings(settings));
  return list->ReadText(text, "settings of " + run + "@");
}

// A run that has states does not begin any more.
Status CheckInit(const TrainFlags& flags) {
  if (flags.init.path.empty()) {
    const bool alone = flags.init.key.empty() && flags.init.map.empty() && flags.init_skip.empty();
    return alone ? Status()
                 : Status(Code::kInvalidArgument,
                          "--init-key, --init-map and --init-skip go with --init-from=FILE");
  }
  if (!flags.recipe.empty()) return {};
  return {Code::kInvalidArgument, "--init-from goes with the RECIPE of a run that begins: --run=" +
                                      flags.run + " alone goes on with a run that has states"};
}

}  // namespace

lineage::WeightsSource InitFrom(const TrainFlags& flags) {
  lineage::WeightsSource source = flags.init;
  std::istringstream names(flags.init_skip);
  for (std::string name; std::getline(names, name, ',');) source.skip.push_back(name);
  return source;
}

Flags TrainFlagList(TrainFlags* v) {
  Flags flags(
      "train",
      "Trains until the run is complete. A run that has states is continued from the newest "
      "one,\nbit for bit; a run without any starts at step 0; a fork starts from its "
      "parent's state.");
  flags.Word("RECIPE", &v->recipe, "TOML file with settings; may be left out with --run", true);
  flags.Text("run", &v->run, "NAME", "a run of the store, with the settings stored with it");
  flags.Text("store", &v->store, "DIR", "the store; the same as --set lineage.store=DIR");
  flags.Text("dir", &v->dir, "DIR", "run folder for people (default stemma-runs/NAME)");
  flags.List("set", &v->set, "KEY=VALUE", "change one setting, after the recipe; repeatable");
  flags.Switch("fresh", &v->fresh, "refuse to continue: an error when the run has states");
  flags.Switch("dry-run", &v->dry_run, "print the resolved settings, a recipe again, and stop");
  flags.Choice("progress", &v->progress, {"auto", "bar", "lines", "off"},
               "how to show what happens");
  flags.Text("then", &v->then, "DIR",
             "afterwards train what is ordered in DIR, run after run, as sweeps do");
  flags.Text("init-from", &v->init.path, "FILE",
             "begin step 0 with the weights of a file, safetensors or torch.save");
  flags.Text("init-skip", &v->init_skip, "NAMES",
             "with commas between, * for any text: these stay as they begin");
  flags.Text("init-map", &v->init.map, "FILE", "rules that rename its tensors, as import's --map");
  flags.Text("init-key", &v->init.key, "KEY", "which dict of a torch.save file holds the tensors");
  flags.Notes(
      "--init-from takes parameters and buffers; every name, type and shape has to be the "
      "network's\n"
      "but for those skipped. A run that goes on does not read the file again, and its first "
      "state\n"
      "says which file it was.\n"
      "\n"
      "Examples\n"
      "  stemma train models/aigw/recipes/laptop.toml          one rank, no MPI\n"
      "  mpirun -n 2 stemma train models/aigw/recipes/laptop.toml --set optim.lr=0.002\n"
      "  mpirun -n 2 stemma train --run t2                     a fork, or a run to go on with\n"
      "  srun --mpi=pmix -K1 -n 8 stemma train --run t2        under Slurm; -K1: all end with one\n"
      "  stemma train mine.toml --init-from resnet50.pt --init-skip='fc.*'    another head\n"
      "\n"
      "Exit codes: 0 the run is complete; 1 failed, error.json says why; 2 the command is wrong;\n"
      "75 not complete, run the same command again. Ctrl-C, SIGTERM, SIGUSR1 and a file STOP in "
      "the\n"
      "run folder save the state and stop; a file SAVE saves and goes on.\n");
  return flags;
}

Status ReadTrainSettings(const TrainFlags& flags, models::RunSettings* settings,
                         SettingsList* list) {
  if (flags.recipe.empty() && flags.run.empty()) {
    return {Code::kInvalidArgument,
            "a recipe or --run=NAME is missing; `stemma train --help` shows both"};
  }
  STEMMA_RETURN_IF_ERROR(CheckInit(flags));
  const bool stored = flags.recipe.empty();
  if (stored) {
    const std::string store = flags.store.empty() ? settings->lineage.store : flags.store;
    STEMMA_RETURN_IF_ERROR(ReadStored(flags.run, store, list));
    // Where the store was when the run was made says nothing about where it is now.
    STEMMA_RETURN_IF_ERROR(list->Set("lineage.store=" + store, "--store"));
  } else {
    STEMMA_RETURN_IF_ERROR(list->ReadFile(flags.recipe));
    if (!flags.run.empty()) STEMMA_RETURN_IF_ERROR(list->Set("run.name=" + flags.run, "--run"));
    if (!flags.store.empty()) {
      STEMMA_RETURN_IF_ERROR(list->Set("lineage.store=" + flags.store, "--store"));
    }
  }
  for (const std::string& assignment : flags.set) STEMMA_RETURN_IF_ERROR(list->Set(assignment));
  STEMMA_RETURN_IF_ERROR(models::FillSettings(*settings, list));
  if (settings->run.name.empty()) {
    return {Code::kInvalidArgument,
            "the run has no name: write run.name = \"...\" into the recipe, or give --run=NAME"};
  }
  settings->comm.device = settings->device.kind;
  return Check(settings->aigw);
}

}  // namespace stemma::cli
