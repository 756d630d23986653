#include "tools/cli/verb_scale_run.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/bytes.h"
#include "core/cores.h"
#include "core/digest.h"
#include "models/train/settings.h"
#include "tools/bench/options.h"
#include "tools/cli/flags.h"
#include "tools/cli/machine.h"
#include "tools/cli/scale_facts.h"
#include "tools/cli/terminal.h"
#include "tools/cli/train_options.h"
#include "tools/report/scale_facts.h"
#include "tools/report/scale_page.h"
#include "tools/scale/series/child.h"
#include "tools/scale/series/contention.h"
#include "tools/scale/series/curve.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/report.h"
#include "tools/scale/series/series.h"
#include "tools/scale/series/submit.h"

namespace stemma::cli {
namespace {
namespace fs = std::filesystem;

constexpr char kNotes[] =
    "Counts run in random order, repeats one after the other, each point as a child of its own.\n"
    "An interrupted series goes on with what is missing when the same command is given again.\n"
    "In a Slurm allocation each point is one srun, else one mpirun. Every rank has the same\n"
    "threads; counts with more ranks than cores are marked oversubscribed and take no part in the\n"
    "verdict.\n"
    "\n"
    "  strong   the global batch stays: --batch, or the recipe's, is of all ranks\n"
    "  weak     the batch of a rank stays: --batch, or the recipe's share on the smallest count\n"
    "  data     as weak, and all counts train as many samples: fewer steps on more ranks\n"
    "\n"
    "--curve measures two things more, after the points: the all-reduce by size on each count\n"
    "(all_reduce-rN.csv), and as often as --repeats says the step of as many one-rank trainings\n"
    "side by side as a node has ranks, at most one for every core, against one alone\n"
    "(contention.csv). The latter needs --model, --mode=weak or data, CPUs and mpirun.\n"
    "\n"
    "  stemma scale run mine.toml --ranks=1,2,4\n"
    "  stemma scale run --model=resnet50 --size=64 --batch=8 --mode=weak --ranks=1,2\n"
    "  stemma scale run mine.toml --nodes=1,2,4 --ranks-per-node=4 --submit=slurm \\\n"
    "    --sbatch=--partition=gpu --time=01:00:00\n"
    "\n"
    "Writes scale.csv, scale.md, scale.json and scale.html into --out. Exit codes: 0 every point\n"
    "is done; 1 a child failed, its command and last lines are shown; 2 the command is wrong.\n";

struct RunFlags {
  std::string recipe, model, ranks, nodes, mode = "strong", out = "stemma-scale";
  std::string launcher = "auto", launcher_args, submit, time = "02:00:00", system;
  std::string precision = "f32";
  std::vector<std::string> set, sbatch;
  int64_t ranks_per_node = 0, batch = 0, repeats = 3, steps = 200, warmup = 20, seed = 1;
  int64_t threads = 0, size = 0;
  double timeout_s = 3600;
  bool no_comm = false, fresh = false, dry_run = false, curve = false;
};

Flags FlagList(RunFlags* f) {
  Flags flags("scale run",
              "Runs one input on several numbers of ranks, several times each, and says how well\n"
              "it scales: throughput and time apart, and the verdict that computing centres ask\n"
              "for. `stemma scale RECIPE` is short for it.");
  flags.Word("RECIPE", &f->recipe, "what `stemma train` trains; or --model", true);
  flags.Choice("model", &f->model, {"resnet50", "vgg16", "aigw", "aides", "mlp", "tiny"},
               "steps of `stemma bench train` on synthetic input instead of a recipe");
  flags.Text("ranks", &f->ranks, "N,N,...", "how many; the smallest is the base");
  flags.Text("nodes", &f->nodes, "N,N,...", "the same in nodes, with --ranks-per-node");
  flags.Integer("ranks-per-node", &f->ranks_per_node, "N", "0: what Slurm says, or one node");
  flags.Choice("mode", &f->mode, scale::RunModes(), "what stays the same, see below");
  flags.Integer("batch", &f->batch, "N", "strong: of all ranks; else of each. 0: the recipe's");
  flags.Integer("repeats", &f->repeats, "N", "of every count; three are asked for");
  flags.Integer("steps", &f->steps, "N", "that count, per point; data: of the largest count");
  flags.Integer("warmup", &f->warmup, "N", "steps before them");
  flags.Integer("threads", &f->threads, "N",
                "of every rank; 0: device.threads, or cores / most ranks");
  flags.Integer("seed", &f->seed, "N", "of the order of the counts");
  flags.Text("out", &f->out, "DIR", "the series' folder");
  flags.Switch("fresh", &f->fresh, "delete what --out holds of an earlier series");
  flags.Switch("dry-run", &f->dry_run, "print the commands in their order and stop");
  flags.Text("system", &f->system, "NAME", "the machine's name in the table; default the host's");
  flags.List("set", &f->set, "KEY=VALUE", "a setting of every run; repeatable");
  flags.Integer("size", &f->size, "N", "--model: side of images or points of a waveform");
  flags.Choice("precision", &f->precision, {"f32", "tf32", "bf16"}, "--model: of products");
  flags.Switch("no-comm", &f->no_comm, "--model: exposed communication against a loop without");
  flags.Switch("curve", &f->curve,
               "also what `stemma scale validate --own` predicts from, see below");
  flags.Number("timeout", &f->timeout_s, "S", "longest time of a point; it is ended then");
  flags.Choice("launcher", &f->launcher, {"auto", "mpirun", "srun"}, "what starts the ranks");
  flags.Text("launcher-args", &f->launcher_args, "WORDS", "more words for it, last");
  flags.Choice("submit", &f->submit, {"slurm"}, "write a job that runs this, and stop");
  flags.List("sbatch", &f->sbatch, "OPTION", "a line of that job, as --partition=gpu; repeatable");
  flags.Text("time", &f->time, "HH:MM:SS", "that job's limit");
  flags.Notes(kNotes);
  return flags;
}

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

int NumberOr(const scale::Variables& environment, const char* name, int otherwise) {
  const auto at = environment.find(name);
  const int value = at == environment.end() ? 0 : std::atoi(at->second.c_str());
  return value > 0 ? value : otherwise;
}

Status ReadCounts(const RunFlags& f, const scale::Variables& environment,
                  scale::SeriesShape* shape) {
  if (f.ranks.empty() == f.nodes.empty()) {
    return Refuse("give either --ranks=1,2,4, or --nodes=1,2,4 with --ranks-per-node");
  }
  const bool slurm = environment.count("SLURM_JOB_ID") != 0;
  const int told = slurm ? NumberOr(environment, "SLURM_NTASKS_PER_NODE", 0) : 0;
  if (f.ranks_per_node < 0 || f.ranks_per_node > 100000) {
    return Refuse("--ranks-per-node: 1 to 100000, or 0");
  }
  const int per_node = f.ranks_per_node > 0 ? static_cast<int>(f.ranks_per_node) : told;
  shape->ranks_per_node = per_node;
  if (!f.ranks.empty()) {
    STEMMA_ASSIGN_OR_RETURN(shape->ranks, scale::ParseCounts(f.ranks, "--ranks"));
    return {};
  }
  if (per_node < 1) return Refuse("--nodes: say how many ranks a node has, --ranks-per-node=4");
  STEMMA_ASSIGN_OR_RETURN(shape->ranks, scale::ParseCounts(f.nodes, "--nodes"));
  for (int& count : shape->ranks) {
    if (count > 10000000 / per_node) return Refuse("--nodes: more than 10000000 ranks");
    count *= per_node;
  }
  return {};
}

// The recipe as it will be read by every child; its batch is what --batch is not.
Status ReadRecipe(const RunFlags& f, scale::Series* series) {
  if (f.size != 0 || f.no_comm || f.precision != "f32") {
    return Refuse("--size, --no-comm and --precision are of --model; a recipe has --set");
  }
  TrainFlags train;
  train.recipe = f.recipe;
  train.set = f.set;
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(ReadTrainSettings(train, &settings, &list));
  scale::SeriesShape& shape = series->shape;
  if (shape.batch == 0) {
    const int base = shape.ranks.front();
    const bool strong = shape.mode == "strong";
    if (!strong && settings.train.global_batch % base != 0) {
      return Refuse("train.global_batch = " + std::to_string(settings.train.global_batch) +
                    " does not divide among " + std::to_string(base) + " ranks: give --batch");
    }
    shape.batch = strong ? settings.train.global_batch : settings.train.global_batch / base;
  }
  series->recipe = list.ToToml();
  series->threads = static_cast<int>(settings.device.threads);
  series->machine.on_gpu = settings.device.kind == "cuda";
  return {};
}

Status ReadModel(const RunFlags& f, scale::Series* series) {
  series->model = f.model;
  scale::SeriesShape& shape = series->shape;
  if (shape.batch == 0) {
    return Refuse(
        "--model: give --batch, samples per step of all ranks (--mode=strong) or of each");
  }
  bench::TrainFlags bench;  // the bench's own check, before anything starts
  bench.size = f.size;
  bench.set = f.set;
  models::RunSettings settings;
  STEMMA_RETURN_IF_ERROR(bench::ReadSettings(bench, &settings));
  series->threads = static_cast<int>(settings.device.threads);
  series->machine.on_gpu = settings.device.kind == "cuda";
  if (f.size > 0) series->bench_words.push_back("--size=" + std::to_string(f.size));
  if (f.precision != "f32") series->bench_words.push_back("--precision=" + f.precision);
  if (f.no_comm) series->bench_words.emplace_back("--no-comm");
  for (const std::string& set : f.set) series->bench_words.push_back("--set=" + set);
  return {};
}

int GpusOfNode() {
  std::error_code error;
  int count = 0;
  for (const auto& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    count += gpu.path().empty() ? 0 : 1;
  }
  return count;
}

Result<std::string> DigestOfFile(const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, scale::ReadFile(path));
  return "xxh3:" + Hex(Xxh128(bytes));
}

Status DescribeMachine(const RunFlags& f, const scale::Variables& environment,
                       scale::Series* series) {
  const std::string engine = FindEngine();
  if (engine.empty()) {
    return {Code::kNotFound, "stemma-engine, which trains, is neither in " + ProgramFolder() +
                                 " nor in ../libexec: build //tools/cli:stemma-engine"};
  }
  STEMMA_ASSIGN_OR_RETURN(series->build, DigestOfFile(engine));
  const auto cluster = environment.find("SLURM_CLUSTER_NAME");
  series->system = !f.system.empty()              ? f.system
                   : cluster != environment.end() ? cluster->second
                                                  : HostName();
  series->machine.cores = NumberOr(environment, "SLURM_CPUS_ON_NODE", CoresOfThisProcess());
  series->machine.gpus = GpusOfNode();
  const int most = series->shape.ranks.back();
  const int per_node =
      series->shape.ranks_per_node > 0 ? std::min(series->shape.ranks_per_node, most) : most;
  if (f.threads > 0) series->threads = static_cast<int>(f.threads);
  if (series->threads == 0) series->threads = std::max(1, series->machine.cores / per_node);
  std::error_code error;
  series->program = fs::read_symlink("/proc/self/exe", error).string();
  return error ? Status(Code::kIo, "/proc/self/exe: " + error.message()) : Status();
}

Result<scale::Series> ReadSeries(const RunFlags& f, const scale::Variables& environment) {
  if (f.recipe.empty() == f.model.empty()) {
    return Refuse("give either a RECIPE, as for `stemma train`, or --model=resnet50");
  }
  if (!(f.timeout_s > 0) || f.timeout_s > 1e7) return Refuse("--timeout: seconds above 0");
  if (f.threads < 0 || f.threads > 1024) return Refuse("--threads: 1 to 1024, or 0");
  if (f.batch < 0 || f.size < 0) return Refuse("--batch and --size are not negative");
  if (f.repeats < 1 || f.repeats > 1000) return Refuse("--repeats: 1 to 1000");
  scale::Series series;
  series.threads = 0;  // not said so far
  scale::SeriesShape& shape = series.shape;
  shape.mode = f.mode;
  shape.batch = f.batch;
  shape.repeats = static_cast<int>(f.repeats);
  shape.steps = f.steps;
  shape.warmup = f.warmup;
  shape.seed = static_cast<uint64_t>(f.seed);
  STEMMA_RETURN_IF_ERROR(ReadCounts(f, environment, &shape));
  STEMMA_RETURN_IF_ERROR(f.recipe.empty() ? ReadModel(f, &series) : ReadRecipe(f, &series));
  STEMMA_RETURN_IF_ERROR(scale::PointsOf(shape).status());
  STEMMA_RETURN_IF_ERROR(DescribeMachine(f, environment, &series));
  series.folder = f.out;
  series.limit_s = f.timeout_s;
  return series;
}

// What a series wrote, and nothing else that may lie in its folder.
Status Forget(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) return {};
  STEMMA_ASSIGN_OR_RETURN(const scale::FolderLock lock, scale::FolderLock::Take(folder));
  std::vector<fs::path> paths;
  for (const char* name : {"scale.csv", "scale.md", "scale.json", "scale.html", "series.json",
                           "recipe.toml", "points", "contention", "contention.csv"}) {
    paths.push_back(fs::path(folder) / name);
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const bool curve = entry.path().filename().string().rfind("all_reduce-r", 0) == 0;
    if (curve) paths.push_back(entry.path());
  }
  for (const fs::path& path : paths) {
    if (!error) fs::remove_all(path, error);
    if (error) return {Code::kIo, "--fresh: " + path.string() + ": " + error.message()};
  }
  return {};
}

