#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/sweep/choices.h"
#include "tools/sweep/methods.h"

namespace stemma::sweep {
namespace {

// One trial whose knob rises in stairs of `interval` steps.
class RangeTest : public Method {
 public:
  RangeTest(const SweepSpec& spec, const Base& base, Trial trial)
      : spec_(spec), base_(base), trial_(std::move(trial)) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t) const override {
    std::vector<Trial> trials;
    if (history.trials().empty()) trials.push_back(trial_);
    return trials;
  }

  Result<std::vector<Decision>> Decide(const History& history) const override {
    std::vector<Decision> decisions;
    std::vector<Point> saw;
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [point, outcome] : history.outcomes()) {
      saw.push_back(point);
      if (std::isfinite(outcome.metric)) least = std::min(least, outcome.metric);
      if (point.second >= base_.end || history.decisions().count(point) > 0) continue;
      const double most = least + (spec_.parameters.rise - 1) * std::abs(least);
      const bool over = !std::isfinite(outcome.metric) || outcome.metric > most;
      Decision decision;
      decision.kind = over ? Decision::Kind::kStop : Decision::Kind::kContinue;
      decision.trial = outcome.trial;
      decision.step = point.second;
      decision.until =
          over ? point.second : std::min(point.second + spec_.parameters.interval, base_.end);
      decision.saw = saw;
      decisions.push_back(std::move(decision));
    }
    return decisions;
  }

 private:
  const SweepSpec spec_;
  const Base base_;
  const Trial trial_;
};

Status CheckRange(const SweepSpec& spec, const Base& base) {
  const auto bad = [&](const std::string& what) {
    return Status(Code::kInvalidArgument, spec.file + ": " + what);
  };
  if (spec.knobs.size() != 1 || spec.knobs[0].kind != Knob::Kind::kRange) {
    return bad(
        "a range test raises one knob from low to high, as optim.lr = { low = 1e-4, high = "
        "1.0, log = true }");
  }
  if (spec.goal != "min") return bad("a range test watches a metric rise: sweep.goal = \"min\"");
  const int64_t interval = spec.parameters.interval, budget = base.end - base.begin;
  if (interval < 1 || interval > budget / 2 || budget / interval > kTrialsMax) {
    return bad("a range test needs method.interval, the steps of each value: from " +
               std::to_string(budget / kTrialsMax + 1) + " to " + std::to_string(budget / 2) +
               ", half of the budget");
  }
  return {};
}

}  // namespace

MadeMethod MakeRange(const SweepSpec& spec, const Base& base) {
  STEMMA_RETURN_IF_ERROR(CheckOneBudget(spec, base));
  STEMMA_RETURN_IF_ERROR(CheckMovable(spec));
  STEMMA_RETURN_IF_ERROR(CheckRange(spec, base));
  const int64_t interval = spec.parameters.interval;
  const int64_t stairs = (base.end - base.begin + interval - 1) / interval;
  STEMMA_ASSIGN_OR_RETURN(Trial trial, MakeTrial(spec, base, 0, ChoiceAt(spec, {0})));
  trial.parts.clear();
  for (int64_t i = 0; i < stairs; ++i) {
    const double unit = static_cast<double>(i) / static_cast<double>(stairs - 1);
    trial.parts.push_back({base.begin + i * interval, ChoiceAt(spec, {unit})});
  }
  trial.until = base.begin + interval;
  return std::unique_ptr<Method>(std::make_unique<RangeTest>(spec, base, std::move(trial)));
}

}  // namespace stemma::sweep
