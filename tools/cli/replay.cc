#include "tools/cli/replay.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "core/exit_code.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "tools/cli/fork_run.h"
#include "tools/cli/shell.h"
#include "tools/cli/state_diff.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

using lineage::NameOfState;
using lineage::Record;

constexpr char kTrain[] = "{train}", kRanks[] = "{ranks}";

std::string Replaced(std::string text, const std::string& word, const std::string& with) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + with.size())) {
    text.replace(at, word.size(), with);
  }
  return text;
}

// A replay is one training: no fork, reshape or import lies on its way.
Status CheckWay(const lineage::Graph& graph, const Record& good, const Record& bad) {
  for (lineage::StateId id = bad.id; id != good.id;) {
    const Record& record = graph.states.at(id);
    if (lineage::HowMade(record) != lineage::EdgeKind::kTrain) {
      return {Code::kInvalidArgument,
              NameOfState(record) + " was made by " + NameOf(lineage::HowMade(record)) +
                  ", so no replay leads from " + NameOfState(good) + " to " + NameOfState(bad) +
                  ": give two states of one run that was trained on one number of ranks"};
    }
    id = record.parents.front().parent;
  }
  return {};
}

std::string CommandLine(const std::string& run, const Record& bad, const std::string& store,
                        const std::string& launch) {
  std::error_code ignored;  // a program that cannot be found by that is looked for by its name
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::string train =
      Quoted(ignored ? "stemma" : self.string()) + " train --run " + Quoted(run) + " --store " +
      Quoted(store) + " --set lineage.every=1 --set lineage.on_failure=stop --set train.stop_at=" +
      std::to_string(bad.step) + " --progress=off";
  std::string line = launch;
  if (line.empty()) line = bad.world == 1 ? kTrain : std::string("mpirun -n {ranks} ") + kTrain;
  return Replaced(Replaced(line, kRanks, std::to_string(bad.world)), kTrain, train);
}

// A state of every step, the last of which is the bad one's.
Result<std::vector<lineage::StateId>> LineOf(const lineage::Graph& graph, const std::string& run,
                                             const Record& good, const Record& bad) {
  std::vector<lineage::StateId> line = MainLine(graph, graph.runs.at(run));
  std::reverse(line.begin(), line.end());
  line.erase(std::remove_if(line.begin(), line.end(),
                            [&](const auto& id) { return graph.states.at(id).step > bad.step; }),
             line.end());
  int64_t step = good.step;
  for (const lineage::StateId& id : line) {
    if (graph.states.at(id).step == step) ++step;
  }
  if (step == bad.step + 1 && line.size() == static_cast<size_t>(step - good.step)) return line;
  return Status(Code::kIo, "the replay in run " + run + " has no state of step " +
                               std::to_string(step) + ": its output above says why");
}

Status CheckSame(const lineage::Store& store, const Record& bad, const Record& replayed) {
  STEMMA_ASSIGN_OR_RETURN(const TensorDiff diff, DiffTensors(store, bad, replayed, 0));
  if (diff.identical()) return {};
  return {Code::kIncompatible,
          NameOfState(replayed) + " of the replay is not " + NameOfState(bad) +
              " bit for bit, so its steps say nothing of that run: another build, processor or "
              "number of threads; `stemma diff " +
              NameOfState(bad) + " " + NameOfState(replayed) + "` shows where they part"};
}

}  // namespace

Status CheckLaunch(const std::string& launch) {
  if (launch.find(kTrain) != launch.npos) return {};
  return {Code::kInvalidArgument, "--launch=" + launch +
                                      ": the place of the training is missing, as in 'srun -n "
                                      "{ranks} {train}'"};
}

Result<Replay> ReplaySteps(const OpenedStore& opened, const Record& good, const Record& bad,
                           const std::string& store_path, const std::string& launch, bool say) {
  STEMMA_RETURN_IF_ERROR(CheckWay(opened.graph, good, bad));
  STEMMA_ASSIGN_OR_RETURN(const MadeFork made, MakeForkWithOwnName(opened, good, "-replay", {}));
  const std::string line = CommandLine(made.name, bad, store_path, launch);
  if (say) {
    const auto steps = static_cast<uint64_t>(bad.step - good.step);
    Print("replay of " + std::to_string(steps) + " steps as run " + made.name + ", " +
          HumanBytes(steps * bad.logical_bytes) + " of states: " + line + "\n");
    std::fflush(stdout);
  }
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  STEMMA_ASSIGN_OR_RETURN(const int code, RunShell(line, std::move(environment)));
  if (code != kExitDone && code != kExitTryAgain) {
    return Status(Code::kIo, "the replay left with " + std::to_string(code) +
                                 "; its output above says why, and run " + made.name +
                                 " is what it has left");
  }
  Replay replay;
  replay.run = made.name;
  STEMMA_ASSIGN_OR_RETURN(replay.opened, OpenStore(store_path));
  const lineage::Graph& graph = replay.opened.graph;
  STEMMA_ASSIGN_OR_RETURN(replay.line, LineOf(graph, made.name, good, bad));
  STEMMA_RETURN_IF_ERROR(CheckSame(*replay.opened.store, bad, graph.states.at(replay.line.back())));
  return replay;
}

}  // namespace stemma::cli
