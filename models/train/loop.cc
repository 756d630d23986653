#include "models/train/loop.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/random.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "models/train/autocast.h"
#include "models/train/signals.h"

namespace stemma::models {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The optimizer waits here until the capture has copied what it is about to change.
class CaptureFence final : public ops::Fence {
 public:
  CaptureFence(lineage::Capturer* capturer, double* held_up_s)
      : capturer_(capturer), held_up_s_(held_up_s) {}
  Status Wait() override {
    if (capturer_ == nullptr) return {};
    const HeldUp held_up(held_up_s_);
    return capturer_->WaitCopied();
  }

 private:
  lineage::Capturer* const capturer_;
  double* const held_up_s_;
};

}  // namespace

Loop::Loop(LoopParts parts, int64_t first_step)
    : parts_(std::move(parts)),
      recorder_(parts_.world.recorder()),
      cursor_(parts_.loader.consumed()),
      step_(first_step),
      patience_(parts_.patience),
      trace_wished_(parts_.settings.comm.diagnose.trace == "on"),
      epoch_(cursor_.epoch) {
  BeginEpoch(static_cast<int64_t>(cursor_.sample));
  const auto& from = parts_.session.from;
  if (parts_.policy.pace) pace_.emplace(*parts_.policy.pace, step_, from ? IntervalOf(*from) : 0);
  if (!from) return;
  consumed_ = from->samples;
  parent_ = from->id;
  last_state_ = StateName(*from, from->id);
  captured_step_ = durable_step_ = from->step;
  if (from->world != static_cast<uint32_t>(parts_.world.ranks())) {
    edge_ = lineage::EdgeKind::kReshape;
  }
  gated_ = parts_.resume != nullptr && parts_.workload.UseGate(parts_.resume);
}

Status Loop::Run() {
  const auto start = begun_ = Clock::now();
  recorder_.FinishedStep(step_);
  Status status;
  const auto ended = [&] { return stopping_ || ended_early_ || step_ >= parts_.total_steps; };
  while (status.ok() && !ended()) status = OneStep();
  run_s_ = Since(start);
  TellNews();
  STEMMA_RETURN_IF_ERROR(status);
  return Finish();
}

Status Loop::OneStep() {
  const auto start = Clock::now();
  const double stall_before = held_up_s_;
  times_ = {};
  const Status mine = Gradients();
  STEMMA_RETURN_IF_ERROR(Parameters());  // before Abandon; a state that cannot be had ends all
  const auto waiting = Clock::now();
  recorder_.Enter(ops::Phase::kWait);
  const Status reduced = mine.ok() ? parts_.reducer.Wait() : mine;
  if (!reduced.ok()) {
    FailAlone(reduced);
    // Launches and waits: the others are not left alone.
    parts_.reducer.Abandon({1, static_cast<double>(StepSamples())});
    STEMMA_RETURN_IF_ERROR(parts_.world.data().Health());  // or there is no boundary to meet at
    if (parts_.reducer.stuck()) return failure_;           // neither here
  }
  recorder_.Enter(ops::Phase::kControl);
  STEMMA_RETURN_IF_ERROR(ReduceLoss());
  STEMMA_RETURN_IF_ERROR(HearOfRecord());
  // After a short last batch, of which not all ranks had as many micro-batches.
  if (StepSamples() < parts_.settings.train.global_batch) {
    STEMMA_RETURN_IF_ERROR(parts_.reducer.BroadcastBuffers());
  }
  times_.wait = Since(waiting);
  const auto updating = Clock::now();
  recorder_.Enter(ops::Phase::kOptimizer);
  STEMMA_RETURN_IF_ERROR(Update().Within("step " + std::to_string(step_ + 1)));
  parts_.optimizer.Observe(loss_, static_cast<double>(samples_), epoch_ends_);
  times_.optim = Since(updating);
  recorder_.FinishedStep(++step_);
  recorder_.Enter(ops::Phase::kControl);
  SetLogStep(step_);
  STEMMA_RETURN_IF_ERROR(MaybeEndEpoch());
  STEMMA_RETURN_IF_ERROR(MaybeEvaluate());
  STEMMA_RETURN_IF_ERROR(EndStep());
  times_.capture = held_up_s_ - stall_before;
  times_.total = Since(start) - times_.evaluate;
  if (const Status told = Tell(times_); untold_.ok()) untold_ = told;
  return {};
}

