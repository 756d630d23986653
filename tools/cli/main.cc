// `stemma`: the verbs that look at, name and branch states. Free of LibTorch, MPI and CUDA, so that
// looking is instant; `train` becomes stemma-engine.
#include <cstdio>
#include <string>
#include <vector>

#include "core/exit_code.h"
#include "core/text.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

constexpr Verb kVerbs[] = {
    {"train", "go on with a run until it is complete", RunTrain},
    {"log", "what states exist, and from what each was made", RunLog},
    {"find", "the states that a query selects", RunFind},
    {"show", "one state: what it holds and how it was made", RunShow},
    {"diff", "what differs between two states", RunDiff},
    {"evaluate", "a state's loss and accuracy on samples that it never saw", RunEvaluate},
    {"fork", "a new run that begins at an existing state", RunFork},
    {"reshape", "a state for another number of ranks, as a new run", RunReshape},
    {"shuffle", "a state in front of another order of the data, as a new run", RunShuffle},
    {"slice", "a part of a state, as a new one", RunSlice},
    {"stack", "several states in one: an ensemble, or a merge", RunStack},
    {"rebalance", "the same state in packs of equal size", RunRebalance},
    {"migrate", "states with all they need into another store", RunMigrate},
    {"tag", "a human name for a state", RunTag},
    {"untag", "take such a name away; its history stays", RunUntag},
    {"annotate", "a note on a state", RunAnnotate},
    {"bisect", "the first bad state between a good one and a bad one", RunBisect},
    {"du", "what states keep on the disk, and what pruning them would free", RunDu},
    {"export", "a state's tensors as plain files: safetensors, torch.load", RunExport},
    {"import", "tensors of safetensors or torch.save as a new run's first state", RunImport},
    {"verify", "is every byte of these states what was written", RunVerify},
    {"prune", "give up the bytes of states; their place in the tree stays", RunPrune},
    {"gc", "free the bytes that nothing wants", RunGc},
    {"scope", "a lifetime that states share", RunScope},
    {"keep", "states whose bytes stay, whatever rules prune", RunKeep},
    {"fsck", "is everything in the store whole", RunFsck},
    {"doctor", "will it work on this machine", RunDoctor},
    {"trace", "all ranks' traces of a run in one file, on one time axis", RunTrace},
    {"bench", "how fast are the parts: collective calls, steps of training, data", RunBench},
    {"scale", "how a training scales: measured, predicted, validated", RunScale},
    {"sweep", "search settings by forking: trials that begin alike are trained once", RunSweep},
    {"batches", "how far the batch can grow: LAMB, SGD and Adam on a recipe", RunBatches},
    {"waveform", "the gravitational wave that aigw's network sees, as CSV", RunWaveform},
    {"overlap", "how well a trained aigw reads held-out mergers", RunOverlap},
    {"galaxy", "a simulated galaxy that aides's network sees, as a picture", RunGalaxy},
    {"galaxy-eval", "how well a state of aides tells galaxies apart", RunGalaxyEval},
    {"galaxy-label", "a state's labels for unlabelled galaxies, to train on", RunGalaxyLabel},
    {"data", "images and waveforms on a disk: pack, check, write them", RunData},
    {"version", "which Stemma this is", RunVersion},
};

std::string HelpText() {
  std::string text =
      "Stemma trains neural networks on many ranks and keeps the family tree of every state.\n"
      "\n"
      "  stemma VERB [flags]         `stemma VERB --help` explains one\n"
      "\n";
  for (const Verb& verb : kVerbs) text += "  " + Padded(verb.name, 14) + verb.summary + "\n";
  return text +
         "\nA state is named r50@ (newest of run r50), r50@12000, r50@<=12000, r50@~2, tag:NAME,\n"
         "by eight digits of its id, or by a query that selects one: 'best(val_loss)', see\n"
         "`stemma find --help`. Exit codes: 0 done, 1 failed, 2 wrong command, 75 try again.\n";
}

const Verb* FindVerb(const std::string& name) {
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return &verb;
  }
  return nullptr;
}

int UnknownVerb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) names.push_back(verb.name);
  const std::string meant = Nearest(name, names);
  const std::string hint =
      meant.empty() ? "; `stemma help` lists all" : "; did you mean `stemma " + meant + "`?";
  std::fprintf(stderr, "stemma: unknown verb '%s'%s\n", name.c_str(), hint.c_str());
  return kExitUsage;
}

int RunVerb(const Verb& verb, const Arguments& arguments) {
  const Result<int> result = verb.run(arguments);
  const bool printed = std::fflush(stdout) == 0;
  if (result.ok() && printed) return *result;
  if (result.ok()) {
    std::perror("stemma: cannot write the output");
    return kExitFailed;
  }
  std::fprintf(stderr, "stemma %s: %s\n", verb.name, result.status().message().c_str());
  return ExitCodeFor(result.status());
}

int Main(Arguments arguments) {
  if (arguments.empty()) {
    std::fputs(HelpText().c_str(), stderr);
    return kExitUsage;
  }
  std::string name = arguments.front();
  arguments.erase(arguments.begin());
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version") name = "version";
  if (name == "help" && arguments.empty()) {
    Print(HelpText());
    return kExitDone;
  }
  if (name == "help") {  // `stemma help fork` is `stemma fork --help`
    name = arguments.front();
    arguments = {"--help"};
  }
  const Verb* verb = FindVerb(name);
  return verb ? RunVerb(*verb, arguments) : UnknownVerb(name);
}

}  // namespace
}  // namespace stemma::cli

int main(int argc, char** argv) {
  return stemma::cli::Main(std::vector<std::string>(argv + 1, argv + argc));
}
