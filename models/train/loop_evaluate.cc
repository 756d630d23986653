// What the loop does between steps for the data's sake: the end of an epoch, and evaluations: when
// one is due, what follows from its loss, and what is said of it.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

#include "core/cohort.h"
#include "core/log.h"
#include "models/train/loop.h"
#include "models/train/signals.h"

namespace stemma::models {
namespace {

// Whether rate or end follow from evaluations.
bool LooksAtLoss(const RunSettings& settings) {
  const auto& optim = settings.optim;
  return settings.train.stop_patience > 0 ||
         (optim.schedule == "plateau" && optim.plateau_on == "val_loss");
}

}  // namespace

// From position `sample` of epoch_ on. An epoch of which less than a batch is left is over.
void Loop::BeginEpoch(int64_t sample) {
  const auto& train = parts_.settings.train;
  epoch_left_ = parts_.dataset_size - sample;
  const int64_t rest = train.last_batch == "short" ? train.global_batch - 1 : 0;
  epoch_steps_ = (epoch_left_ + rest) / train.global_batch;
  if (epoch_steps_ > 0) return;
  ++epoch_;
  epoch_left_ = parts_.dataset_size;
  epoch_steps_ = std::max<int64_t>((parts_.dataset_size + rest) / train.global_batch, 1);
}

// Counted in steps, which all ranks have alike: one that failed does not know where its batch
// ended.
Status Loop::MaybeEndEpoch() {
  const int64_t samples = StepSamples();
  consumed_ += static_cast<uint64_t>(samples);
  epoch_left_ -= samples;
  if (--epoch_steps_ > 0) return {};
  const uint64_t ended = epoch_++;
  BeginEpoch(0);
  STEMMA_RETURN_IF_ERROR(Agree(parts_.world.cohort(), failure_));
  return parts_.workload.EndEpoch(ended, parts_.world.cohort());
}

// At multiples of the interval, and where the run ends or stops for sure, so that its last state
// can be judged. A run that a signal stops is not evaluated: it wants to end.
Status Loop::MaybeEvaluate() {
  score_ = {};
  if (parts_.evaluation == nullptr) return {};
  const auto& train = parts_.settings.train;
  const bool due = step_ % parts_.validate_every == 0;
  const bool stops = train.stop_at > 0 && step_ >= train.stop_at + parts_.settings.comm.control_lag;
  if (!due && !stops && step_ != parts_.total_steps) return {};
  // A rank that failed in this step alone ends it here: nobody computes without it.
  STEMMA_RETURN_IF_ERROR(Agree(parts_.world.cohort(), failure_));
  // In the middle of a run a stop that a signal asks for does not wait, unless the training looks
  // at the result: then its course must not depend on when the signal came.
  const bool waits = stops || step_ == parts_.total_steps || LooksAtLoss(parts_.settings);
  const auto unwanted = [this] { return StopSignalled() && !parts_.world.PeerGone(); };
  recorder_.Enter(ops::Phase::kEvaluate);
  STEMMA_ASSIGN_OR_RETURN(score_,
                          Judge(waits ? std::function<bool()>() : std::function<bool()>(unwanted)));
  times_.evaluate = score_.seconds;
  recorder_.Enter(ops::Phase::kControl);
  const bool average = parts_.settings.validate.weights == "average";
  const std::string where = "at step " + std::to_string(step_);
  const std::string text =
      score_.values.empty()
          ? "the evaluation " + where + " is broken off: a signal asks to stop"
          : (average ? "averages evaluated " : "evaluated ") + where + ": " + ScoreText(score_);
  if (parts_.world.rank() == 0) {
    parts_.progress.Event(text);
  } else {
    LogToFile(text);
  }
  // Those beside the grid depend on where a run was stopped: nothing follows from them.
  if (due && !score_.values.empty()) Conclude();
  return {};
}

// All ranks have the same bits, and so come to the same conclusion.
void Loop::Conclude() {
  const double loss = score_.val_loss();
  parts_.optimizer.ObserveEvaluation(loss);
  const int64_t patience = parts_.settings.train.stop_patience;
  if (patience == 0) return;
  ended_early_ = patience_.Observe(loss, patience);
  if (!ended_early_ || parts_.world.rank() != 0) return;
  char best[32];
  std::snprintf(best, sizeof best, "%.4g", patience_.best);
  parts_.progress.Event("no val_loss below " + std::string(best) + " in " +
                        std::to_string(patience_.waited) +
                        " evaluations: train.stop_patience ends the run here");
}

}  // namespace stemma::models