// Of the global batch of the step under way; the same on all ranks, also on one that has read none
// of it. Counted from where the state was in its epoch, not from the step's number: a fork may have
// another batch, or other data, than the steps before it.
int64_t Loop::StepSamples() const {
  return std::min(parts_.settings.train.global_batch, epoch_left_);
}

// Everything of a step that needs no other rank, but the buckets that backward launches.
Status Loop::Gradients() {
  const auto& train = parts_.settings.train;
  const auto start = Clock::now();
  recorder_.Enter(ops::Phase::kData);
  if (!untold_.ok()) FailAlone(untold_);
  STEMMA_RETURN_IF_ERROR(failure_);  // waits for the boundary and contributes nothing
  STEMMA_ASSIGN_OR_RETURN(const Batch batch, parts_.loader.Next());
  times_.data = Since(start);
  cursor_ = batch.end;
  samples_ = batch.global_rows;
  epoch_ends_ = batch.end.epoch != batch.begin.epoch;
  loss_ = 0;
  for (auto& part : loss_parts_) part.second = 0;
  // A short last batch has fewer micro-batches on a rank with fewer rows, and none without rows.
  const int64_t count = std::min(train.micro_batches, batch.x.size(0));
  const ops::StepShape shape = {static_cast<int>(std::max<int64_t>(count, 1)),
                                static_cast<double>(batch.global_rows)};
  if (count == 0) {
    STEMMA_RETURN_IF_ERROR(Parameters());
    return parts_.reducer.ContributeNothing(shape);
  }
  STEMMA_RETURN_IF_ERROR(parts_.reducer.BeginStep(shape));
  try {
    for (int64_t i = 0; i < count; ++i) {
      at::manual_seed(Key({static_cast<uint64_t>(train.seed), static_cast<uint64_t>(step_),
                           static_cast<uint64_t>(parts_.world.rank()), static_cast<uint64_t>(i)}));
      STEMMA_RETURN_IF_ERROR(MicroStep(MicroBatch(batch, i, count)));
    }
  } catch (const std::exception& error) {
    STEMMA_RETURN_IF_ERROR(Parameters());  // Finish launches buckets
    const Status finished = parts_.reducer.Finish();
    // A failure of the hooks has a code of its own, and Finish knows it. What else Finish complains
    // of, such as a backward() that never ran, only follows from the exception.
    const std::string what = error.what();
    if (!finished.ok() && what.find(finished.message()) != std::string::npos) return finished;
    return {Code::kInternal, "step " + std::to_string(step_ + 1) + ": " + what};
  }
  return parts_.reducer.Finish();
}

Status Loop::MicroStep(const Batch& batch) {
  const auto forward = Clock::now();
  recorder_.Enter(ops::Phase::kForward);
  if (!gated_) STEMMA_RETURN_IF_ERROR(Parameters());
  LossParts parts;
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor loss, LossOf(batch, &parts));
  loss_ += loss.item<double>();
  times_.forward += Since(forward);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (loss_parts_.size() <= i) loss_parts_.emplace_back(parts[i].first, 0);
    loss_parts_[i].second += parts[i].second;
  }
  STEMMA_RETURN_IF_ERROR(Parameters());
  const auto backward = Clock::now();
  recorder_.Enter(ops::Phase::kBackward);
  const double scale = parts_.optimizer.loss_scale();
  (scale == 1 ? loss : loss * scale).backward();
  times_.backward += Since(backward);
  return {};
}

