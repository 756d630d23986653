// What a trial does at each step, as evaluated values. Two texts that mean the same (a warm-up of
// "5ep" and one of 782 steps) have the same values, and share; a cosine over 100 epochs and one
// over 200 differ from their first step and share nothing; warm-up, constant, decay share
// everything up to the decay.
//
//   STEMMA_ASSIGN_OR_RETURN(const Timeline a, Timeline::Make(base, trial.parts));
//   const int64_t step = a.FirstDifference(b, 0, 400);        // 400: they train the same
//   const Segment segment = a.Cut(0, step);                   // what one run does
//
// The values of a step are the learning rate as optim/schedule.h computes it, in float64, and every
// other shared setting that holds at it (core/settings.h: Kind::kShared) but run.name and
// what only shapes the rate. With optim.schedule = plateau the rate depends on losses, so the
// settings that shape it count instead.
//
// Values; any thread. Failure: kInvalidArgument as models/train/course.h and optim/schedule.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/base.h"
#include "tools/sweep/trial.h"

namespace stemma::sweep {

// Steps [begin, end) of one run.
struct Segment {
  int64_t begin = 0, end = 0;
  // What is set on top of the base: the knobs and the spec's [settings], values as --set takes
  // them. All keys of the sweep are there, so a child never inherits a knob from its parent.
  std::map<std::string, std::string> settings;
  std::string values;  // hex SHA-256 of the evaluated values, canonical
};

class Timeline {
 public:
  static Result<Timeline> Make(const Base& base, const std::vector<Part>& parts);

  // The last step that the run's train.length allows.
  int64_t total_steps() const;
  // The rate of a step, begin <= step < total_steps(); plateau: before its factor.
  double Rate(int64_t step) const;
  // The first step of [begin, end) that the two train differently, else `end`.
  int64_t FirstDifference(const Timeline& other, int64_t begin, int64_t end) const;
  // Equal where two train `step` alike, and hardly ever elsewhere.
  uint64_t StepKey(int64_t step) const;
  // Steps inside (begin, end) at which other settings must be set, ascending: one run has one text.
  std::vector<int64_t> Breaks(int64_t begin, int64_t end) const;
  // REQUIRES: Breaks(begin, end) is empty.
  Segment Cut(int64_t begin, int64_t end) const;

 private:
  struct Piece;
  const Piece& At(int64_t step) const;
  int64_t PieceEnd(int64_t step, int64_t end) const;
  std::shared_ptr<const std::vector<Piece>> pieces_;
};

}  // namespace stemma::sweep
