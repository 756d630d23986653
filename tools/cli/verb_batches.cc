// `stemma batches`: how far the batch can grow with LAMB, SGD and Adam on a recipe.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/cores.h"
#include "core/exit_code.h"
#include "lineage/marks.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/settings.h"
#include "tools/batches/evidence.h"
#include "tools/batches/report.h"
#include "tools/cli/flags.h"
#include "tools/cli/machine.h"
#include "tools/cli/scale_facts.h"
#include "tools/cli/terminal.h"
#include "tools/cli/train_options.h"
#include "tools/cli/verb.h"
#include "tools/sweep/process_executor.h"

namespace stemma::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kNotes[] =
    "lamb has its rate by the untuned rule, 0.005 sqrt(B / 512). sgd and adam have theirs at the\n"
    "smallest batch from a search among the rates of --lr, one run each, and it grows linearly\n"
    "with the batch; a single rate is taken as it is. All warm up by the rule, for 0.3125 B / 512\n"
    "epochs; the schedule and all else are the recipe's. Every run sees as many samples.\n"
    "\n"
    "loss is the training loss, over the last tenth of the samples. What an evaluation measures\n"
    "(val_loss) has batch norm's running statistics in it, which are far behind after the few "
    "steps\n"
    "of a large batch: it then tells of these and not of the optimizer.\n"
    "\n"
    "Runs go into one store and into the scope NAME, with notes batches.optimizer, batches.batch,\n"
    "batches.seed and batches.value on their last states. Killed or stopped, the same command "
    "goes\n"
    "on: what is done is not trained again. Writes batches.csv, .md, .json, .svg and .html into\n"
    "--out.\n"
    "\n"
    "Examples\n"
    "  stemma batches models/aigw/recipes/batches.toml --ranks=2        63 runs, about an hour\n"
    "  stemma batches mine.toml --batches=64,1024 --seeds=1 --samples=10240 --lr=sgd=0.01\n"
    "  stemma batches mine.toml --dry-run                               what would be trained\n"
    "\n"
    "Exit codes: 0 every run is over; 1 some failed, shown as such; 2 the command is wrong; 75\n"
    "stopped, run the same command again.\n";

struct BatchesFlags {
  std::string recipe, name = "batches", out = "stemma-batches", store, metric = "loss", launch;
  std::string batches = "64,128,256,512,1024,2048,4096", optimizers = "lamb,sgd,adam";
  std::vector<std::string> set, lr;
  int64_t seeds = 3, samples = 0, ranks = 1, micro = 256, order = 1;
  bool dry_run = false;
};

volatile sig_atomic_t stop_signal = 0;
extern "C" void TakeBatchesStop(int number) { stop_signal = number; }

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

Flags FlagList(BatchesFlags* f) {
  Flags flags("batches",
              "How far the batch can grow: trains a recipe from a small batch to a large one with\n"
              "LAMB untuned, SGD and Adam linearly scaled, several seeds each, equal samples.");
  flags.Word("RECIPE", &f->recipe, "what `stemma train` trains");
  flags.Text("batches", &f->batches, "N,N,...", "global batches; rates start at the smallest");
  flags.Text("optimizers", &f->optimizers, "NAME,...", "of lamb, sgd, adam");
  flags.Integer("seeds", &f->seeds, "N", "runs of each, with train.seed 1 to N");
  flags.Integer("samples", &f->samples, "N", "of each run; 0: train.length, which is in samples");
  flags.List("lr", &f->lr, "OPT=R,R,...", "rates of sgd or adam at the smallest batch; repeatable");
  flags.Text("metric", &f->metric, "NAME",
             "what is compared: loss, or one of the last state's, as val_loss");
  flags.Integer("ranks", &f->ranks, "N", "of every run");
  flags.Integer("micro", &f->micro, "N", "most samples that a rank computes at once");
  flags.Integer("order", &f->order, "N", "seed of the order of the runs");
  flags.Text("name", &f->name, "NAME", "begins the runs' names; also their scope");
  flags.Text("out", &f->out, "DIR", "folder of the table, the report and the runs");
  flags.Text("store", &f->store, "DIR", "the runs' store; default: the recipe's");
  flags.List("set", &f->set, "KEY=VALUE", "a setting of every run; repeatable");
  flags.Text("launch", &f->launch, "COMMAND",
             "how a training is started, with {ranks} and {train}; default: mpirun, or srun");
  flags.Switch("dry-run", &f->dry_run, "print the runs in their order and stop");
  flags.Notes(kNotes);
  return flags;
}

