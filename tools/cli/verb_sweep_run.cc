// `stemma sweep run`, `status`, `report` and `show`: what acts on a sweep, or looks at one.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/bytes.h"
#include "core/cores.h"
#include "core/digest.h"
#include "core/exit_code.h"
#include "lineage/collect.h"
#include "lineage/storage.h"
#include "tools/cli/machine.h"
#include "tools/cli/open_store.h"
#include "tools/cli/sweep_html.h"
#include "tools/cli/sweep_lines.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/cli/verb_sweep_run.h"
#include "tools/sweep/command.h"
#include "tools/sweep/controller.h"
#include "tools/sweep/plan.h"
#include "tools/sweep/process_executor.h"
#include "tools/sweep/slurm_array.h"

namespace stemma::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kRunNotes[] =
    "Trains every stage that the sweep's trials need, each once, and forks it for those that\n"
    "share it. Killed at any moment, the same command goes on: what is finished is not trained\n"
    "again. Ctrl-C, SIGTERM and a file STOP in the sweep's folder save and stop.\n"
    "\n"
    "Stages are runs of the store, named by the sweep and what they train; the winner's last\n"
    "state is tagged NAME-best. To go on from it: stemma fork tag:NAME-best --name long --set\n"
    "train.stop_at=0, with a longer train.length if it is at its end.\n"
    "\n"
    "A slot's processes train one stage after the other, and a stage that goes on from what they\n"
    "hold begins in their memory. --reuse=off starts processes for each stage: the same states,\n"
    "later.\n"
    "\n"
    "--keep=running prunes stages that only stopped trials passed, --keep=winner at the end all\n"
    "but the winner's path, --keep=all nothing. What a tag holds stays; `stemma gc` frees the\n"
    "bytes.\n"
    "\n"
    "Examples\n"
    "  stemma sweep plan lr.toml                    what would be trained, what sharing saves\n"
    "  stemma sweep run lr.toml\n"
    "  stemma sweep asha lr.toml --slots=4          the same; the method must be the spec's\n"
    "  stemma sweep run lr.toml --launch='srun --exact -n {ranks} {train}'\n"
    "  stemma sweep run lr.toml --emit=slurm-array  job scripts instead, for separate jobs\n"
    "\n"
    "--emit=slurm-array is for grid, random and sobol, whose trials are all known before anything\n"
    "is trained; the other methods decide on what they see, and need the controller. Each job "
    "asks\n"
    "for device.threads cores a rank: set it in [settings] where this host has others than "
    "theirs.\n"
    "\n"
    "Exit codes: 0 over, with a winner; 1 failed, or no trial has a result; 2 wrong command;\n"
    "75 stopped, run the same command again.\n";

struct RunFlags {
  std::string spec, store, dir, launch, keep = "running", emit, reuse = "on";
  int64_t slots = 0, retries = 2;
  bool quiet = false, pin = false;
};

volatile sig_atomic_t stop_signal = 0;
extern "C" void TakeStopSignal(int number) { stop_signal = number; }

void ListenForStop() {
  struct sigaction action = {};
  action.sa_handler = TakeStopSignal;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) (void)sigaction(number, &action, nullptr);
}

Result<std::string> ReadFileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.good() || file.eof()) return text;
  return Status(Code::kInvalidArgument, "cannot read " + path);
}

Status WriteFileText(const std::string& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << text;
  file.close();
  return file.good() ? Status() : Status(Code::kIo, "cannot write " + path);
}

// Which program trains, as far as its own file says it.
Result<std::string> BuildOf(const std::string& engine) {
  if (engine.empty()) {
    return Status(Code::kIncompatible, "stemma-engine is neither in " + ProgramFolder() +
                                           " nor in ../libexec: build //tools/cli:stemma-engine, "
                                           "or install it beside stemma");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, ReadFileText(engine));
  return Hex(Xxh128(bytes));
}

