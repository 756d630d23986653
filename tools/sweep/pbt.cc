#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "core/toml.h"
#include "tools/sweep/choices.h"
#include "tools/sweep/methods.h"

namespace stemma::sweep {
namespace {

class Pbt : public Method {
 public:
  Pbt(const SweepSpec& spec, const Base& base) : spec_(spec), base_(base) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t) const override {
    std::vector<Trial> trials;
    if (!history.trials().empty()) return trials;
    for (TrialId id = 0; id < spec_.parameters.trials; ++id) {
      STEMMA_ASSIGN_OR_RETURN(Trial trial, DrawTrial(spec_, base_, id));
      trial.until = After(base_.begin);
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  Result<std::vector<Decision>> Decide(const History& history) const override {
    std::vector<Decision> decisions;
    if (history.trials().empty()) return decisions;
    for (int64_t step = After(base_.begin); step < base_.end; step = After(step)) {
      std::vector<Outcome> arrived;
      size_t gone = 0;  // stopped at an earlier step
      for (const auto& [id, trial] : history.trials()) {
        const auto found = history.outcomes().find({id, step});
        if (found != history.outcomes().end()) arrived.push_back(found->second);
        gone += history.Stopped(id) && trial.until < step ? 1 : 0;
      }
      if (arrived.size() + gone < history.trials().size()) break;
      DecideGeneration(history, step, std::move(arrived), &decisions);
    }
    return decisions;
  }

 private:
  int64_t After(int64_t step) const {
    return std::min(step + spec_.parameters.interval, base_.end);
  }

  void DecideGeneration(const History& history, int64_t step, std::vector<Outcome> arrived,
                        std::vector<Decision>* out) const {
    std::vector<Point> saw;
    for (const Outcome& outcome : arrived) saw.emplace_back(outcome.trial, outcome.step);
    std::vector<Outcome> ranked = arrived;
    std::sort(ranked.begin(), ranked.end(),
              [this](const Outcome& a, const Outcome& b) { return Better(spec_.goal, a, b); });
    const auto count = static_cast<int64_t>(ranked.size());
    const double share = spec_.parameters.truncation * static_cast<double>(count);
    int64_t donors = std::min(std::max<int64_t>(1, static_cast<int64_t>(share)), count / 2);
    const int64_t first_loser = count - donors;
    while (donors > 0 && !std::isfinite(ranked[static_cast<size_t>(donors - 1)].metric)) --donors;
    for (const Outcome& outcome : arrived) {
      if (history.decisions().count({outcome.trial, step}) > 0) continue;
      int64_t place = 0;
      while (ranked[static_cast<size_t>(place)].trial != outcome.trial) ++place;
      Decision decision;
      decision.trial = outcome.trial;
      decision.step = step;
      decision.until = After(step);
      decision.saw = saw;
      const bool diverged = !std::isfinite(outcome.metric);
      if ((place >= first_loser || diverged) && donors > 0) {
        Random random = RandomOf(outcome.trial, step);
        const auto donor = static_cast<size_t>(random.Below(static_cast<uint64_t>(donors)));
        Exploit(history, ranked[donor].trial, &random, &decision);
      } else if (diverged) {
        decision.kind = Decision::Kind::kStop;
        decision.until = step;
      } else {
        decision.kind = Decision::Kind::kContinue;
      }
      out->push_back(std::move(decision));
    }
  }

  Random RandomOf(TrialId trial, int64_t step) const {
    return Random(Key({static_cast<uint64_t>(spec_.seed), static_cast<uint64_t>(trial),
                       static_cast<uint64_t>(step)}),
                  "sweep.pbt");
  }

  // The donor's path up to the step, and from there on its knobs, changed.
  void Exploit(const History& history, TrialId from, Random* random, Decision* decision) const {
    decision->kind = Decision::Kind::kExploit;
    decision->from = from;
    decision->parts = history.PartsAt(from, decision->step);
    Knobs knobs = decision->parts.back().knobs;
    for (const Knob& knob : spec_.knobs) knobs[knob.key] = Explored(knob, knobs[knob.key], random);
    decision->parts.push_back({decision->step, std::move(knobs)});
  }

  std::string Explored(const Knob& knob, const std::string& value, Random* random) const {
    if (random->Uniform() < spec_.parameters.resample) return ValueAt(knob, random->Uniform());
    const bool up = random->Below(2) == 1;
    if (knob.kind == Knob::Kind::kValues) {
      const auto at = std::find(knob.choices.begin(), knob.choices.end(), value);
      auto index = at - knob.choices.begin() + (up ? 1 : -1);
      const auto last = static_cast<std::ptrdiff_t>(knob.choices.size()) - 1;
      index = std::min(std::max<std::ptrdiff_t>(index, 0), last);
      return knob.choices[static_cast<size_t>(index)];
    }
    const MethodSettings& m = spec_.parameters;
    double moved = std::strtod(value.c_str(), nullptr) * (up ? m.factor_high : m.factor_low);
    if (knob.whole) moved = std::floor(moved + 0.5);
    moved = std::min(std::max(moved, knob.low), knob.high);
    return knob.whole ? std::to_string(static_cast<int64_t>(moved)) : DoubleText(moved);
  }

  const SweepSpec spec_;
  const Base base_;
};

}  // namespace

MadeMethod MakePbt(const SweepSpec& spec, const Base& base) {
  STEMMA_RETURN_IF_ERROR(CheckOneBudget(spec, base));
  STEMMA_RETURN_IF_ERROR(CheckMovable(spec));
  if (spec.parameters.trials < 2) {
    return Status(Code::kInvalidArgument,
                  spec.file + ": pbt copies between trials: method.trials is at least 2");
  }
  if (spec.parameters.interval < 1) {
    return Status(Code::kInvalidArgument,
                  spec.file + ": pbt needs method.interval, the steps between two exploits");
  }
  return std::unique_ptr<Method>(std::make_unique<Pbt>(spec, base));
}

}  // namespace stemma::sweep