std::vector<std::string> ListOf(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Result<std::vector<int64_t>> BatchesIn(const std::string& text) {
  std::vector<int64_t> batches;
  for (const std::string& word : ListOf(text)) {
    const bool digits = !word.empty() && word.size() <= 9 &&
                        word.find_first_not_of("0123456789") == std::string::npos;
    const int64_t batch = digits ? std::atoll(word.c_str()) : 0;
    if (batch < 1) return Refuse("--batches: '" + word + "' is no whole number above 0");
    if (std::find(batches.begin(), batches.end(), batch) != batches.end()) {
      return Refuse("--batches: " + word + " stands there twice; --seeds says how often");
    }
    batches.push_back(batch);
  }
  std::sort(batches.begin(), batches.end());
  return batches;
}

struct Read {
  models::RunSettings settings;
  std::string toml;
};

// The recipe with --set and `words`. Threads are shared among the ranks unless somebody set them.
Result<Read> ReadWith(const BatchesFlags& f, const std::vector<std::string>& words) {
  TrainFlags train;
  train.recipe = f.recipe;
  train.store = f.store;
  train.set = f.set;
  train.set.insert(train.set.end(), words.begin(), words.end());
  Read read;
  SettingsList list = models::FieldsOf(read.settings);
  STEMMA_RETURN_IF_ERROR(ReadTrainSettings(train, &read.settings, &list));
  if (read.settings.device.threads == 0) {
    const int64_t threads = std::max<int64_t>(1, CoresOfThisProcess() / f.ranks);
    STEMMA_RETURN_IF_ERROR(list.Set("device.threads=" + std::to_string(threads)));
  }
  read.toml = list.ToToml();
  return read;
}

Result<int64_t> SamplesIn(const BatchesFlags& f, const models::RunSettings& settings) {
  if (f.samples != 0) return f.samples;
  const std::string& length = settings.train.length;
  char* unit = nullptr;
  const int64_t samples = std::strtoll(length.c_str(), &unit, 10);
  if (std::string(unit) == "samples") return samples;
  return Refuse("train.length = \"" + length +
                "\" means other numbers of samples at other batches: give --samples=N");
}

// The rule's warm-up takes as many steps at every batch, and the largest has the fewest. Only where
// the recipe says how large an epoch is.
Status CheckWarmup(const batches::Shape& shape, const models::RunSettings& settings) {
  if (settings.run.workload != "aigw") return {};
  const double epoch = static_cast<double>(settings.aigw.train_size);
  const int64_t largest = shape.batches.back();
  const double warmup = batches::WarmupEpochs(largest) * epoch / static_cast<double>(largest);
  const int64_t steps = shape.samples / largest;
  if (settings.aigw.train_size < largest) {
    return Refuse("a batch of " + std::to_string(largest) + " is more than the " +
                  std::to_string(settings.aigw.train_size) +
                  " waveforms of an epoch: raise aigw.train_size, or leave it out of --batches");
  }
  if (warmup + 0.5 < static_cast<double>(steps)) return {};
  return Refuse("the rule warms up for " + std::to_string(static_cast<int64_t>(warmup + 0.5)) +
                " steps in an epoch of " + std::to_string(settings.aigw.train_size) +
                " waveforms, and a run of " + std::to_string(shape.samples) + " samples has only " +
                std::to_string(steps) + " steps at batch " + std::to_string(largest) +
                ": raise --samples, make aigw.train_size smaller, or leave out the batch");
}

Result<batches::Shape> ReadShape(const BatchesFlags& f, const models::RunSettings& settings) {
  batches::Shape shape;
  shape.name = f.name;
  STEMMA_ASSIGN_OR_RETURN(shape.batches, BatchesIn(f.batches));
  shape.optimizers = ListOf(f.optimizers);
  for (const std::string& text : f.lr) STEMMA_RETURN_IF_ERROR(batches::ReadRates(text, &shape));
  shape.seeds = f.seeds;
  shape.ranks = f.ranks;
  shape.micro = f.micro;
  shape.order_seed = static_cast<uint64_t>(f.order);
  STEMMA_ASSIGN_OR_RETURN(shape.samples, SamplesIn(f, settings));
  STEMMA_RETURN_IF_ERROR(CheckShape(shape));
  STEMMA_RETURN_IF_ERROR(CheckWarmup(shape, settings));
  return shape;
}

std::vector<std::pair<std::string, std::string>> InputOf(const BatchesFlags& f,
                                                         const batches::Shape& shape,
                                                         const std::string& toml) {
  std::string rates;
  for (const auto& [name, values] : shape.rates) {
    rates += name + "=";
    char text[40];
    for (const double value : values) {
      std::snprintf(text, sizeof text, "%.9g ", value);
      rates += text;
    }
  }
  return {{"samples", std::to_string(shape.samples)},
          {"smallest batch", std::to_string(shape.batches.front())},
          {"rates", rates},
          {"metric", f.metric},
          {"ranks", std::to_string(shape.ranks)},
          {"micro", std::to_string(shape.micro)},
          {"name", shape.name},
          {"recipe", toml}};
}

int DryRun(const batches::Shape& shape) {
  batches::BaseRates base;
  for (const auto& [name, rates] : shape.rates) base[name] = rates[rates.size() / 2];
  int64_t samples = 0;
  for (const bool search : {true, false}) {
    for (const batches::Trial& trial : search ? SearchesOf(shape) : TrialsOf(shape, base)) {
      Print(RunOf(shape, trial) + ": " + std::to_string(StepsOf(shape, trial)) + " steps, " +
            std::to_string(MicroBatchesOf(shape, trial)) + " micro-batches" +
            (search ? ", to find the rate" : "") + "\n");
      samples += shape.samples;
    }
  }
  Print(std::to_string(samples) + " samples in all\n");
  return kExitDone;
}

// Before the first run and not after it.
Status CheckMetric(const std::string& metric, const models::RunSettings& settings) {
  if (metric.rfind("val_", 0) != 0 || !settings.validate.every.empty()) return {};
  return Refuse("--metric=" + metric +
                " is measured by an evaluation, and the recipe has none: give "
                "--set=validate.every=1ep, or --metric=loss");
}

// The last state of a run.
Result<lineage::StateId> LastOf(const lineage::Graph& graph, const std::string& run) {
  return lineage::Resolve(graph, run + "@");
}

batches::Hooks HooksOf(const BatchesFlags& f, lineage::Store& store) {
  batches::Hooks hooks;
  hooks.recipe_of = [&f](const std::vector<std::string>& words) -> Result<std::string> {
    STEMMA_ASSIGN_OR_RETURN(const Read read, ReadWith(f, words));
    return read.toml;
  };
  hooks.metric_of = [&store](const std::string& run, const std::string& name) -> Result<double> {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, LastOf(graph, run));
    const auto& metrics = graph.states.at(id).metrics;
    const auto found = metrics.find(name);
    if (found != metrics.end()) return found->second;
    std::string names;
    for (const auto& [known, value] : metrics) names += (names.empty() ? "" : ", ") + known;
    return Status(Code::kNotFound,
                  "its last state has no metric '" + name + "', but " + names +
                      ": give --metric=loss, or settings under which it is measured");
  };
  hooks.keep = [&store](const batches::Row& row) -> Status {
    if (row.diverged) return {};  // it may have no state
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, LastOf(graph, row.run));
    STEMMA_RETURN_IF_ERROR(store.Annotate(id, "batches.optimizer", row.optimizer));
    STEMMA_RETURN_IF_ERROR(store.Annotate(id, "batches.batch", row.batch));
    STEMMA_RETURN_IF_ERROR(store.Annotate(id, "batches.seed", row.seed));
    return store.Annotate(id, "batches.value", *row.loss);
  };
  hooks.stop_asked = [] { return stop_signal != 0; };
  hooks.tell = [](const std::string& line) {
    std::fprintf(stderr, "%s\n", line.c_str());
    (void)std::fflush(stderr);
  };
  return hooks;
}

}  // namespace