Flags RunFlagList(const std::string& what, RunFlags* f) {
  Flags flags("sweep " + what, "Trains the trials of a sweep and finds the best.");
  flags.Word("SPEC.toml", &f->spec, "what is swept, and how");
  flags.Text("dir", &f->dir, "DIR", "folder for people (default stemma-runs/NAME)");
  flags.Integer("slots", &f->slots, "N", "trials that run at once; 0: as the spec says");
  flags.Integer("retries", &f->retries, "N", "how often a stage that crashed is started again");
  flags.Text("launch", &f->launch, "COMMAND",
             "how a training is started, with {ranks} and {train}; default: mpirun, or srun "
             "inside a Slurm job");
  flags.Choice("reuse", &f->reuse, {"on", "off"},
               "processes stay and train stage after stage; off: a start for each stage");
  flags.Switch("pin", &f->pin, "each slot keeps to cores of its own");
  flags.Choice("keep", &f->keep, {"all", "running", "winner"}, "whose states keep their bytes");
  flags.Choice("emit", &f->emit, {"", "slurm-array"},
               "write job scripts and train nothing; for grid, random and sobol");
  flags.Switch("quiet", &f->quiet, "print the report only");
  AddStoreFlag(&flags, &f->store);
  flags.Notes(kRunNotes);
  return flags;
}

// Slurm gives each step cores of its own already, and would not look at ours.
Status CheckPin(int64_t slots) {
  if (std::getenv("SLURM_JOB_ID") != nullptr) {
    return {Code::kInvalidArgument,
            "--pin: inside a Slurm job srun gives each training its cores; leave it out, or say "
            "which with --launch"};
  }
  if (slots <= CoresOfThisProcess()) return {};
  return {
      Code::kInvalidArgument,
      "--pin: " + std::to_string(slots) + " slots, and " + std::to_string(CoresOfThisProcess()) +
          " cores for them: leave it out, or give --slots=" + std::to_string(CoresOfThisProcess())};
}

struct Prepared {
  OpenedStore opened;
  sweep::OpenedSweep sweep;
  std::unique_ptr<sweep::Method> method;
  sweep::ProcessOptions process;
};