// Forward and loss alone run at train.precision: the guard ends before backward and the update.
Result<at::Tensor> Loop::LossOf(const Batch& batch, LossParts* parts) {
  const AutocastGuard guard(parts_.settings);
  at::Tensor loss = parts_.workload.Loss(batch, parts);
  const at::ScalarType type = loss.scalar_type();
  if (type == at::kFloat || type == at::kDouble) return loss;
  return Status(Code::kInvalidArgument,
                std::string("the loss is ") + at::toString(type) +
                    ", which loses its digits: sum it in float32, as in out.to(at::kFloat)");
}

Status Loop::Parameters() {
  return parts_.resume == nullptr ? Status() : parts_.resume->Parameters();
}

// All ranks compare what they hold: replicas are proved equal before the first update, because from
// then on they are only assumed to be.
Status Loop::EndRestore() {
  if (parts_.resume == nullptr) return {};
  STEMMA_RETURN_IF_ERROR(parts_.resume->Finish());
  parts_.resume = nullptr;
  parts_.workload.UseGate(nullptr);
  return AgreeOn(parts_.world.cohort(), {{"digest of the restored parameters",
                                          std::to_string(parts_.reducer.DigestParameters())}});
}

// The optimizer reads the reduced gradient, so all ranks get the same answer from it, unless one
// runs out of memory. The others hear of that by the control word, before this step's state can be
// recorded; a sharded optimizer is collective, so there they wait for this rank already.
Status Loop::Update() {
  STEMMA_RETURN_IF_ERROR(EndRestore());
  CaptureFence fence(parts_.capturer, &held_up_s_);
  const Status status = parts_.optimizer.Step(step_, fence);
  if (!status.ok() && status.code() == Code::kNotFinite) return NameNonFinite(status);
  const bool collective = parts_.world.ranks() == 1 || parts_.reducer.shard().ranks > 1;
  if (!status.ok() && (collective || status.code() == Code::kPeerLost)) return status;
  if (!status.ok()) FailAlone(Status(status).Within("step " + std::to_string(step_ + 1)));
  const int64_t every = parts_.settings.ops.digest_every;
  if (every <= 0 || (step_ + 1) % every != 0) return {};
  STEMMA_RETURN_IF_ERROR(Agree(parts_.world.cohort(), failure_));  // before what follows from it
  return parts_.reducer.CompareReplicas();
}

// With validate.weights = average the averages take the parameters' place meanwhile. Not after a
// failure: it ends the run, and the way back needs all ranks.
Result<Score> Loop::Judge(const std::function<bool()>& unwanted) {
  if (parts_.settings.validate.weights != "average") return parts_.evaluation->Run(unwanted);
  CaptureFence fence(parts_.capturer, &held_up_s_);
  STEMMA_RETURN_IF_ERROR(parts_.optimizer.SwapAverage(fence));
  STEMMA_ASSIGN_OR_RETURN(Score score, parts_.evaluation->Run(unwanted));
  STEMMA_RETURN_IF_ERROR(parts_.optimizer.SwapAverage(fence));
  return score;
}

// With ops.check_finite=bucket the rank whose gradient it was knows more than the sum shows.
Status Loop::NameNonFinite(const Status& refused) {
  STEMMA_ASSIGN_OR_RETURN(const auto all,
                          parts_.world.cohort().AllGather(parts_.reducer.non_finite()));
  std::string who;
  for (const std::string& text : all) {
    if (!text.empty()) who += "; " + text;
  }
  return {refused.code(), refused.message() + who};
}

