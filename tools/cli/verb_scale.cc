#include <algorithm>
#include <fstream>
#include <iterator>

#include "tools/cli/flags.h"
#include "tools/cli/scale_lines.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/cli/verb_scale_plot.h"
#include "tools/cli/verb_scale_run.h"
#include "tools/scale/calibration.h"
#include "tools/scale/report.h"
#include "tools/scale/series/own.h"
#include "tools/scale/simulate.h"
#include "tools/scale/validate.h"

namespace stemma::cli {
namespace {

constexpr char kHelp[] =
    "stemma scale WHAT [flags]\n\n"
    "What a training costs on many ranks. `stemma scale WHAT --help` explains one.\n\n"
    "  run         a real series here or under Slurm: how well one input scales\n"
    "  predict     a step, an epoch and the time to accuracy on a described machine\n"
    "  validate    the published points beside the model's predictions, with every error\n"
    "  plot        Figs 1 to 5: published points, the model's curves and own runs\n";

constexpr char kPredictNotes[] =
    "A machine is one that ships (hal, bridges-ai, summit, dgx-h100) or a file of the same form:\n"
    "  stemma scale predict --show-system=summit > mine.toml\n"
    "  stemma scale predict --system=mine.toml --ranks=8,64,512\n"
    "Compute times are the machine's, or measured: --calib takes what `stemma bench train --json`\n"
    "writes on one rank, for several batches.\n"
    "\n"
    "Every number of the model has a range. The interval holds 80 % of the draws; beyond 4 times\n"
    "the ranks that a machine was measured with a prediction is marked as extrapolated.\n"
    "\n"
    "  stemma scale predict --system=summit --model=aigw --ranks=48,768,1536,3072,6144\n"
    "  stemma scale predict --system=dgx-h100 --model=resnet50 --ranks=8,64,512 --gradients=fp16\n";

constexpr char kValidateNotes[] =
    "Exit code 1 when a target is missed, after everything was printed. Half of a set's points "
    "are\n"
    "fitted at most; what is held out is never fitted. Below the targets stands which data a "
    "missed\n"
    "one would need.\n";

struct PredictFlags {
  std::string system = "hal", model = "resnet50", ranks = "1,8,64", calib, show_system, csv;
  std::string overlap = "on", algo = "auto", gradients = "fp32", input = "shared";
  int64_t batch = 0, prefetch = 2, capture_every = 0, seed = 1, draws = 1000, threads = 2;
  double epochs = 0, bucket_mb = 4;
  bool sharded = false, extrapolate = false, constants = false, json = false;
};

Flags PredictFlagList(PredictFlags* f) {
  Flags flags("scale predict",
              "How long a step, an epoch and a training take on many ranks of a machine, with the\n"
              "interval in which that lies.");
  flags.Text("system", &f->system, "NAME|FILE", "the machine: a name, or a .toml file");
  flags.Text("show-system", &f->show_system, "NAME", "print a machine's file and do nothing else");
  flags.Choice("model", &f->model, scale::WorkloadNames(), "what is trained");
  flags.Text("ranks", &f->ranks, "N,N,...", "how many; the first one is the efficiency's base");
  flags.Integer("batch", &f->batch, "N", "samples per rank and step; 0: the model's usual");
  flags.Text("calib", &f->calib, "FILE", "a step that was measured here");
  flags.Choice("overlap", &f->overlap, {"on", "off"}, "calls during backward, or after it");
  flags.Choice("algo", &f->algo, scale::AlgorithmNames(), "auto: the cheapest for each size");
  flags.Choice("gradients", &f->gradients, {"fp32", "fp16"}, "what is sent");
  flags.Number("bucket-mb", &f->bucket_mb, "MIB", "cap of a bucket; 0: all gradients in one call");
  flags.Switch("sharded", &f->sharded, "ranks divide the optimizer's work and state");
  flags.Choice("input", &f->input, {"shared", "local"},
               "where input lies: shared storage, or staged");
  flags.Integer("prefetch", &f->prefetch, "N", "batches that a rank's loader is ahead");
  flags.Integer("capture-every", &f->capture_every, "STEPS", "capture a state so often; 0: never");
  flags.Number("epochs", &f->epochs, "N", "to accuracy; 0: by global batch, or the model's own");
  flags.Switch("extrapolate", &f->extrapolate, "also epochs of batches that nobody published");
  flags.Integer("draws", &f->draws, "N", "how often every uncertain number is drawn");
  flags.Integer("seed", &f->seed, "N", "equal seeds give equal results");
  flags.Integer("threads", &f->threads, "N", "that simulate; no result depends on it");
  flags.Switch("constants", &f->constants, "also every number with its range and source");
  flags.Text("csv", &f->csv, "FILE", "also as CSV; - for stdout instead of the text");
  flags.Switch("json", &f->json, "one JSON object per number of ranks instead of the text");
  flags.Notes(kPredictNotes);
  return flags;
}

Result<std::vector<int>> ParseRanks(const std::string& text) {
  std::vector<int> ranks;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const bool digits = !word.empty() && word.size() <= 8 &&
                        word.find_first_not_of("0123456789") == std::string::npos;
    const int count = digits ? std::stoi(word) : 0;
    if (count < 1 || count > 10000000) {
      return Status(Code::kInvalidArgument,
                    "--ranks: '" + word + "' is no number from 1 to 10000000, as in 48,768,6144");
    }
    ranks.push_back(count);
    begin = end + 1;
  }
  return ranks;
}

Result<scale::System> LoadSystem(const std::string& name) {
  if (name.size() < 5 || name.compare(name.size() - 5, 5, ".toml") != 0) {
    Result<scale::System> found = scale::FindSystem(name);
    if (!found.ok() && found.status().code() == Code::kNotFound) {
      return Status(Code::kInvalidArgument,
                    "--system: " + found.status().message() +
                        " (a machine of your own: a file that ends in .toml)");
    }
    return found;
  }
  std::ifstream in(name, std::ios::binary);
  if (!in) {
    return Status(Code::kInvalidArgument,
                  "--system " + name +
                      ": cannot be read; `stemma scale predict --show-system=summit` prints one to "
                      "begin with");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return scale::ReadSystem(text, name);
}

Status WriteCsv(const std::string& path, const std::string& csv) {
  if (path == "-") return Print(csv), Status();
  std::ofstream out(path, std::ios::binary);
  out << csv;
  if (!out.flush()) return {Code::kIo, "--csv " + path + ": cannot be written"};
  return {};
}

Result<scale::Workload> LoadWorkload(const PredictFlags& f) {
  if (!(f.bucket_mb >= 0)) return Status(Code::kInvalidArgument, "--bucket-mb is not negative");
  ops::OpsSettings settings;
  if (f.bucket_mb > 0) {
    settings.bucket_mb = f.bucket_mb;
    settings.first_mb = std::min(settings.first_mb, f.bucket_mb);
    settings.last_mb = std::min(settings.last_mb, f.bucket_mb);
  }
  STEMMA_ASSIGN_OR_RETURN(scale::Workload workload,
                          scale::MakeWorkload(f.model, settings, f.gradients == "fp16" ? 2 : 4));
  return f.bucket_mb > 0 ? workload : scale::OneBucket(std::move(workload));
}

Result<std::vector<scale::Prediction>> PredictAll(const PredictFlags& f,
                                                  const scale::System& system,
                                                  const scale::Workload& workload) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<int> ranks, ParseRanks(f.ranks));
  scale::Scenario scenario;
  STEMMA_ASSIGN_OR_RETURN(scenario.algorithm, scale::ParseAlgorithm(f.algo));
  scenario.local_batch = f.batch;
  scenario.overlap = f.overlap == "on";
  scenario.sharded = f.sharded;
  scenario.staging = f.input == "shared" ? scale::Staging::kShared : scale::Staging::kLocal;
  scenario.prefetch = static_cast<int>(std::max<int64_t>(0, std::min<int64_t>(f.prefetch, 1001)));
  scenario.capture_every = f.capture_every;
  scenario.epochs = f.epochs;
  scenario.extrapolate = f.extrapolate;
  const auto clamped = [](int64_t n) {  // Simulate refuses what is out of range
    return static_cast<int>(std::max<int64_t>(0, std::min<int64_t>(n, 1000001)));
  };
  const scale::Sampling sampling{static_cast<uint64_t>(f.seed), clamped(f.draws),
                                 clamped(f.threads)};
  std::vector<scale::Prediction> predictions;
  for (const int count : ranks) {
    scenario.ranks = count;
    STEMMA_ASSIGN_OR_RETURN(scale::Prediction one,
                            scale::Simulate(system, workload, scenario, sampling));
    predictions.push_back(std::move(one));
  }
  return predictions;
}