Result<Prepared> Prepare(const RunFlags& f, const std::string& what) {
  if (f.slots < 0 || f.retries < 0) {
    return Status(Code::kInvalidArgument, "--slots and --retries are not below 0");
  }
  STEMMA_RETURN_IF_ERROR(sweep::CheckLaunchLine(f.launch));
  STEMMA_ASSIGN_OR_RETURN(const std::string text, ReadFileText(f.spec));
  STEMMA_ASSIGN_OR_RETURN(const sweep::SweepSpec spec, sweep::ParseSpec(text, f.spec));
  if (what != "run" && what != spec.method) {
    return Status(Code::kInvalidArgument, f.spec + " says method = \"" + spec.method +
                                              "\": write `stemma sweep run`, or change it");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string build, BuildOf(FindEngine()));
  Prepared made;
  STEMMA_ASSIGN_OR_RETURN(
      made.opened.store,
      lineage::Store::Open(f.store, /*create=*/spec.state.empty(), lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(made.opened.graph, made.opened.store->Load());
  STEMMA_ASSIGN_OR_RETURN(made.sweep,
                          sweep::OpenSweep(*made.opened.store, made.opened.graph, text, f.spec,
                                           {build, CoresOfThisProcess(), f.slots}));
  if (f.slots > 0) made.sweep.spec.slots = f.slots;
  STEMMA_ASSIGN_OR_RETURN(made.method,
                          MakeMethod(made.sweep.spec, made.sweep.base, sweep::AskCommand));
  std::error_code ignored;
  const auto self = fs::read_symlink("/proc/self/exe", ignored);
  made.process = {ignored ? "stemma" : self.string(),
                  f.store,
                  f.dir.empty() ? "stemma-runs/" + spec.name : f.dir,
                  f.launch,
                  f.reuse == "on",
                  f.pin,
                  made.sweep.spec.slots,
                  ThreadsOf(made.sweep)};
  if (f.pin) STEMMA_RETURN_IF_ERROR(CheckPin(made.sweep.spec.slots));
  return made;
}

Result<int> Emit(Prepared made) {
  if (!made.sweep.journal.begun) {  // `sweep run` must come to the same stages later
    sweep::JournalWriter writer(*made.opened.store, made.sweep.spec.name);
    STEMMA_RETURN_IF_ERROR(writer.Begin(made.sweep.begun, &made.sweep.journal));
  }
  sweep::History history = made.sweep.journal.history;
  STEMMA_ASSIGN_OR_RETURN(const auto events,
                          NextEvents(*made.method, history, made.sweep.spec.slots));
  for (const sweep::Event& event : events) STEMMA_RETURN_IF_ERROR(history.Add(event));
  STEMMA_ASSIGN_OR_RETURN(const sweep::Standing standing,
                          StandingOf(made.sweep.spec, made.sweep.base, history, made.opened.graph));
  std::error_code ignored;
  sweep::ProcessOptions options = made.process;
  options.store = fs::absolute(options.store, ignored).string();
  options.folder = fs::absolute(options.folder, ignored).string();
  if (options.launch.empty()) {  // srun does not take cores from sbatch's --cpus-per-task
    const std::string cores = options.threads > 0 ? " -c " + std::to_string(options.threads) : "";
    options.launch = "srun --kill-on-bad-exit=1 -n {ranks}" + cores + " {train}";
  }
  STEMMA_ASSIGN_OR_RETURN(const sweep::ArrayFiles files, SlurmArray(made.sweep, standing, options));
  for (const auto& [run, recipe] : files.recipes) {
    STEMMA_RETURN_IF_ERROR(WriteFileText(options.folder + "/" + run + "/recipe.toml", recipe));
  }
  STEMMA_RETURN_IF_ERROR(WriteFileText(options.folder + "/stages.list", files.list));
  STEMMA_RETURN_IF_ERROR(WriteFileText(options.folder + "/job.sh", files.job));
  STEMMA_RETURN_IF_ERROR(WriteFileText(options.folder + "/submit.sh", files.submit));
  Print(std::to_string(files.stages) + " stages in " + std::to_string(files.depths) +
        " arrays: bash " + options.folder +
        "/submit.sh [options of sbatch]\nwhen they are done, `stemma sweep run` records the "
        "outcomes\n");
  return 0;
}

}  // namespace

Result<int> RunSweepRun(const Arguments& arguments) { return RunSweepMethod("run", arguments); }

Result<int> RunSweepMethod(const std::string& what, const Arguments& arguments) {
  RunFlags f;
  Flags flags = RunFlagList(what, &f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_ASSIGN_OR_RETURN(Prepared made, Prepare(f, what));
  if (!f.emit.empty()) return Emit(std::move(made));
  const std::string name = made.sweep.spec.name;
  sweep::ProcessExecutor executor(made.process);
  sweep::ControllerOptions options;
  options.retries = f.retries;
  options.keeping = f.keep == "all"       ? sweep::Keeping::kAll
                    : f.keep == "running" ? sweep::Keeping::kRunning
                                          : sweep::Keeping::kWinner;
  const std::string stop_file = made.process.folder + "/STOP";
  options.stop_asked = [stop_file] { return stop_signal != 0 || fs::exists(stop_file); };
  if (!f.quiet) {
    options.say = [](const std::string& line) {
      Print(line + "\n");
      (void)std::fflush(stdout);
    };
  }
  ListenForStop();
  sweep::Controller controller(std::move(made.opened), std::move(made.sweep), *made.method,
                               executor, options, lineage::MonotonicClock());
  STEMMA_ASSIGN_OR_RETURN(const sweep::Ending ending, controller.Run());
  if (ending == sweep::Ending::kStopped) {
    Print("stopped; the same command goes on" +
          (fs::exists(stop_file) ? " once " + stop_file + " is removed" : std::string()) + "\n");
    return kExitTryAgain;
  }
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore after, OpenStore(f.store));
  STEMMA_ASSIGN_OR_RETURN(const SweepView view, ViewOf(after, name));
  Print((f.quiet ? "" : "\n") + ReportText(view, false));
  return view.winner ? kExitDone : kExitFailed;
}

namespace {

// A sweep's name, or the spec that says it.
Result<std::string> NameIn(const std::string& word) {
  std::error_code ignored;
  if (!fs::is_regular_file(word, ignored)) return word;
  STEMMA_ASSIGN_OR_RETURN(const sweep::SweepSpec spec, sweep::ReadSpec(word));
  return spec.name;
}

// An external method may use chance, so its answers are recorded and not asked for again.
Result<int> ReplayDecisions(const SweepView& view) {
  if (view.sweep.spec.method == "external") {
    return Status(Code::kInvalidArgument, "the decisions of method external are its command's");
  }
  STEMMA_ASSIGN_OR_RETURN(const auto method, MakeMethod(view.sweep.spec, view.sweep.base));
  const sweep::History& history = view.sweep.journal.history;
  STEMMA_RETURN_IF_ERROR(Replay(*method, history));
  Print("each of " + std::to_string(history.decisions().size()) +
        " decisions follows from the outcomes that it saw\n");
  return 0;
}

Result<SweepView> ViewFor(const OpenedStore& opened, const std::string& word) {
  STEMMA_ASSIGN_OR_RETURN(const std::string name, NameIn(word));
  return ViewOf(opened, name);
}

}  // namespace

Result<int> RunSweepStatus(const Arguments& arguments) {
  std::string path, word;
  Flags flags("sweep status", "Where a sweep stands; without a name, all of the store.");
  flags.Word("NAME|SPEC.toml", &word, "which sweep", true);
  AddStoreFlag(&flags, &path);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  std::vector<std::string> words = {word};
  if (word.empty()) words = sweep::SweepsIn(opened.graph);
  if (words.empty()) Print("no sweep was begun in " + path + "\n");
  for (const std::string& one : words) {
    STEMMA_ASSIGN_OR_RETURN(const SweepView view, ViewFor(opened, one));
    Print(StatusText(view));
  }
  return 0;
}

Result<int> RunSweepReport(const Arguments& arguments) {
  std::string path, word, html;
  bool csv = false, json = false, decisions = false, replay = false;
  Flags flags("sweep report", "How the trials of a sweep compare, and what sharing saved.");
  flags.Word("NAME|SPEC.toml", &word, "which sweep");
  flags.Switch("csv", &csv, "one row per trial");
  flags.Switch("json", &json, "one JSON object per line: the sweep, trials, decisions");
  flags.Text("html", &html, "FILE", "write a page with charts of the knobs, instead of the text");
  flags.Switch("decisions", &decisions, "also each decision, with the outcomes it was taken from");
  flags.Switch("replay", &replay, "take each decision again from what it saw, and compare");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Rank-seconds are measured: `alone` is what all trials would have cost if each had trained\n"
      "all of its steps, `spent` what they did cost with every stage trained once.\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (csv + json + !html.empty() > 1) {
    return Status(Code::kInvalidArgument, "--csv, --json and --html: one of them");
  }
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const SweepView view, ViewFor(opened, word));
  if (replay) return ReplayDecisions(view);
  if (!html.empty()) {
    STEMMA_RETURN_IF_ERROR(WriteFileText(html, report::SweepPage(PageOf(view))));
    return Print("wrote " + html + "\n"), 0;
  }
  Print(csv ? ReportCsv(view) : json ? ReportJson(view) : ReportText(view, decisions));
  return 0;
}

