#include "tools/scale/series/launch.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

extern char** environ;

namespace stemma::scale {
namespace {

std::string ValueOf(const Variables& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

std::string OnPath(const std::string& program, const Variables& environment) {
  std::istringstream folders(ValueOf(environment, "PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

int RanksOfNode(const Point& point) { return (point.ranks + point.nodes - 1) / point.nodes; }

}  // namespace

Variables Environment() {
  Variables variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

std::vector<std::string> WordsOf(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Result<Launcher> ChooseLauncher(const std::string& asked, const std::string& extra,
                                const Variables& environment) {
  const bool allocation = !ValueOf(environment, "SLURM_JOB_ID").empty();
  const bool slurm = asked == "srun" || (asked == "auto" && allocation);
  if (asked != "auto" && asked != "srun" && asked != "mpirun") {
    return Status(Code::kInvalidArgument,
                  "--launcher: '" + asked + "' is none of auto, mpirun and srun");
  }
  if (slurm && !allocation) {
    return Status(Code::kInvalidArgument,
                  "--launcher=srun, but this is no Slurm allocation: --submit=slurm writes a job "
                  "to hand in, and salloc gives an allocation");
  }
  Launcher launcher;
  launcher.kind = slurm ? Launcher::Kind::kSrun : Launcher::Kind::kMpirun;
  launcher.extra = WordsOf(extra);
  const std::string name = slurm ? "srun" : "mpirun";
  launcher.program = OnPath(name, environment);
  if (launcher.program.empty()) {
    return Status(Code::kNotFound,
                  name + " is not on PATH: " +
                      (slurm ? "load Slurm's module, or take --launcher=mpirun"
                             : "install Open MPI or load its module; inside Slurm srun is taken"));
  }
  if (allocation) {
    launcher.nodes = std::atoi(ValueOf(environment, "SLURM_JOB_NUM_NODES").c_str());
    launcher.hosts = ValueOf(environment, "SLURM_JOB_NODELIST");
  }
  return launcher;
}

bool Oversubscribed(const Machine& machine, const Point& point, int threads) {
  const int ranks = RanksOfNode(point);
  if (machine.on_gpu && machine.gpus > 0) return ranks > machine.gpus;
  return static_cast<int64_t>(ranks) * threads > machine.cores;
}

std::vector<std::string> LaunchWords(const Launcher& launcher, const Machine& machine,
                                     const Point& point, int threads) {
  const bool crowded = Oversubscribed(machine, point, threads);
  std::vector<std::string> words = {launcher.program};
  if (launcher.slurm()) {
    words.insert(
        words.end(),
        {"--nodes=" + std::to_string(point.nodes), "--ntasks=" + std::to_string(point.ranks),
         "--cpus-per-task=" + std::to_string(threads), "--kill-on-bad-exit=1"});
    if (crowded) words.emplace_back("--overcommit");
  } else {
    words.insert(words.end(), {"-n", std::to_string(point.ranks), "--bind-to", "none"});
    if (point.nodes > 1) {
      words.insert(words.end(),
                   {"--map-by", "ppr:" + std::to_string(RanksOfNode(point)) + ":node"});
    }
    if (crowded) words.emplace_back("--oversubscribe");
  }
  words.insert(words.end(), launcher.extra.begin(), launcher.extra.end());
  return words;
}

}  // namespace stemma::scale
