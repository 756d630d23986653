// How many steps lie between captures that may take a share of the run time ("at most 1 %"). The
// interval follows from what captures cost here: how long they held the steps up, how long a step
// takes, and how many steps went by until a state was durable, so that captures do not queue.
//
//   CapturePace pace(limits, last_step);              // the same on all ranks
//   pace.Observe(elapsed_s, held_up_s);               // every step; totals that all ranks share
//   if (pace.Due(step)) { capture; pace.Captured(step); }
//   pace.Durable(step, false);                        // its state was acknowledged at this step
//
// With a mean cost s of a capture, a step time t and a share b, the interval is the least n with
// s <= b (n t + s), that is n = s (1 - b) / (b t), and an eighth more. Means are of the last 8
// captures, so that one slow disk is neither ignored nor remembered for ever; the first capture of
// a process, whose audit reads everything, does not count. From one capture to the next the
// interval changes by a factor of 2 at most, so the budget holds once it has settled, and becomes
// shorter only when that is worth a quarter. It lies between lineage.every and lineage.every_max,
// whatever the budget says.
//
// Which steps are captured depends on time then, and differs from run to run; what is trained does
// not, since a capture changes no bit of the training. Pure: it looks at no clock and talks to
// nobody. All ranks are given the same numbers (gathered, in rank order) and compute the same
// interval. The loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/status.h"
#include "lineage/settings.h"

namespace stemma::models {

struct PaceLimits {
  double share = 0;  // of the run time, in (0, 0.5]
  int64_t every = 1, every_max = 1;
};

// nullopt: lineage.budget is "". kInvalidArgument names the setting.
Result<std::optional<PaceLimits>> ParsePace(const lineage::LineageSettings& settings);

class CapturePace {
 public:
  // `begun_at`: the completed steps at the start of this process. `interval`: where to begin, as
  // the state that was restored says; 0: lineage.every.
  CapturePace(const PaceLimits& limits, int64_t begun_at, int64_t interval);

  // Since the start of this process: seconds, and those of them that captures held the steps up.
  void Observe(double elapsed_s, double held_up_s);
  bool Due(int64_t step) const { return step - last_ >= interval_; }
  // A capture began, whatever for. Chooses the interval to the next one.
  void Captured(int64_t step);
  // The newest capture's state was acknowledged; `waited`: the loop stood still for it.
  void Durable(int64_t step, bool waited);

  int64_t interval() const { return interval_; }
  // Of the run time, expected at this interval; 0 before the second capture.
  double Share() const;
  bool OverBudget() const { return Share() > limits_.share * kTolerance; }

 private:
  static constexpr double kTolerance = 1.25;
  struct Cycle {  // from one capture to the next
    int64_t steps = 0;
    double seconds = 0, held_up_s = 0;
  };
  struct Costs {
    double capture_s = 0, step_s = 0;
  };

  std::optional<Costs> MeanCosts() const;
  void Choose();

  const PaceLimits limits_;
  int64_t last_, interval_;
  int64_t captures_ = 0;
  double elapsed_s_ = 0, held_up_s_ = 0;  // newest observation
  Cycle begun_;                           // totals at the last capture
  std::deque<Cycle> cycles_;              // of the last captures
  std::deque<int64_t> durable_after_;     // steps, of the last captures
};

}  // namespace stemma::models
