#include "tools/scale/series/submit.h"

#include "tools/scale/series/child.h"

namespace stemma::scale {

Result<std::string> SlurmScript(const SlurmJob& job) {
  if (job.ranks_per_node < 1) {
    return Status(Code::kInvalidArgument,
                  "--submit=slurm: say how many ranks a node has, --ranks-per-node=4");
  }
  for (const std::string& option : job.options) {
    if (option.compare(0, 2, "--") != 0 || option.find('\n') != std::string::npos) {
      return Status(Code::kInvalidArgument, "--sbatch: '" + option +
                                                "' is no option of sbatch, as in "
                                                "--sbatch=--partition=gpu");
    }
  }
  if (job.time.empty() || job.time.find_first_not_of("0123456789:-") != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  "--time: '" + job.time + "' is no time of Slurm, as in 02:00:00");
  }
  std::string text = "#!/bin/bash\n#SBATCH --job-name=stemma-scale\n";
  text += "#SBATCH --nodes=" + std::to_string(job.nodes) + "\n";
  text += "#SBATCH --ntasks-per-node=" + std::to_string(job.ranks_per_node) + "\n";
  text += "#SBATCH --cpus-per-task=" + std::to_string(job.threads) + "\n";
  text += "#SBATCH --exclusive\n#SBATCH --time=" + job.time + "\n";
  text += "#SBATCH --output=" + CommandLine({job.log_folder + "/slurm-%j.log"}) + "\n";
  for (const std::string& option : job.options) text += "#SBATCH " + option + "\n";
  text += "set -euo pipefail\ncd " + CommandLine({job.working_folder}) + "\n";
  return text + "exec " + CommandLine(job.command) + "\n";
}

}  // namespace stemma::scale
