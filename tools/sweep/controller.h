// Runs a sweep: looks what the lineage holds, computes what is ready, has it trained, and records
// what came of it. It has no state of its own. Killed at any moment it loses nothing: its successor
// reads the same records and states, no finished stage is trained again, and one that was under way
// goes on from its last state.
//
//   Controller controller(std::move(opened), std::move(sweep), *method, executor, options, clock);
//   STEMMA_ASSIGN_OR_RETURN(const Ending ending, controller.Run());
//
// One turn: read the store; record outcomes of trials whose stage is done; record what the method
// decides and proposes; fork and start the most urgent ready stages while slots are free; wait.
// Each record is durable before anything rests on it, and each act is one that may be done twice: a
// stage's run is named by what it trains (plan.h), so a successor finds it instead of making it
// again.
//
// A stage whose loss is not finite is lost, as is one that its program refuses, or that ended
// `retries` + 1 times without reaching its end. All trials that go through it have the worst
// result; the sweep goes on. One that saved more steps and stopped in order, as when its processes
// are pre-empted, goes on uncounted. Where the disk refused that often the sweep ends instead: a
// full disk is no result of a trial, and the same command goes on once there is room.
//
// Owner: `stemma sweep`. One thread. Failure: as Seat, the store, the method, and Executor::Start;
// kInvalidArgument for a metric that states do not have; kIo where trainings met a disk that
// refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/collect.h"
#include "tools/cli/open_store.h"
#include "tools/sweep/executor.h"
#include "tools/sweep/method.h"
#include "tools/sweep/opening.h"
#include "tools/sweep/seat.h"
#include "tools/sweep/standing.h"

namespace stemma::sweep {

// Whose states keep their bytes.
enum class Keeping {
  kAll,
  kRunning,  // stages that only stopped trials passed are pruned as soon as that is known
  kWinner,   // and at the end all but the winner's path
};

struct ControllerOptions {
  int64_t retries = 2;
  Keeping keeping = Keeping::kRunning;
  double wait_s = 2;  // between looks at stop_asked while trainings run
  SeatOptions seat;
  std::function<bool()> stop_asked = [] { return false; };
  std::function<void(const std::string&)> say = [](const std::string&) {};  // a line for people
};

enum class Ending {
  kOver,     // nothing is left to do
  kStopped,  // as was asked: run it again to go on
};

class Controller {
 public:
  // `method`, `executor` and `clock` outlive it.
  Controller(cli::OpenedStore opened, OpenedSweep sweep, const Method& method, Executor& executor,
             ControllerOptions options, lineage::GcClock& clock);

  Result<Ending> Run();

  // As of the last turn.
  const Journal& journal() const { return sweep_.journal; }

 private:
  Status Begin();
  Result<Ending> Turns();
  Status Look();
  Status Judge();
  Status Failed(const std::string& key, const Ended& ended);
  Status Record();
  Result<bool> RecordOutcomes();
  Result<std::optional<Outcome>> OutcomeOf(const Trial& trial) const;
  Status Note(const Event& event);
  Status Book();
  Status Prune(const std::set<TrialId>& live, const std::string& why);
  std::set<TrialId> Live() const;
  Status StartReady();
  Status Start(const Stage& stage);
  Status Hear();
  Status End();
  std::vector<StageId> Startable() const;
  StageId Next(const std::vector<StageId>& startable) const;
  bool IsScopeOpen() const;
  const std::string& name() const { return sweep_.spec.name; }
  const History& history() const { return sweep_.journal.history; }

  cli::OpenedStore opened_;
  OpenedSweep sweep_;
  const Method& method_;
  Executor& executor_;
  const ControllerOptions options_;
  lineage::GcClock& clock_;
  JournalWriter writer_;
  std::optional<Seat> seat_;
  std::optional<Standing> standing_;
  struct Running {
    std::string key;      // of its stage
    int64_t reached = 0;  // where it began or went on
  };
  std::map<std::string, Running> running_;  // by run
  std::vector<Ended> ended_;                // heard of, not judged
  std::map<std::string, double> lasted_;    // run -> seconds of its processes, as heard of
  std::set<lineage::StateId> members_;      // added to the scope by this controller
  size_t pruned_stages_ = 0;
  bool stopping_ = false;
};

}  // namespace stemma::sweep
