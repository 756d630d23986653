// The training loop: one step after the other until the end, a stop that all ranks agreed on, or a
// failure. Straight-line code; the only callback in it is autograd's hook inside backward().
//
//   batch     loader.Next()
//   gradient  loss.backward(): buckets are reduced while it runs; then the ranks meet, and hear of
//             a record that was on its way
//   update    optimizer.Step(): waits for the capture that still copies (the fence), then changes
//   judge     evaluate held-out samples if due: before the capture, whose record has the result
//   agree     control word: step, plan, cursor equal? stop? capture? everybody's part written?
//   remember  capture if due; append the record of one that has become durable
//   tell      one line of metrics
//
// Owned and called by Train (trainer.h); everything it is given outlives it. The loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/capturer.h"
#include "lineage/keep/keeper.h"
#include "models/data/loader.h"
#include "models/train/binding.h"
#include "models/train/evaluation.h"
#include "models/train/live_state.h"
#include "models/train/metrics.h"
#include "models/train/pace.h"
#include "models/train/patience.h"
#include "models/train/progress.h"
#include "models/train/resume.h"
#include "models/train/run_folder.h"
#include "models/train/session.h"
#include "models/train/settings.h"
#include "models/train/workload.h"
#include "ops/reducer.h"
#include "ops/world.h"
#include "optim/optimizer.h"

namespace stemma::models {

// What the run's settings say about its captures.
struct CapturePolicy {
  lineage::KeepRules keep;
  std::optional<PaceLimits> pace;  // nullopt: every lineage.every steps
};
Result<CapturePolicy> PolicyOf(const lineage::LineageSettings& settings);

struct LoopParts {
  const RunSettings& settings;
  ops::World& world;
  Workload& workload;
  ops::Reducer& reducer;
  optim::Optimizer& optimizer;
  Loader& loader;
  Binding& binding;
  lineage::Capturer* capturer;  // null: no captures
  const CapturePolicy& policy;
  lineage::Keeper* keeper;  // rank 0; null: no captures
  Session& session;
  RunFolder& folder;       // rank 0 writes
  MetricsFile& metrics;    // rank 0
  Progress& progress;      // rank 0
  lineage::Record record;  // what does not change from capture to capture
  int64_t dataset_size;
  int64_t total_steps;
  Evaluation* evaluation;                         // null: validate.every is ""
  int64_t validate_every;                         // steps
  Patience patience;                              // of the state, where it has one
  std::function<void(const Status&)> on_failure;  // of this rank alone, while it is where it failed
  Resume* resume;  // of the state, still under way; null: all is there already
  const HandOver& hand_over;
  const std::map<std::string, lineage::AttributeValue>& root_attributes;  // of a first state alone
};

// Adds the seconds of its own life: what captures made the loop wait.
class HeldUp {
 public:
  explicit HeldUp(double* sum) : sum_(sum) {}
  ~HeldUp() {
    *sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  }
  HeldUp(const HeldUp&) = delete;
  HeldUp& operator=(const HeldUp&) = delete;

 private:
  double* const sum_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// "laptop@400 (5be1c07d)".
std::string StateName(const lineage::Record& record, const lineage::StateId& id);
// Steps from this state to the next capture, where lineage.budget chose them; 0 where it did not.
int64_t IntervalOf(const lineage::Record& record);

class Loop {
 public:
  Loop(LoopParts parts, int64_t first_step);

  // OK: the end was reached or a stop was agreed on, and what was captured is durable.
  Status Run();

  int64_t step() const { return step_; }                         // completed steps
  const std::string& stopped_by() const { return stopped_by_; }  // "" when the end was reached
  const std::string& last_state() const { return last_state_; }  // "laptop@400 (5be1c07d)"
  // Copies, waits at the fence, commits: all that the loop did for captures between its steps.
  double capture_stall_s() const { return held_up_s_; }
  double run_s() const { return run_s_; }

 private:
  struct StepTimes {
    double data = 0, forward = 0, backward = 0, wait = 0, optim = 0, capture = 0, total = 0;
    double evaluate = 0;  // beside the step, not part of it
  };

  Status OneStep();
  int64_t StepSamples() const;
  Status Gradients();  // may fail on this rank alone
  Status MicroStep(const Batch& batch);
  Result<at::Tensor> LossOf(const Batch& batch, LossParts* parts);
  Status ReduceLoss();
  Status NonFiniteLoss();
  void FindSlowest(std::vector<double> own_s);
  Status Update();
  Status Parameters();  // are there; what of a restore comes before any bucket
  Status EndRestore();
  Status NameNonFinite(const Status& refused);
  Status MaybeEndEpoch();
  void BeginEpoch(int64_t sample);
  Status MaybeEvaluate();
  Result<Score> Judge(const std::function<bool()>& unwanted);
  void Conclude();
  Status Tell(const StepTimes& times);
  Status EndStep();
  void Wishes(ops::Mine* mine);
  Status Advance(const ops::Verdict& verdict);
  Status HearOfRecord();
  Status Settle(bool written, bool failed, bool audit_equal);
  Status MaybeCapture(const ops::Verdict& verdict);
  Status Capture(lineage::Reason reason);
  Status MaybeHandOver();
  Status Finish();
  Status FinishInFlight();
  void Acknowledge(const lineage::Durable& durable, bool waited);
  void TellMissed();
  void TellPace();
  void TellNews();
  void FinishKeeper();
  void FailAlone(const Status& status);  // told to all ranks by the next control word

  LoopParts parts_;
  ops::FlightRecorder& recorder_;
  Cursor cursor_;
  int64_t step_;
  int64_t ignore_verdicts_to_ = -1;  // they were posted before a capture was committed
  bool gated_ = false;               // Loss waits for what it needs by itself
  uint32_t read_early_ = 0;          // wishes of a word that was read before its turn
  bool in_flight_ = false;
  bool stopping_ = false;
  bool ended_early_ = false;  // by train.stop_patience
  Patience patience_;
  Score score_;  // of this step; empty: it was not evaluated
  bool trace_wished_;
  int64_t captured_step_ = -1, durable_step_ = -1;
  std::optional<CapturePace> pace_;
  int64_t logged_interval_ = 0, told_interval_ = 0;
  bool missing_ = false;  // the newest capture that ended was dropped
  uint64_t missed_told_ = 0;
  double held_up_s_ = 0;
  Status failure_;  // of this rank alone, not yet agreed on
  Status untold_;   // what could not be written for people; ends the run, but loses no state
  std::string stopped_by_, wish_name_, last_state_;
  lineage::StateId parent_;
  lineage::Record durable_;  // the newest of this incarnation
  lineage::EdgeKind edge_ = lineage::EdgeKind::kTrain;
  LossParts loss_parts_;  // local sums of this step; after ReduceLoss global means
  double loss_ = 0;
  double slowest_rank_ = 0, slowest_late_s_ = 0;
  int64_t samples_ = 0;    // of this step's global batch
  uint64_t consumed_ = 0;  // samples of all steps so far
  uint64_t epoch_ = 0;     // of the next step, and the steps and samples that are left of it
  int64_t epoch_steps_ = 0, epoch_left_ = 0;
  bool epoch_ends_ = false;  // with it
  StepTimes times_;
  double run_s_ = 0;
  std::chrono::steady_clock::time_point begun_;
  std::optional<std::chrono::steady_clock::time_point> last_look_;  // for STOP, SAVE, TRACE
};

}  // namespace stemma::models
