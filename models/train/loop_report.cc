// The loop's numbers: what a step cost and gave, over all ranks, and what is told about it.
#include <algorithm>
#include <cmath>

#include "core/bytes.h"
#include "core/log.h"
#include "models/train/loop.h"

namespace stemma::models {

// Sums over ranks in rank order, in double: the same bits on every rank, so every rank draws the
// same conclusions from them. Few bytes, and host memory on any device: the cohort carries them.
Status Loop::ReduceLoss() {
  Encoder mine;
  mine.F64(times_.data + times_.forward + times_.backward);
  mine.F64(failure_.ok() ? loss_ : 0);
  if (pace_) {
    mine.F64(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count());
    mine.F64(held_up_s_);
  }
  // Last, for not every rank has as many: one that has had no rows so far knows of none.
  for (const auto& part : loss_parts_) mine.F64(failure_.ok() ? part.second : 0);
  STEMMA_ASSIGN_OR_RETURN(const auto all, parts_.world.cohort().AllGather(mine.Take()));
  std::vector<double> own_s;  // what each rank needed for itself until it waited for others
  std::vector<double> sums(1 + loss_parts_.size(), 0);
  double elapsed_s = 0, held_up_s = 0;  // the most of any rank
  for (const std::string& bytes : all) {
    Decoder in(bytes);
    own_s.push_back(in.F64());
    sums[0] += in.F64();
    if (pace_) {
      elapsed_s = std::max(elapsed_s, in.F64());
      held_up_s = std::max(held_up_s, in.F64());
    }
    for (size_t i = 1; i < sums.size(); ++i) sums[i] += in.F64();
  }
  if (pace_) pace_->Observe(elapsed_s, held_up_s);
  FindSlowest(own_s);
  if (!std::isfinite(sums[0]) && parts_.settings.ops.check_finite != "off") {
    return NonFiniteLoss();
  }
  // A rank that failed before it knew the batch: what it makes of the loss is told to nobody.
  const auto samples = static_cast<double>(std::max<int64_t>(samples_, 1));
  loss_ = sums[0] / samples;
  for (size_t i = 0; i < loss_parts_.size(); ++i) loss_parts_[i].second = sums[1 + i] / samples;
  return {};
}

Status Loop::NonFiniteLoss() {
  STEMMA_ASSIGN_OR_RETURN(const auto all,
                          parts_.world.cohort().AllGather(std::isfinite(loss_) ? "" : "x"));
  std::string ranks;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (!all[rank].empty()) ranks += (ranks.empty() ? "" : ",") + std::to_string(rank);
  }
  return {Code::kNotFinite,
          "step " + std::to_string(step_ + 1) + ": the loss is not finite on ranks {" + ranks +
              "}. Nothing of this step is kept; last state: " +
              (last_state_.empty() ? "none" : last_state_) +
              ". Fork it with a lower optim.lr, or look at the data of that rank"};
}

// Who kept the others waiting in this step, and by how much more than the median rank.
void Loop::FindSlowest(std::vector<double> own_s) {
  const auto slowest = std::max_element(own_s.begin(), own_s.end());
  slowest_rank_ = static_cast<double>(slowest - own_s.begin());
  const double longest = *slowest;
  const auto middle = own_s.begin() + static_cast<std::ptrdiff_t>((own_s.size() - 1) / 2);
  std::nth_element(own_s.begin(), middle, own_s.end());
  slowest_late_s_ = longest - *middle;
}

Status Loop::Tell(const StepTimes& times) {
  // Of this rank: the rank that the others wait for is the one that does not wait.
  if (step_ % parts_.settings.train.log_every == 0 || step_ == parts_.total_steps) {
    LogToFile("step done", {{"loss", loss_},
                            {"step_s", times.total},
                            {"data_s", times.data},
                            {"forward_s", times.forward},
                            {"backward_s", times.backward},
                            {"wait_s", times.wait},
                            {"optim_s", times.optim},
                            {"capture_s", times.capture}});
  }
  if (parts_.world.rank() != 0) return {};
  const auto samples = static_cast<double>(samples_);
  const auto consumed = static_cast<double>(consumed_);
  const auto& report = parts_.optimizer.report();
  const double total = times.total > 0 ? times.total : 1e-9;
  const double epoch = consumed / static_cast<double>(parts_.dataset_size);
  MetricRow row = {{"inc", parts_.session.incarnation},
                   {"step", static_cast<double>(step_)},
                   {"samples", consumed},
                   {"epoch", epoch},
                   {"loss", loss_}};
  for (const auto& part : loss_parts_) row.push_back(part);
  row.insert(row.end(), {{"lr", report.lr},
                         {"grad_norm", report.grad_norm},
                         {"skipped", report.skipped ? 1.0 : 0.0},
                         {"samples_per_s", samples / total},
                         {"step_s", times.total},
                         {"data_wait", times.data / total},
                         {"comm_wait", times.wait / total},
                         {"forward_s", times.forward},
                         {"backward_s", times.backward},
                         {"optim_s", times.optim},
                         {"capture_stall_s", times.capture},
                         {"slowest_rank", slowest_rank_},
                         {"slowest_late_s", slowest_late_s_},
                         {"world", static_cast<double>(parts_.world.ranks())}});
  row.insert(row.end(), score_.values.begin(), score_.values.end());
  if (!score_.values.empty()) row.emplace_back("evaluate_s", score_.seconds);
  if (parts_.settings.optim.loss_scaling != "none")
    row.push_back({"loss_scale", report.loss_scale});
  STEMMA_RETURN_IF_ERROR(parts_.metrics.Row(row));
  parts_.progress.Step({step_, parts_.total_steps, epoch, loss_, report.lr, report.grad_norm,
                        samples / total, times.data / total, times.wait / total,
                        times.capture / total});
  return {};
}

}  // namespace stemma::models
