#include <algorithm>
#include <cmath>

#include "tools/sweep/choices.h"
#include "tools/sweep/methods.h"
#include "tools/sweep/rungs.h"

namespace stemma::sweep {
namespace {

// Successive halving in one bracket or, as Hyperband, in several that do not look at each other.
class Halving : public Method {
 public:
  Halving(const SweepSpec& spec, const Base& base, std::vector<std::vector<Rung>> brackets)
      : spec_(spec), base_(base), brackets_(std::move(brackets)) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t) const override {
    std::vector<Trial> trials;
    if (!history.trials().empty()) return trials;
    for (size_t b = 0; b < brackets_.size(); ++b) {
      for (int64_t i = 0; i < brackets_[b][0].trials; ++i) {
        STEMMA_ASSIGN_OR_RETURN(Trial trial,
                                DrawTrial(spec_, base_, static_cast<TrialId>(trials.size())));
        trial.bracket = static_cast<int64_t>(b);
        trial.until = base_.begin + brackets_[b][0].steps;
        trials.push_back(std::move(trial));
      }
    }
    return trials;
  }

  Result<std::vector<Decision>> Decide(const History& history) const override {
    std::vector<Decision> decisions;
    for (size_t b = 0; b < brackets_.size(); ++b) {
      for (size_t rung = 0; rung + 1 < brackets_[b].size(); ++rung) {
        DecideRung(history, static_cast<int64_t>(b), rung, &decisions);
      }
    }
    std::sort(decisions.begin(), decisions.end(),
              [](const Decision& a, const Decision& b) { return a.trial < b.trial; });
    return decisions;
  }

 private:
  // Nothing before all of the rung has arrived.
  void DecideRung(const History& history, int64_t bracket, size_t rung,
                  std::vector<Decision>* out) const {
    const std::vector<Rung>& rungs = brackets_[static_cast<size_t>(bracket)];
    const int64_t step = base_.begin + rungs[rung].steps;
    std::vector<const Outcome*> arrived;
    for (const auto& [point, outcome] : history.outcomes()) {
      if (point.second == step && history.trials().at(point.first).bracket == bracket) {
        arrived.push_back(&outcome);
      }
    }
    if (static_cast<int64_t>(arrived.size()) < Entered(rungs, rung, history, bracket)) return;
    std::vector<Point> saw;
    for (const Outcome* outcome : arrived) saw.emplace_back(outcome->trial, outcome->step);
    std::sort(arrived.begin(), arrived.end(),
              [this](const Outcome* a, const Outcome* b) { return Better(spec_.goal, *a, *b); });
    for (size_t place = 0; place < arrived.size(); ++place) {
      const Outcome& outcome = *arrived[place];
      if (history.decisions().count({outcome.trial, step}) > 0) continue;
      Decision decision;
      const bool on =
          static_cast<int64_t>(place) < rungs[rung + 1].trials && std::isfinite(outcome.metric);
      decision.kind = on ? Decision::Kind::kPromote : Decision::Kind::kStop;
      decision.trial = outcome.trial;
      decision.step = step;
      decision.until = on ? base_.begin + rungs[rung + 1].steps : step;
      decision.saw = saw;
      out->push_back(std::move(decision));
    }
  }

  // How many outcomes the rung waits for: fewer than planned where trials have diverged. A rung
  // below that is not decided yet leaves nothing to wait for, but the planned number.
  static int64_t Entered(const std::vector<Rung>& rungs, size_t rung, const History& history,
                         int64_t bracket) {
    if (rung == 0) return rungs[0].trials;
    int64_t promoted = 0, decided = 0;
    const int64_t below = rungs[rung - 1].steps;
    for (const auto& [point, decision] : history.decisions()) {
      const Trial& trial = history.trials().at(point.first);
      if (trial.bracket != bracket || point.second - trial.parts[0].begin != below) continue;
      ++decided;
      promoted += decision.kind == Decision::Kind::kPromote ? 1 : 0;
    }
    const bool all = decided >= Entered(rungs, rung - 1, history, bracket);
    return all ? promoted : rungs[rung].trials + 1;
  }

  const SweepSpec spec_;
  const Base base_;
  const std::vector<std::vector<Rung>> brackets_;
};

}  // namespace

MadeMethod MakeHalving(const SweepSpec& spec, const Base& base) {
  STEMMA_RETURN_IF_ERROR(CheckOneBudget(spec, base));
  const MethodSettings& m = spec.parameters;
  const int64_t budget = base.end - base.begin;
  STEMMA_RETURN_IF_ERROR(CheckFirstRung(spec, base));
  const int64_t most = MostHalvings(budget, m.min_steps, m.eta);
  std::vector<std::vector<Rung>> brackets;
  if (spec.method == "halving") {
    brackets.push_back(Halvings(m.trials, budget, m.eta, most));
  } else {
    for (int64_t s = most; s >= 0; --s) brackets.push_back(Bracket(budget, m.eta, most, s));
  }
  int64_t trials = 0;
  for (const std::vector<Rung>& rungs : brackets) trials += rungs[0].trials;
  if (trials > kTrialsMax) {
    return Status(Code::kInvalidArgument,
                  spec.file + ": " + spec.method + " would begin " + std::to_string(trials) +
                      " trials, and " + std::to_string(kTrialsMax) +
                      " are the most; raise method.min_steps or method.eta");
  }
  return std::unique_ptr<Method>(std::make_unique<Halving>(spec, base, std::move(brackets)));
}

}  // namespace stemma::sweep
