// Stages as child processes: `stemma train`, under mpirun or srun where it has several ranks.
//
//   ProcessOptions options;
//   options.program = "/opt/stemma/bin/stemma";
//   ProcessExecutor executor(options);
//
// With `reuse` processes stay when their stage is done and train the next one (orders.h): the
// launch, LibTorch's load and the opening of the world are paid once for each slot. A job goes to
// the group whose memory holds the state that it begins with, else to the one that has waited
// longest, else to a new one. What a living group refuses is started once more in processes of its
// own, and only what those say is heard: settings of [comm] or [device], for one, cannot change in
// a process. A group that dies takes down the stage that it trained and no other.
//
// Each job has a folder of its own below `folder`, the run folder of its training, in which
// train.log holds what its processes printed. Orders lie in folder/groups, which is emptied by the
// first Start(), so groups of a controller that is dead find theirs gone, and end. When the
// controller dies, however that comes, its children save and stop (child_process.h). A training
// that outlives it all the same is fenced when its run is gone on with.
//
// Why a training failed is read from its error.json (core/error_report.h): one that says "not
// finite" has diverged, one with the code of kIo met a disk that refused.
//
// `launch` is one command that ends in {train}, with {ranks} for their number; it replaces the
// shell that starts it. Without it: nothing for one rank; `srun --exact` inside a Slurm job, with
// `threads` cores for a rank, because srun would give it one; else
// mpirun, which does not bind, because several of them would bind to the same cores. `pin` gives
// each slot cores of its own.
//
// One thread. Failure: kIo when no process can be started or a folder cannot be made.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/executor.h"
#include "tools/sweep/orders.h"

namespace stemma::sweep {

struct ProcessOptions {
  std::string program;  // of `stemma`
  std::string store = "stemma-store";
  std::string folder;  // of the sweep; made when it is not there
  std::string launch;  // "": as above
  bool reuse = true;
  bool pin = false;     // not under srun, which has its own way
  int64_t slots = 1;    // that share the cores
  int64_t threads = 0;  // of a rank, which srun gives as many cores; 0: its own default
};

// The whole command of a job, as a shell takes it. `recipe`: the file; "": a run that is there.
std::string TrainCommand(const ProcessOptions& options, const Job& job, const std::string& recipe,
                         const std::string& then = "");
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
  std::set<std::string> InMemory() const override;
  Work Measure(const std::string& run) const override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Group {
    pid_t pid = 0;
    int64_t slot = 0;
    std::optional<Job> job;             // under way
    Clock::time_point since;            // it got the job, or has none
    std::optional<OrderFolder> orders;  // nullopt: it ends with its job
    int64_t number = 1;                 // of the newest order
    int64_t ranks = 1;
    std::string run;         // of the newest order: its end is in memory
    std::string log;         // of its processes, until an order names another one
    bool is_ending = false;  // no more orders
  };

  std::string FolderOf(const std::string& run) const { return options_.folder + "/" + run; }
  std::string RecipeOf(const Job& job) const;
  Status Launch(const Job& job);
  Status Hand(Group* group, const Job& job);
  static bool IsIdle(const Group& group);
  Group* IdleFor(const Job& job);
  int64_t FreeSlot() const;
  Ended Judge(const Group& group, int code, const std::string& how) const;
  Ended JudgeEnd(const Group& group, int status) const;
  Status TakeAnswer(Group* group, std::vector<Ended>* ended);
  Result<std::vector<Ended>> Reap();

  const ProcessOptions options_;
  std::vector<Group> groups_;
  bool begun_ = false;
};

}  // namespace stemma::sweep