Result<int> Submit(const RunFlags& f, const scale::Series& series, const Arguments& arguments) {
  scale::SlurmJob job;
  job.ranks_per_node = series.shape.ranks_per_node;
  job.threads = f.threads > 0 ? series.threads : 1;
  job.time = f.time;
  job.options = f.sbatch;
  std::error_code error;
  job.working_folder = fs::current_path(error).string();
  job.log_folder = f.out;
  STEMMA_ASSIGN_OR_RETURN(const auto points, scale::PointsOf(series.shape));
  for (const scale::Point& point : points) job.nodes = std::max(job.nodes, point.nodes);
  job.command = {series.program, "scale", "run"};
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--submit")
      ++i;
    else if (arguments[i].rfind("--submit=", 0) != 0)
      job.command.push_back(arguments[i]);
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string text, scale::SlurmScript(job));
  STEMMA_RETURN_IF_ERROR(scale::MakeFolder(f.out));
  const std::string path = f.out + "/scale.sbatch";
  STEMMA_RETURN_IF_ERROR(scale::WriteFile(path, text));
  Print("wrote " + path + "; hand it in with: sbatch " + scale::CommandLine({path}) + "\n");
  return 0;
}

// Progress goes to stderr: stdout has the table alone.
void Tell(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

// scale.html, from the table and the JSON that were just written.
Status WritePage(const std::string& folder, const std::vector<scale::RunRow>& rows) {
  STEMMA_ASSIGN_OR_RETURN(report::ScaleFacts facts, report::ReadScaleFacts(folder + "/scale.json"));
  facts.title = "Scaling of " + folder;
  facts.csv = "scale.csv";
  STEMMA_ASSIGN_OR_RETURN(const std::string page, report::ScalePage(rows, facts));
  return scale::WriteFile(folder + "/scale.html", page);
}

Status MeasureForPrediction(const scale::Series& series) {
  STEMMA_RETURN_IF_ERROR(scale::MeasureCurves(series, Tell));
  return scale::MeasureContention(series, Tell);
}

// Those of the machine, and what its ranks take from each other where that is known.
Result<scale::Facts> FactsOf(const scale::Series& series) {
  STEMMA_ASSIGN_OR_RETURN(const scale::Contention contention, scale::ReadContention(series.folder));
  scale::Facts facts = ScaleFacts(series);
  for (const auto& [together, factor] : contention.factors()) {
    char text[120];
    std::snprintf(text, sizeof text,
                  "measured: %d trainings side by side without communication, %.2fx the step of "
                  "one alone",
                  together, factor);
    facts.emplace_back("contention of " + std::to_string(together), text);
  }
  return facts;
}

Result<int> DryRun(const scale::Series& series) {
  STEMMA_ASSIGN_OR_RETURN(const auto points, scale::PointsOf(series.shape));
  for (const scale::Point& point : points) {
    auto words = scale::LaunchWords(series.launcher, series.machine, point, series.threads);
    for (const std::string& word : scale::ChildWords(series, point)) words.push_back(word);
    Print(scale::CommandLine(words) + "\n");
  }
  return 0;
}

Status CheckAllocation(const scale::Series& series) {
  STEMMA_ASSIGN_OR_RETURN(const auto points, scale::PointsOf(series.shape));
  for (const scale::Point& point : points) {
    if (series.launcher.slurm() && series.launcher.nodes > 0 &&
        point.nodes > series.launcher.nodes) {
      return Refuse(std::to_string(point.ranks) + " ranks need " + std::to_string(point.nodes) +
                    " nodes, and this allocation has " + std::to_string(series.launcher.nodes) +
                    ": leave the count out, or ask for more");
    }
  }
  return {};
}

}  // namespace