Result<int> Predict(const Arguments& arguments) {
  PredictFlags f;
  Flags flags = PredictFlagList(&f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (!f.show_system.empty()) {
    Result<std::string> text = scale::SystemText(f.show_system);
    if (!text.ok()) return Status(Code::kInvalidArgument, text.status().message());
    return Print(*text), 0;
  }
  STEMMA_ASSIGN_OR_RETURN(scale::System system, LoadSystem(f.system));
  STEMMA_ASSIGN_OR_RETURN(const scale::Workload workload, LoadWorkload(f));
  if (!f.calib.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const scale::Calibration calibration,
                            scale::ReadCalibration(f.calib, f.model));
    system = scale::WithCalibration(std::move(system), calibration);
  }
  STEMMA_ASSIGN_OR_RETURN(const auto predictions, PredictAll(f, system, workload));
  if (!f.csv.empty()) STEMMA_RETURN_IF_ERROR(WriteCsv(f.csv, scale::PredictionCsv(predictions)));
  if (f.json) {
    Print(PredictionJson(predictions));
  } else if (f.csv != "-") {
    Print(PredictionText(system, workload, predictions, f.constants));
  }
  return 0;
}

// The model against this machine's own runs instead of published ones.
Result<int> RunValidateOwn(const std::string& folder, int64_t seed, bool json) {
  STEMMA_ASSIGN_OR_RETURN(const scale::OwnValidation own,
                          scale::ValidateOwn(folder, static_cast<uint64_t>(seed)));
  Print(json ? scale::OwnJson(own) : scale::OwnText(own));
  return own.decided && own.worst <= scale::kOwnErrorAsked ? 0 : 1;
}

