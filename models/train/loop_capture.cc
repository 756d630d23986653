// The loop's captures: when one is due, handing the state over, and what is said and done when its
// record is durable or could not be.
#include "core/bytes.h"
#include "core/cohort.h"
#include "core/log.h"
#include "core/text.h"
#include "models/train/loop.h"

namespace stemma::models {
namespace {

// Attribute of a state that was captured under lineage.budget: the steps to the next one.
constexpr char kIntervalKey[] = "lineage.every";

}  // namespace

std::string StateName(const lineage::Record& record, const lineage::StateId& id) {
  return record.run_name + "@" + std::to_string(record.step) + " (" + Hex(id).substr(0, 8) + ")";
}

Result<CapturePolicy> PolicyOf(const lineage::LineageSettings& settings) {
  CapturePolicy policy;
  STEMMA_ASSIGN_OR_RETURN(policy.keep, lineage::ParseKeep(settings));
  STEMMA_ASSIGN_OR_RETURN(policy.pace, ParsePace(settings));
  return policy;
}

int64_t IntervalOf(const lineage::Record& record) {
  const auto found = record.attributes.find(kIntervalKey);
  if (found == record.attributes.end()) return 0;
  const int64_t* steps = std::get_if<int64_t>(&found->second);
  return steps == nullptr ? 0 : *steps;
}

// Words that were posted before speak about what is settled by now: that the parts were written,
// and later that the record is.
Status Loop::Advance(const ops::Verdict& verdict) {
  if (!in_flight_ || verdict.step <= ignore_verdicts_to_) return {};
  const bool written = (verdict.all & ops::kAllCaptureWritten) != 0;
  const bool failed = (verdict.any & ops::kAnyCaptureFailed) != 0;
  if (!written && !failed) return {};
  ignore_verdicts_to_ = step_ - 1;
  return Settle(written, failed, verdict.audit_equal);
}

// Where the ranks have just met, and wait for each other no longer than for a message: at a step's
// end they would wait for the slowest one's update.
Status Loop::HearOfRecord() {
  if (!in_flight_ || !parts_.capturer->Committing()) return {};
  return Settle(true, false, true);
}

Status Loop::Settle(bool written, bool failed, bool audit_equal) {
  const HeldUp held_up(&held_up_s_);
  STEMMA_ASSIGN_OR_RETURN(const auto durable, parts_.capturer->Advance(written, failed, audit_equal,
                                                                       parts_.world.cohort()));
  in_flight_ = parts_.capturer->InFlight();  // its record may be on its way
  if (durable) Acknowledge(*durable, false);
  TellMissed();
  return {};
}

Status Loop::MaybeCapture(const ops::Verdict& verdict) {
  const int64_t every = parts_.settings.lineage.every;
  const bool last = step_ == parts_.total_steps || ended_early_;
  stopping_ = (verdict.any & ops::kAnyStop) != 0;
  if (stopping_) {
    stopped_by_ = wish_name_.empty() ? "a signal on another rank" : wish_name_;
    return Capture(lineage::Reason::kSignal);
  }
  if (last) return Capture(lineage::Reason::kFinal);
  if ((verdict.any & ops::kAnyCapture) != 0) return Capture(lineage::Reason::kRequested);
  const bool due = pace_ ? pace_->Due(step_) : every > 0 && step_ % every == 0;
  return due ? Capture(lineage::Reason::kPeriodic) : Status();
}

Status Loop::Capture(lineage::Reason reason) {
  if (parts_.capturer == nullptr || captured_step_ == step_) return {};
  recorder_.Enter(ops::Phase::kCapture);
  const HeldUp held_up(&held_up_s_);
  if (in_flight_) {  // one at a time: the one before becomes durable first
    const ops::Section section(recorder_, "writing of the state before",
                               parts_.binding.PatienceSeconds());
    STEMMA_RETURN_IF_ERROR(FinishInFlight());
  }
  ignore_verdicts_to_ = step_ - 1;
  SmallState small = {step_, cursor_, parts_.optimizer.EncodeSmall()};
  if (parts_.settings.train.stop_patience > 0) small.patience = patience_;
  parts_.binding.SetSmall(small);
  lineage::CaptureRequest request{parts_.record, parts_.binding.Thawed()};
  lineage::Record& record = request.record;
  if (!parent_.empty()) {
    record.parents = {{parent_, edge_}};
  } else {
    record.attributes.insert(parts_.root_attributes.begin(), parts_.root_attributes.end());
  }
  const auto& from = parts_.session.from;
  if (parts_.settings.lineage.restore == lineage::kProgressiveName && from && parent_ == from->id) {
    record.attributes[lineage::kRestoreAttribute] = lineage::kProgressiveName;
  }
  record.step = step_;
  record.samples = consumed_;
  record.epoch = static_cast<double>(record.samples) / static_cast<double>(parts_.dataset_size);
  record.cursor = {cursor_.seed, cursor_.epoch, cursor_.sample};
  record.reason = reason;
  record.metrics = {{"loss", loss_},
                    {"lr", parts_.optimizer.report().lr},
                    {"grad_norm", parts_.optimizer.report().grad_norm}};
  for (const auto& [name, value] : loss_parts_) record.metrics[name] = value;
  for (const auto& [name, value] : score_.values) record.metrics[name] = value;
  if (ended_early_) record.attributes[kEndedEarlyKey] = patience_.waited;
  AddHints(parts_.policy.keep, &record);
  if (pace_) {
    pace_->Captured(step_);
    record.attributes[kIntervalKey] = pace_->interval();
    TellPace();
  }
  captured_step_ = step_;
  STEMMA_RETURN_IF_ERROR(parts_.capturer->Capture(std::move(request)));
  in_flight_ = true;
  return {};
}

// The word of this very step is read first, as at the end of a run: no state of a step that the
// ranks disagree about is ever recorded, or handed on. What the word wishes is done a step later,
// when it would have been read.
Status Loop::MaybeHandOver() {
  const HandOver& to = parts_.hand_over;
  if (to.give == nullptr || !to.due(step_)) return {};
  recorder_.Enter(ops::Phase::kCapture);
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const auto word, parts_.world.control().Drain());
    if (!word) break;
    read_early_ |= word->any & (ops::kAnyStop | ops::kAnyCapture);
  }
  STEMMA_RETURN_IF_ERROR(Capture(lineage::Reason::kRequested));
  const ops::Section section(recorder_, "handing over of a state",
                             parts_.binding.PatienceSeconds());
  STEMMA_RETURN_IF_ERROR(FinishInFlight());
  if (durable_step_ != step_) {
    return Status(parts_.capturer->last_failure())
        .Within("the state was not saved, to hand it over");
  }
  Status mine;
  auto live = LiveStateOf(parts_.binding, durable_);
  mine = live.ok() ? to.give(*live, *parts_.session.store) : live.status();
  return Agree(parts_.world.cohort(), mine).Within("hand-over of " + last_state_);
}

