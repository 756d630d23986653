// Stages as child processes: `stemma train`, under mpirun or srun where it has several ranks.
//
//   ProcessOptions options;
//   options.program = "/opt/stemma/bin/stemma";
//   ProcessExecutor executor(options);
//
// Each job has a folder of its own below `folder`, the run folder of its training, in which
// train.log holds what its processes printed. When the controller dies, however that comes, the
// kernel sends its children SIGUSR1: they save and stop. A training that outlives it all the same
// is fenced when its run is gone on with.
//
// Why a training failed is read from its error.json (core/error_report.h): one that says "not
// finite" has diverged.
//
// `launch` is one command that ends in {train}, with {ranks} for their number; it replaces the
// shell that starts it. Without it: nothing for one rank; `srun --exact` inside a Slurm job; else
// mpirun, which does not bind, because several of them would bind to the same cores.
//
// One thread. Failure: kIo when no process can be started or a folder cannot be made.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/executor.h"

namespace stemma::sweep {

struct ProcessOptions {
  std::string program;  // of `stemma`
  std::string store = "stemma-store";
  std::string folder;  // of the sweep; made when it is not there
  std::string launch;  // "": as above
};

// The whole command of a job, as a shell takes it. `recipe`: the file; "": a run that is there.
std::string TrainCommand(const ProcessOptions& options, const Job& job, const std::string& recipe);
// kInvalidArgument for a launch line without {train}.
Status CheckLaunchLine(const std::string& launch);

class ProcessExecutor final : public Executor {
 public:
  explicit ProcessExecutor(ProcessOptions options) : options_(std::move(options)) {}
  // Asks what still runs to stop, and waits for it for some seconds.
  ~ProcessExecutor() override;

  Status Start(const Job& job) override;
  Result<std::vector<Ended>> Wait(double seconds) override;
  void Stop() override;
  Work Measure(const std::string& run) const override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Child {
    std::string run;
    Clock::time_point started;
  };
  std::string FolderOf(const std::string& run) const { return options_.folder + "/" + run; }
  Ended Judge(const Child& child, int status) const;
  std::vector<Ended> Reap();

  const ProcessOptions options_;
  std::map<pid_t, Child> children_;
};

}  // namespace stemma::sweep