Result<int> RunSweepShow(const Arguments& arguments) {
  std::string path, word;
  int64_t trial = -1;
  bool schedule = false;
  Flags flags("sweep show", "One trial of a sweep: the best, or another.");
  flags.Word("NAME|SPEC.toml", &word, "which sweep");
  flags.Integer("trial", &trial, "N", "which trial; -1: the best");
  flags.Switch("schedule", &schedule,
               "a shell script that trains it alone, with the same settings at the same steps");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Examples\n"
      "  stemma sweep show lr                      what `report` says of the best trial\n"
      "  stemma sweep show lr --schedule | sh      trains it once more, alone: the same bits\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const SweepView view, ViewFor(opened, word));
  if (trial < 0 && !view.winner) {
    return Status(Code::kNotFound, "no trial of sweep '" + view.sweep.spec.name +
                                       "' has a result yet: name one with --trial=N");
  }
  if (trial < 0) trial = view.winner->trial;
  STEMMA_ASSIGN_OR_RETURN(const std::string script, ScheduleScript(view, trial, path));
  if (schedule) return Print(script), 0;
  for (const TrialRow& row : TrialRows(view)) {
    if (row.id != trial) continue;
    Print("trial " + std::to_string(row.id) + "  " + row.verdict + "  " + row.state + "\n");
    for (size_t i = 0; i < row.knobs.size(); ++i) {
      Print("  " + view.sweep.spec.knobs[i].key + " = " + row.knobs[i] + "\n");
    }
  }
  return 0;
}

}  // namespace stemma::cli
