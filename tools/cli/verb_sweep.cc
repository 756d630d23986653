#include "core/bytes.h"
#include "core/text.h"
#include "tools/cli/flags.h"
#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/cli/verb_sweep_run.h"
#include "tools/sweep/base.h"
#include "tools/sweep/method.h"
#include "tools/sweep/plan_text.h"
#include "tools/sweep/spec.h"

namespace stemma::cli {
namespace {

constexpr char kPlanNotes[] =
    "Trials that do the same up to a step are trained once up to there; \"the same\" is asked of "
    "the\n"
    "learning rate and the other settings at every step, not of how they are written.\n"
    "\n"
    "SPEC.toml\n"
    "  recipe = \"laptop.toml\"           beside the file; or state = \"r50@12000\", of the store\n"
    "  [sweep]\n"
    "  name = \"lr\"\n"
    "  method = \"grid\"                  grid random sobol halving hyperband asha pbt range "
    "external\n"
    "  metric = \"loss\"                  of a state; goal = \"min\" or \"max\"\n"
    "  budget = \"400step\"               of one trial; without it, what train.length leaves\n"
    "  ranks_per_trial = 2\n"
    "  slots = 1                        trials at once; seed = 1\n"
    "  [method]                         grid: points; random, sobol: trials; halving, asha: "
    "trials,\n"
    "                                   eta, min_steps; hyperband: eta, min_steps; range: "
    "interval,\n"
    "                                   rise; pbt: trials, interval, truncation, factor_low,\n"
    "                                   factor_high, resample; external: command\n"
    "  [settings]                       common to all trials\n"
    "  train.length = \"400step\"\n"
    "  [knobs]                          what differs\n"
    "  optim.lr = { low = 1e-4, high = 0.1, log = true }\n"
    "  optim.beta2 = { values = [0.99, 0.999] }\n"
    "  optim.weight_decay = { schedules = [\"0: 0.01\", \"0: 0.01; 200step: 0.1\"] }\n"
    "\n"
    "Lengths in steps or samples need no look at the data. Where one counts in epochs (\"3ep\"), "
    "data\n"
    "in files are counted: by the indices of shards, class folders, or tables of galaxies.\n"
    "\n"
    "With --commands: a shell script that trains the stages one after the other. Where later "
    "stages\n"
    "depend on outcomes, these are the ones that are certain. A stage that ends before "
    "train.length\n"
    "returns 75: it is done all the same.\n";

Result<sweep::Base> BaseOf(const sweep::SweepSpec& spec, const std::string& path) {
  if (spec.state.empty()) return sweep::BaseFromRecipe(spec);
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, spec.state));
  const lineage::Record& record = opened.graph.states.at(id);
  if (record.settings.empty()) {
    return Status(Code::kInvalidArgument,
                  spec.file + ": " + spec.state +
                      " was stored without settings, as imported states are: no training could go "
                      "on from it");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string settings, opened.store->GetSettings(record.settings));
  return sweep::BaseFromState(spec, {Hex(id), record.step, record.world, settings});
}

Result<int> Plan(const Arguments& arguments) {
  std::string path, file;
  bool commands = false, all = false;
  Flags flags("sweep plan",
              "The stages that a sweep would train, and what sharing them saves. Starts nothing.");
  flags.Word("SPEC", &file, "TOML file that says what is searched and how");
  flags.Switch("commands", &commands, "command lines that train the stages, instead of the text");
  flags.Switch("all", &all, "every stage of the tree, not the first 40");
  AddStoreFlag(&flags, &path);
  flags.Notes(kPlanNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(const sweep::SweepSpec spec, sweep::ReadSpec(file));
  STEMMA_ASSIGN_OR_RETURN(const sweep::Base base, BaseOf(spec, path));
  STEMMA_ASSIGN_OR_RETURN(const auto method, sweep::MakeMethod(spec, base));
  STEMMA_ASSIGN_OR_RETURN(const sweep::Forecast forecast, sweep::ForecastOf(spec, base, *method));
  if (!commands) {
    const sweep::PlanStyle style = {TerminalOfStdout().utf8, all ? size_t{0} : size_t{40}};
    Print(sweep::PlanText(spec, base, forecast, style));
    return 0;
  }
  for (const std::string& line : sweep::PlanCommands(spec, base, forecast.first, path)) {
    Print(line + "\n");
  }
  return 0;
}

// The parts of `stemma sweep`.
constexpr Verb kParts[] = {
    {"plan", "what would be trained, and what sharing saves; starts nothing", Plan},
    {"run", "train the trials, each shared stage once; goes on with what was begun", RunSweepRun},
    {"status", "where sweeps stand", RunSweepStatus},
    {"report", "how trials compare, the best path, what sharing saved", RunSweepReport},
    {"show", "one trial, and a script that trains it alone", RunSweepShow},
};

std::string HelpText() {
  std::string text =
      "Searches hyper-parameters by forking states: trials that begin alike are trained once.\n\n";
  for (const Verb& part : kParts) {
    text += "  stemma sweep " + Padded(part.name, 8) + part.summary + "\n";
  }
  return text +
         "\n`stemma sweep grid SPEC.toml` and so on for each method is `run` of such a spec.\n"
         "`stemma sweep plan --help` shows the file that describes a sweep.\n";
}

}  // namespace

Result<int> RunSweep(const Arguments& arguments) {
  const std::string what = arguments.empty() ? "--help" : arguments[0];
  if (what == "--help" || what == "-h") return Print(HelpText()), 0;
  std::vector<std::string> names;
  for (const Verb& part : kParts) {
    names.emplace_back(part.name);
    if (what == part.name) return part.run(Arguments(arguments.begin() + 1, arguments.end()));
  }
  for (const std::string& method : sweep::MethodNames()) {
    if (what == method) {
      return RunSweepMethod(method, Arguments(arguments.begin() + 1, arguments.end()));
    }
  }
  const std::string meant = Nearest(what, names);
  return Status(Code::kInvalidArgument,
                "nothing of `stemma sweep` is called '" + what + "'" +
                    (meant.empty() ? "; `stemma sweep --help` lists its parts"
                                   : "; did you mean `stemma sweep " + meant + "`?"));
}

}  // namespace stemma::cli