Result<int> RunBatches(const Arguments& arguments) {
  BatchesFlags f;
  Flags flags = FlagList(&f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(sweep::CheckLaunchLine(f.launch));
  STEMMA_ASSIGN_OR_RETURN(const Read read, ReadWith(f, {}));
  STEMMA_ASSIGN_OR_RETURN(const batches::Shape shape, ReadShape(f, read.settings));
  STEMMA_RETURN_IF_ERROR(CheckMetric(f.metric, read.settings));
  if (f.dry_run) return DryRun(shape);
  if (FindEngine().empty()) {
    return Status(Code::kNotFound, "stemma-engine, which trains, is neither in " + ProgramFolder() +
                                       " nor in ../libexec: build //tools/cli:stemma-engine");
  }
  const std::string& path = read.settings.lineage.store;
  STEMMA_ASSIGN_OR_RETURN(const auto store,
                          lineage::Store::Open(path, /*create=*/true, lineage::PosixStorage()));
  STEMMA_RETURN_IF_ERROR(lineage::OpenScope(*store, shape.name, std::nullopt));

  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  sweep::ProcessExecutor executor({ignored ? "stemma" : self.string(), path, f.out, f.launch});
  struct sigaction action = {};
  action.sa_handler = TakeBatchesStop;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) (void)sigaction(number, &action, nullptr);

  const batches::Job job{shape, f.metric, f.out, InputOf(f, shape, read.toml)};
  STEMMA_ASSIGN_OR_RETURN(const batches::Ending ending,
                          batches::Gather(job, executor, HooksOf(f, *store)));
  const batches::Report report{shape,
                               f.metric,
                               ending,
                               {{"recipe", f.recipe},
                                {"host", HostName()},
                                {"cores", std::to_string(CoresOfThisProcess())},
                                {"ranks", std::to_string(shape.ranks)},
                                {"store", path},
                                {"scope", shape.name}}};
  STEMMA_RETURN_IF_ERROR(batches::WriteReport(f.out, report));
  Print(GroupsText(batches::GroupsOf(ending.rows)) + "\n" + Findings(report) + "\n" + f.out +
        "/batches.csv, .md, .json, .svg, .html: " + std::to_string(ending.ran) +
        " runs of this call, " + std::to_string(ending.found) + " of earlier ones\n");
  if (ending.stopped) return Print("stopped; the same command goes on\n"), kExitTryAgain;
  return ending.failures.empty() ? kExitDone : kExitFailed;
}

}  // namespace stemma::cli