Result<int> RunScaleSeries(const Arguments& arguments) {
  RunFlags f;
  Flags flags = FlagList(&f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  const scale::Variables environment = scale::Environment();
  STEMMA_ASSIGN_OR_RETURN(scale::Series series, ReadSeries(f, environment));
  if (!f.submit.empty()) return Submit(f, series, arguments);
  STEMMA_ASSIGN_OR_RETURN(series.launcher,
                          scale::ChooseLauncher(f.launcher, f.launcher_args, environment));
  STEMMA_RETURN_IF_ERROR(CheckAllocation(series));
  if (f.dry_run) return DryRun(series);
  if (f.fresh) STEMMA_RETURN_IF_ERROR(Forget(f.out));
  STEMMA_ASSIGN_OR_RETURN(const scale::SeriesEnd end, scale::RunSeries(series, Tell));
  // Before the report, which tells the contention; where it fails the points are reported all the
  // same.
  const Status measured = f.curve ? MeasureForPrediction(series) : Status();
  if (!end.rows.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const scale::Facts facts, FactsOf(series));
    STEMMA_RETURN_IF_ERROR(scale::WriteReport(
        {end.rows, end.failures, end.commands, facts, scale::InputOf(series), f.out}));
    STEMMA_RETURN_IF_ERROR(WritePage(f.out, end.rows));
    const std::string why = scale::WhyText(end.rows, f.out);
    Print(scale::TableText(end.rows) + (why.empty() ? "" : "\n" + why) + "\n" +
          scale::VerdictText(end.rows) + "\n" + f.out +
          "/scale.csv, scale.md, scale.json, scale.html: " + std::to_string(end.ran) +
          " points of this invocation, " + std::to_string(end.found) + " of earlier ones\n");
  }
  STEMMA_RETURN_IF_ERROR(measured);
  if (end.failures.empty()) return 0;
  Tell(std::to_string(end.failures.size()) + (end.failures.size() == 1 ? " count" : " counts") +
       " failed, as shown above; the same command again runs what is missing");
  return 1;
}

}  // namespace stemma::cli
