#include "tools/cli/fork_rules.h"
#include "tools/sweep/choices.h"
#include "tools/sweep/methods.h"
#include "tools/sweep/sobol.h"

namespace stemma::sweep {
namespace {

class Fixed : public Method {
 public:
  explicit Fixed(std::vector<Trial> trials) : trials_(std::move(trials)) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t) const override {
    return history.trials().empty() ? trials_ : std::vector<Trial>();
  }
  Result<std::vector<Decision>> Decide(const History&) const override {
    return std::vector<Decision>();
  }

 private:
  const std::vector<Trial> trials_;
};

Result<std::vector<Choice>> Choices(const SweepSpec& spec) {
  if (spec.method == "grid") return Grid(spec);
  const auto axes = static_cast<int64_t>(spec.knobs.size());
  if (axes > kSobolDimensions) {
    return Status(Code::kInvalidArgument, spec.file + ": sobol has directions for " +
                                              std::to_string(kSobolDimensions) +
                                              " knobs, and here are " + std::to_string(axes) +
                                              "; method random has no bound");
  }
  std::vector<Choice> choices;
  for (int64_t i = 0; i < spec.parameters.trials; ++i) {
    choices.push_back(ChoiceAt(spec, ShiftedSobolPoint(i, axes, spec.seed)));
  }
  return choices;
}

}  // namespace

Result<Trial> DrawTrial(const SweepSpec& spec, const Base& base, TrialId id) {
  Random random(Key({static_cast<uint64_t>(spec.seed), static_cast<uint64_t>(id)}), "sweep.trial");
  return MakeTrial(spec, base, id, Draw(spec, &random));
}

Status CheckOneBudget(const SweepSpec& spec, const Base& base) {
  if (!base.own_ends) return {};
  return {Code::kInvalidArgument,
          spec.file + ": method " + spec.method +
              " compares trials at the same step: with train.length as a knob it needs "
              "sweep.budget"};
}

Status CheckFirstRung(const SweepSpec& spec, const Base& base) {
  const int64_t first = spec.parameters.min_steps, budget = base.end - base.begin;
  if (first <= budget) return {};
  return {Code::kInvalidArgument, spec.file + ": method.min_steps = " + std::to_string(first) +
                                      " is more than the budget of " + std::to_string(budget) +
                                      " steps"};
}

Status CheckMovable(const SweepSpec& spec) {
  for (const Knob& knob : spec.knobs) {
    std::string why = cli::WhyNotAtFork(knob.key);
    if (!why.empty()) why = "it " + why;
    if (knob.key == "train.length") why = "it is how long a trial is";
    if (knob.kind == Knob::Kind::kSchedules) why = "the method makes the schedule itself";
    if (why.empty()) continue;
    return {Code::kInvalidArgument, knob.place + ": method " + spec.method +
                                        " changes knobs on a trial's way, and " + knob.key +
                                        " cannot be one: " + why};
  }
  return {};
}

MadeMethod MakeFixed(const SweepSpec& spec, const Base& base) {
  std::vector<Trial> trials;
  if (spec.method == "random") {
    for (TrialId id = 0; id < spec.parameters.trials; ++id) {
      STEMMA_ASSIGN_OR_RETURN(Trial trial, DrawTrial(spec, base, id));
      trials.push_back(std::move(trial));
    }
  } else {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<Choice> choices, Choices(spec));
    for (const Choice& choice : choices) {
      const auto id = static_cast<TrialId>(trials.size());
      STEMMA_ASSIGN_OR_RETURN(Trial trial, MakeTrial(spec, base, id, choice));
      trials.push_back(std::move(trial));
    }
  }
  return std::unique_ptr<Method>(std::make_unique<Fixed>(std::move(trials)));
}

}  // namespace stemma::sweep
