// Values of knobs: drawn, spread evenly, or read from a point of the unit cube; and what they come
// to over the steps of a trial.
//
//   Random draw(Key({seed, trial}), "sweep");
//   const Choice choice = Draw(spec, &draw);                  // {"optim.lr": "0.013"}
//   STEMMA_ASSIGN_OR_RETURN(const Trial trial, MakeTrial(spec, base, 3, choice));
//
// A value of a range is made with optim/power.h, so every host draws the same bits. Pure functions;
// any thread. Failure: kInvalidArgument with the knob's place.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/status.h"
#include "tools/sweep/base.h"
#include "tools/sweep/spec.h"
#include "tools/sweep/trial.h"

namespace stemma::sweep {

// key -> value, or one of the knob's schedules as it was written.
using Choice = std::map<std::string, std::string>;

// "FROM: VALUE" of a schedule.
struct SchedulePiece {
  std::string from, value;
};
// kInvalidArgument says which piece cannot be read; FROM is not resolved.
Result<std::vector<SchedulePiece>> ParseSchedule(const std::string& text);

// The knob's value at `unit` of [0, 1]: ends of a range are 0 and 1, choices have equal parts.
std::string ValueAt(const Knob& knob, double unit);
// `unit`: one coordinate per knob, in their order.
Choice ChoiceAt(const SweepSpec& spec, const std::vector<double>& unit);
Choice Draw(const SweepSpec& spec, Random* random);
// All combinations, the last knob fastest; a range gives method.points values, its ends among them.
// Refused: a range without points, more than kTrialsMax combinations.
Result<std::vector<Choice>> Grid(const SweepSpec& spec);
constexpr int64_t kTrialsMax = 10000;
// Of one trial: the rate of each is evaluated.
constexpr int64_t kStepsMax = 100000000;

// The trial with this choice, to go as far as the budget, or as its own train.length says. Checks
// that the settings make a training (models/train/course.h).
Result<Trial> MakeTrial(const SweepSpec& spec, const Base& base, TrialId id, const Choice& choice);

}  // namespace stemma::sweep
