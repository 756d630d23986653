// The verbs of `stemma`: one file each, one table in main.cc. A verb gets the words after its name
// and returns the exit code, or a Status that main prints and turns into one. It writes results to
// stdout and nothing else there, so that a pipe sees only what was asked for.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

using Arguments = std::vector<std::string>;

struct Verb {
  const char* name;
  const char* summary;  // for `stemma help`: one line
  Result<int> (*run)(const Arguments& arguments);
};

Result<int> RunTrain(const Arguments& arguments);
Result<int> RunLog(const Arguments& arguments);
Result<int> RunFind(const Arguments& arguments);
Result<int> RunShow(const Arguments& arguments);
Result<int> RunDiff(const Arguments& arguments);
Result<int> RunFork(const Arguments& arguments);
Result<int> RunReshape(const Arguments& arguments);
Result<int> RunShuffle(const Arguments& arguments);
Result<int> RunSlice(const Arguments& arguments);
Result<int> RunStack(const Arguments& arguments);
Result<int> RunRebalance(const Arguments& arguments);
Result<int> RunMigrate(const Arguments& arguments);
Result<int> RunTag(const Arguments& arguments);
Result<int> RunUntag(const Arguments& arguments);
Result<int> RunAnnotate(const Arguments& arguments);
Result<int> RunBisect(const Arguments& arguments);
Result<int> RunDu(const Arguments& arguments);
Result<int> RunEvaluate(const Arguments& arguments);
Result<int> RunExport(const Arguments& arguments);
Result<int> RunImport(const Arguments& arguments);
Result<int> RunVerify(const Arguments& arguments);
Result<int> RunPrune(const Arguments& arguments);
Result<int> RunGc(const Arguments& arguments);
Result<int> RunScope(const Arguments& arguments);
Result<int> RunKeep(const Arguments& arguments);
Result<int> RunFsck(const Arguments& arguments);
Result<int> RunDoctor(const Arguments& arguments);
Result<int> RunTrace(const Arguments& arguments);
Result<int> RunVersion(const Arguments& arguments);
Result<int> RunBench(const Arguments& arguments);
Result<int> RunScale(const Arguments& arguments);
Result<int> RunSweep(const Arguments& arguments);
Result<int> RunBatches(const Arguments& arguments);
Result<int> RunWaveform(const Arguments& arguments);
Result<int> RunOverlap(const Arguments& arguments);
Result<int> RunGalaxy(const Arguments& arguments);
Result<int> RunGalaxyEval(const Arguments& arguments);
Result<int> RunGalaxyLabel(const Arguments& arguments);
Result<int> RunData(const Arguments& arguments);

}  // namespace stemma::cli