Status Loop::FinishInFlight() {
  STEMMA_ASSIGN_OR_RETURN(const auto done, parts_.capturer->Finish(parts_.world.cohort()));
  for (const auto& durable : done) Acknowledge(durable, true);
  in_flight_ = false;
  TellMissed();
  return {};
}

void Loop::Acknowledge(const lineage::Durable& durable, bool waited) {
  durable_ = durable.record;
  parent_ = durable.id;
  durable_step_ = durable.record.step;
  edge_ = lineage::EdgeKind::kTrain;
  last_state_ = StateName(durable.record, durable.id);
  missing_ = false;
  if (pace_) pace_->Durable(step_, waited);
  if (parts_.world.rank() != 0) return LogToFile("saved " + last_state_);
  parts_.progress.Event("saved " + last_state_ + ", " + HumanBytes(durable.record.logical_bytes) +
                        ", durable after " + HumanDuration(durable.age_s));
  if (const Status synced = parts_.metrics.SyncBehind(); untold_.ok()) untold_ = synced;
  if (parts_.keeper != nullptr) parts_.keeper->StateDurable();
}

// A disk that stays full is told of once; it may have room again before the next capture.
void Loop::TellMissed() {
  const uint64_t failed = parts_.capturer->stats().failed;
  if (failed == missed_told_) return;
  missed_told_ = failed;
  const Status& why = parts_.capturer->last_failure();
  const bool full = lineage::IsNoSpace(why);
  const bool told = missing_ && full;
  missing_ = true;
  if (told || parts_.world.rank() != 0) return LogToFile("not saved: " + why.message());
  const auto most = std::to_string(parts_.settings.lineage.missed_captures_max);
  parts_.progress.Event("not saved: " + why.message() + "; training goes on, up to " + most +
                        " such captures in a row (lineage.missed_captures_max)");
  if (full && parts_.keeper != nullptr) parts_.keeper->DiskFull();
}

// People are told when it has doubled or halved; the log has every change.
void Loop::TellPace() {
  const int64_t now = pace_->interval();
  if (now == logged_interval_) return;
  logged_interval_ = now;
  LogToFile("capture interval", {{"steps", now}, {"share", pace_->Share()}});
  if (parts_.world.rank() != 0 || (now < 2 * told_interval_ && 2 * now > told_interval_)) return;
  told_interval_ = now;
  char share[32];
  std::snprintf(share, sizeof share, "%.2g %%", 100 * pace_->Share());
  std::string text = "captures are " + std::to_string(now) + " steps apart from here on";
  if (pace_->Share() > 0) text += "; expected to take " + std::string(share) + " of the time";
  const bool most = now == parts_.settings.lineage.every_max;
  if (most && pace_->OverBudget()) {
    text += ", more than lineage.budget allows, as lineage.every_max allows no longer interval";
  }
  parts_.progress.Event(text);
}

void Loop::TellNews() {
  if (parts_.keeper == nullptr) return;
  for (const std::string& line : parts_.keeper->TakeNews()) parts_.progress.Event(line);
}

void Loop::FinishKeeper() {
  if (parts_.keeper == nullptr) return;
  parts_.keeper->Finish();
  TellNews();
  const size_t marked = parts_.keeper->marked();
  if (marked == 0) return;
  parts_.progress.Event(std::to_string(marked) + (marked == 1 ? " state" : " states") +
                        " that lineage.keep lets go of marked pruned; `stemma gc --apply` frees "
                        "what nothing else wants");
}

}  // namespace stemma::models
