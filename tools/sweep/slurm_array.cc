#include "tools/sweep/slurm_array.h"

#include <algorithm>
#include <vector>

#include "core/exit_code.h"
#include "tools/cli/shell.h"

namespace stemma::sweep {
namespace {

// How many stages lie before it that are not done.
size_t DepthOf(const StageTree& tree, const Stage& stage) {
  size_t depth = 0;
  for (StageId at = stage.parent; at != kBase; ++depth) {
    const Stage& parent = tree.stages()[static_cast<size_t>(at)];
    if (parent.done) break;
    at = parent.parent;
  }
  return depth;
}

// A fork that is there already is no error: the training that follows finds it, or says that there
// is none. A stage that stops at its end leaves with 75, and so does one that was told to stop
// before it: whether its last state is there tells the two apart, and the line ends with 0 or 75.
std::string LineFor(const OpenedSweep& sweep, const Standing& standing, const Stage& stage,
                    const ProcessOptions& options) {
  const StageRun& run = standing.runs[static_cast<size_t>(stage.id)];
  const bool has_parent = stage.parent != kBase || sweep.base.is_state;
  std::string line;
  if (has_parent && !run.is_there) {
    const std::string parent = stage.parent == kBase
                                   ? sweep.base.root
                                   : standing.runs[static_cast<size_t>(stage.parent)].name + "@" +
                                         std::to_string(stage.segment.begin);
    line = cli::Quoted(options.program) + " fork " + cli::Quoted(parent) + " --name " +
           cli::Quoted(run.name) + " --store " + cli::Quoted(options.store);
    for (const std::string& set : stage.Sets(sweep.base)) line += " --set " + cli::Quoted(set);
    line += "; ";
  }
  const Job job{run.name, "", stage.segment.end, sweep.spec.ranks_per_trial, ""};
  const std::string recipe = has_parent ? "" : options.folder + "/" + run.name + "/recipe.toml";
  const std::string code = std::to_string(kExitTryAgain);
  const std::string last = run.name + "@" + std::to_string(stage.segment.end);
  return line + TrainCommand(options, job, recipe) + " || { test $? -eq " + code + " && { " +
         cli::Quoted(options.program) + " show " + cli::Quoted(last) + " --store " +
         cli::Quoted(options.store) + " > /dev/null 2>&1 || exit " + code + "; }; }\n";
}

// srun passes the signal on to the training, which saves and leaves with 75: there is more to do.
std::string JobText(const OpenedSweep& sweep, const ProcessOptions& options) {
  std::string text = "#!/bin/bash\n#SBATCH --job-name=" + sweep.spec.name +
                     "\n#SBATCH --ntasks=" + std::to_string(sweep.spec.ranks_per_trial) + "\n";
  if (options.threads > 0) {
    text += "#SBATCH --cpus-per-task=" + std::to_string(options.threads) + "\n";
  }
  return text + "#SBATCH --output=" + cli::Quoted(options.folder + "/slurm-%A_%a.log") + "\n" +
         "#SBATCH --signal=USR1@120 --requeue --open-mode=append\n"
         "( eval \"$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" " +
         cli::Quoted(options.folder + "/stages.list") +
         ")\" )\ncode=$?\n"
         "# Saved in front of the time limit or for another job: the next start goes on.\n"
         "if [ $code -eq " +
         std::to_string(kExitTryAgain) +
         " ]; then scontrol requeue \"$SLURM_JOB_ID\"; fi\nexit $code\n";
}

std::string SubmitText(const std::string& folder, const std::vector<int>& lasts) {
  std::string text = "#!/bin/bash\n# One array for each depth of the stage tree.\nset -e\n";
  int first = 1;
  for (size_t depth = 0; depth < lasts.size(); ++depth) {
    text += "job=$(sbatch --parsable ";
    if (depth > 0) text += "--dependency=afterany:\"$job\" ";
    text += "--array=" + std::to_string(first) + "-" + std::to_string(lasts[depth]) + " \"$@\" " +
            cli::Quoted(folder + "/job.sh") + ")\n";
    first = lasts[depth] + 1;
  }
  return text + "echo \"last array: $job\"\n";
}

}  // namespace

Result<ArrayFiles> SlurmArray(const OpenedSweep& sweep, const Standing& standing,
                              const ProcessOptions& options) {
  const std::string& method = sweep.spec.method;
  if (method != "grid" && method != "random" && method != "sobol") {
    return Status(Code::kInvalidArgument,
                  "--emit=slurm-array is for grid, random and sobol, whose trials are known from "
                  "the start; method " +
                      method +
                      " decides on its way, which needs a controller: `stemma sweep run` inside "
                      "one allocation");
  }
  size_t deepest = 0;
  for (const Stage& stage : standing.tree.stages()) {
    deepest = std::max(deepest, DepthOf(standing.tree, stage));
  }
  ArrayFiles files;
  std::vector<int> lasts;
  for (size_t depth = 0; depth <= deepest; ++depth) {
    for (const Stage& stage : standing.tree.stages()) {
      if (stage.done || DepthOf(standing.tree, stage) != depth) continue;
      files.list += LineFor(sweep, standing, stage, options);
      ++files.stages;
      if (stage.parent != kBase || sweep.base.is_state) continue;
      STEMMA_ASSIGN_OR_RETURN(files.recipes[standing.runs[static_cast<size_t>(stage.id)].name],
                              RecipeOf(sweep.base, stage.Sets(sweep.base)));
    }
    if (files.stages > (lasts.empty() ? 0 : lasts.back())) lasts.push_back(files.stages);
  }
  files.depths = static_cast<int>(lasts.size());
  if (files.stages == 0) {
    return Status(Code::kInvalidArgument, "every stage of sweep '" + sweep.spec.name +
                                              "' is done: `stemma sweep run` records what came "
                                              "of them");
  }
  files.job = JobText(sweep, options);
  files.submit = SubmitText(options.folder, lasts);
  return files;
}

}  // namespace stemma::sweep