Result<int> RunValidate(const Arguments& arguments) {
  std::string csv, own;
  bool json = false;
  int64_t seed = 1, draws = 400;
  Flags flags(
      "scale validate",
      "Every published point beside the model's prediction: what was fitted, what was held\n"
      "out, and each error.");
  flags.Text("csv", &csv, "FILE", "also as CSV; - for stdout instead of the text");
  flags.Switch("json", &json, "one JSON object per point, target and gap in the data instead");
  flags.Integer("draws", &draws, "N", "per point");
  flags.Integer("seed", &seed, "N", "equal seeds give equal results");
  flags.Text("own", &own, "DIR",
             "instead: runs of this machine, of `stemma scale run --mode=weak --curve --out=DIR`");
  flags.Notes(kValidateNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (draws < 2 || draws > 100000) {
    return Status(Code::kInvalidArgument, "--draws: 2 to 100000");
  }
  if (!own.empty()) return RunValidateOwn(own, seed, json);
  STEMMA_ASSIGN_OR_RETURN(
      const scale::Validation validation,
      scale::Validate({static_cast<uint64_t>(seed), static_cast<int>(draws), 2}));
  if (!csv.empty()) STEMMA_RETURN_IF_ERROR(WriteCsv(csv, scale::ValidationCsv(validation)));
  if (json) {
    Print(ValidationJson(validation));
  } else if (csv != "-") {
    Print(ValidationText(validation));
  }
  for (const scale::Target& target : validation.targets) {
    if (!target.met()) return 1;
  }
  return 0;
}

}  // namespace

Result<int> RunScale(const Arguments& arguments) {
  const std::string what = arguments.empty() ? "--help" : arguments[0];
  if (what == "--help" || what == "-h") return Print(kHelp), 0;
  const Arguments words(arguments.begin() + 1, arguments.end());
  if (what == "run") return RunScaleSeries(words);
  const bool recipe = what.size() > 5 && what.compare(what.size() - 5, 5, ".toml") == 0;
  if (recipe) return RunScaleSeries(arguments);
  if (what == "predict") return Predict(words);
  if (what == "validate") return RunValidate(words);
  if (what == "plot") return RunScalePlot(words);
  return Status(Code::kInvalidArgument, "nothing of `stemma scale` is called '" + what +
                                            "'; there are run, predict, validate and plot");
}

}  // namespace stemma::cli