Status Loop::EndStep() {
  ops::Mine mine;
  Encoder agree;
  agree.Raw(parts_.reducer.plan().digest);
  agree.U64(parts_.reducer.launched_digest());
  // A rank that failed reads no data; its cursor is that of the step it failed in.
  if (failure_.ok()) {
    agree.U64(cursor_.epoch);
    agree.U64(cursor_.sample);
  }
  mine.agree = failure_.ok() ? Xxh64(agree.bytes()) : 0;
  mine.text = failure_.ok()
                  ? "cursor " + std::to_string(cursor_.epoch) + ":" + std::to_string(cursor_.sample)
                  : failure_.message();
  if (!failure_.ok()) {
    mine.any |= ops::kAnyFailed;
    mine.code = failure_.code();
  }
  Wishes(&mine);
  lineage::CaptureBits bits;
  if (parts_.capturer != nullptr) bits = parts_.capturer->Poll();
  if (bits.written) mine.all |= ops::kAllCaptureWritten;
  if (bits.failed) mine.any |= ops::kAnyCaptureFailed;
  mine.audit = bits.audit;
  if (trace_wished_ || parts_.world.rank() != 0) mine.all |= ops::kAllTrace;
  STEMMA_ASSIGN_OR_RETURN(ops::Verdict verdict, parts_.world.control().EndStep(step_ - 1, mine));
  if (verdict.step >= 0) parts_.world.SetTrace((verdict.all & ops::kAllTrace) != 0);
  verdict.any |= std::exchange(read_early_, 0);
  STEMMA_RETURN_IF_ERROR(Advance(verdict));
  TellNews();
  STEMMA_RETURN_IF_ERROR(MaybeCapture(verdict));
  return MaybeHandOver();
}

// Signals on any rank; the files STOP, SAVE and TRACE are looked for by rank 0, now and then. With
// a peer dead a signal is the launcher's cleaning up, and no state can be saved any more.
void Loop::Wishes(ops::Mine* mine) {
  const SignalWishes wishes = TakeSignalWishes();
  if (wishes.stop && !parts_.world.PeerGone()) {
    mine->any |= ops::kAnyStop;
    wish_name_ = wishes.name;
  }
  if (wishes.capture) mine->any |= ops::kAnyCapture;
  const int64_t stop_at = parts_.settings.train.stop_at;  // each rank knows why it stops
  if (stop_at > 0 && step_ >= stop_at) {
    mine->any |= ops::kAnyStop;
    if (wish_name_.empty()) wish_name_ = "train.stop_at";
  }
  if (parts_.world.rank() != 0) return;
  if (last_look_ && Since(*last_look_) < parts_.settings.train.stop_check_s) return;
  last_look_ = Clock::now();
  if (parts_.folder.StopAsked()) {
    mine->any |= ops::kAnyStop;
    wish_name_ = "the file STOP";
  }
  if (parts_.folder.TakeSave()) mine->any |= ops::kAnyCapture;
  trace_wished_ = parts_.folder.TraceAsked(parts_.settings.comm.diagnose.trace == "on");
}

void Loop::FailAlone(const Status& status) {
  if (!failure_.ok()) return;
  failure_ = status;
  parts_.on_failure(status);
}

// The last words are read before the last state is committed: no state of a step that the ranks
// disagree about is ever recorded.
Status Loop::Finish() {
  recorder_.Enter(ops::Phase::kEnd);
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const auto word, parts_.world.control().Drain());
    if (!word) break;
  }
  STEMMA_RETURN_IF_ERROR(Agree(parts_.world.cohort(), failure_));
  if (parts_.world.rank() == 0) {
    if (const Status synced = parts_.metrics.Sync(); untold_.ok()) untold_ = synced;
  }
  if (parts_.capturer == nullptr) return Agree(parts_.world.cohort(), untold_);
  const ops::Section section(recorder_, "writing of the last state",
                             parts_.binding.PatienceSeconds());
  STEMMA_RETURN_IF_ERROR(FinishInFlight());
  FinishKeeper();
  STEMMA_RETURN_IF_ERROR(Agree(parts_.world.cohort(), untold_));
  if (captured_step_ != step_ || durable_step_ == step_) return {};
  return Status(parts_.capturer->last_failure()).Within("the last state was not saved");
}

}  // namespace stemma::models
