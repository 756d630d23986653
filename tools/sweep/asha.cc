#include <algorithm>
#include <cmath>

#include "tools/sweep/methods.h"
#include "tools/sweep/rungs.h"

namespace stemma::sweep {
namespace {

class Asha : public Method {
 public:
  Asha(const SweepSpec& spec, const Base& base, std::vector<Rung> rungs)
      : spec_(spec), base_(base), rungs_(std::move(rungs)) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t free_slots) const override {
    std::vector<Trial> trials;
    const auto begun = static_cast<TrialId>(history.trials().size());
    const int64_t end = std::min(begun + std::max<int64_t>(free_slots, 0), rungs_[0].trials);
    for (TrialId id = begun; id < end; ++id) {
      STEMMA_ASSIGN_OR_RETURN(Trial trial, DrawTrial(spec_, base_, id));
      trial.until = StepOf(0);
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  Result<std::vector<Decision>> Decide(const History& history) const override {
    std::vector<Decision> decisions;
    bool complete = true;
    int64_t expected = rungs_[0].trials;
    for (size_t rung = 0; rung + 1 < rungs_.size(); ++rung) {
      const std::vector<Outcome> arrived = Arrived(history, rung);
      const auto count = static_cast<int64_t>(arrived.size());
      complete = complete && count == expected;
      DecideRung(history, rung, arrived, complete, &decisions);
      // The next rung is complete when nobody can enter it any more.
      expected = 0;
      for (const Outcome& outcome : arrived) {
        const auto made = history.decisions().find({outcome.trial, outcome.step});
        if (made == history.decisions().end()) {
          complete = false;
        } else if (made->second.kind == Decision::Kind::kPromote) {
          ++expected;
        }
      }
    }
    std::sort(decisions.begin(), decisions.end(),
              [](const Decision& a, const Decision& b) { return a.trial < b.trial; });
    return decisions;
  }

 private:
  int64_t StepOf(size_t rung) const { return base_.begin + rungs_[rung].steps; }

  // By trial.
  std::vector<Outcome> Arrived(const History& history, size_t rung) const {
    std::vector<Outcome> arrived;
    for (const auto& [point, outcome] : history.outcomes()) {
      if (point.second == StepOf(rung)) arrived.push_back(outcome);
    }
    return arrived;
  }

  // The best 1/eta of those that are there go on; of a complete rung at least the best one.
  void DecideRung(const History& history, size_t rung, std::vector<Outcome> arrived, bool complete,
                  std::vector<Decision>* out) const {
    std::vector<Point> saw;
    for (const Outcome& outcome : arrived) saw.emplace_back(outcome.trial, outcome.step);
    std::sort(arrived.begin(), arrived.end(),
              [this](const Outcome& a, const Outcome& b) { return Better(spec_.goal, a, b); });
    const double share = static_cast<double>(arrived.size()) / spec_.parameters.eta;
    const double best = std::max(std::floor(share + 1e-9), complete ? 1.0 : 0.0);
    for (size_t place = 0; place < arrived.size(); ++place) {
      const Outcome& outcome = arrived[place];
      const bool on = static_cast<double>(place) < best && std::isfinite(outcome.metric);
      if (history.decisions().count({outcome.trial, outcome.step}) > 0) continue;
      if (!on && !complete) continue;
      Decision decision;
      decision.kind = on ? Decision::Kind::kPromote : Decision::Kind::kStop;
      decision.trial = outcome.trial;
      decision.step = outcome.step;
      decision.until = on ? StepOf(rung + 1) : outcome.step;
      decision.saw = saw;
      out->push_back(std::move(decision));
    }
  }

  const SweepSpec spec_;
  const Base base_;
  const std::vector<Rung> rungs_;
};

}  // namespace

MadeMethod MakeAsha(const SweepSpec& spec, const Base& base) {
  STEMMA_RETURN_IF_ERROR(CheckOneBudget(spec, base));
  const MethodSettings& m = spec.parameters;
  const int64_t budget = base.end - base.begin;
  STEMMA_RETURN_IF_ERROR(CheckFirstRung(spec, base));
  std::vector<Rung> rungs =
      Halvings(m.trials, budget, m.eta, MostHalvings(budget, m.min_steps, m.eta));
  // Rungs only say where to look: all trials may enter the first one.
  rungs[0].trials = m.trials;
  return std::unique_ptr<Method>(std::make_unique<Asha>(spec, base, std::move(rungs)));
}

}  // namespace stemma::sweep
