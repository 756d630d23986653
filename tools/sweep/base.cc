#include "tools/sweep/base.h"

#include "core/settings.h"
#include "core/version.h"
#include "models/train/course.h"
#include "models/train/fill_settings.h"
#include "models/train/settings.h"
#include "tools/cli/fork_rules.h"
#include "tools/sweep/epoch.h"
#include "tools/sweep/segment.h"

namespace stemma::sweep {
namespace {

Status Bad(const SweepSpec& spec, const std::string& what) {
  return {Code::kInvalidArgument, spec.file + ": " + what};
}

// Every setting that somebody has set, as the list has it now.
std::vector<std::string> Assignments(const SettingsList& list) {
  std::vector<std::string> out;
  for (const Setting& setting : list.all()) {
    if (setting.origin == "default") continue;
    const auto* text = std::get_if<std::string*>(&setting.value);
    out.push_back(setting.key + "=" + (text ? **text : setting.Text()));
  }
  return out;
}

// train.global_batch divides among the ranks; where it is a knob, each run finds out.
Status CheckRanks(const SweepSpec& spec, const models::TrainSection& train) {
  for (const Knob& knob : spec.knobs) {
    if (knob.key == "train.global_batch" || knob.key == "train.micro_batches") return {};
  }
  const int64_t parts = spec.ranks_per_trial * train.micro_batches;
  if (train.global_batch % parts == 0) return {};
  return Bad(spec, "train.global_batch = " + std::to_string(train.global_batch) +
                       " does not divide among sweep.ranks_per_trial = " +
                       std::to_string(spec.ranks_per_trial) + " ranks");
}

Status CheckAtFork(const SweepSpec& spec) {
  for (const Knob& knob : spec.knobs) {
    const std::string why = cli::WhyNotAtFork(knob.key);
    if (why.empty()) continue;
    return {Code::kInvalidArgument, knob.place + ": " + knob.key +
                                        " cannot differ between trials that begin at a state: it " +
                                        why};
  }
  for (const std::string& assignment : spec.settings) {
    const std::string key = assignment.substr(0, assignment.find('='));
    const std::string why = cli::WhyNotAtFork(key);
    if (!why.empty()) {
      return Bad(spec, "[settings] " + key + " cannot change at a state: it " + why);
    }
  }
  return {};
}

Status CheckSchedules(const SweepSpec& spec) {
  for (const Knob& knob : spec.knobs) {
    const std::string why = cli::WhyNotAtFork(knob.key);
    if (knob.kind != Knob::Kind::kSchedules || why.empty()) continue;
    return {Code::kInvalidArgument,
            knob.place + ": " + knob.key + " cannot change during a trial: it " + why};
  }
  return {};
}

// Each trial reaches its end, with the metric that it is judged by.
Status CheckJudged(const SweepSpec& spec, const models::RunSettings& settings) {
  bool evaluates = !settings.validate.every.empty();
  for (const Knob& knob : spec.knobs) {
    evaluates = evaluates || knob.key == "validate.every";
    if (knob.key != "train.stop_patience") continue;
    return {Code::kInvalidArgument, knob.place +
                                        ": train.stop_patience cannot be a knob: it ends a run, "
                                        "and a trial must reach the end of each of its stages"};
  }
  if (settings.train.stop_patience > 0) {
    return Bad(spec, "train.stop_patience = " + std::to_string(settings.train.stop_patience) +
                         " would end trials before their stages do; set it to 0 in [settings], and "
                         "let a method such as asha or halving end those that do not get better");
  }
  if (evaluates || spec.metric.rfind("val_", 0) != 0) return {};
  return Bad(spec, "sweep.metric = \"" + spec.metric +
                       "\" is of an evaluation, and there is none: set validate.every in "
                       "[settings]; the last step of each stage is evaluated in any case");
}

// The budget in steps, and where it ends.
Status SetEnd(const SweepSpec& spec, const models::RunSettings& settings, Base* base) {
  const int64_t epoch = EpochOf(*base, settings);
  bool own = false;
  for (const Knob& knob : spec.knobs) own = own || knob.key == "train.length";
  STEMMA_ASSIGN_OR_RETURN(const int64_t total, models::TotalSteps(settings.train, epoch));
  base->own_ends = own && spec.budget.empty();
  base->end = total;
  if (!spec.budget.empty()) {
    models::TrainSection budget = settings.train;
    budget.length = spec.budget;
    if (spec.budget.find_first_not_of("0123456789") == std::string::npos) budget.length += "step";
    const Result<int64_t> steps = models::TotalSteps(budget, epoch);
    if (!steps.ok()) return Bad(spec, "sweep.budget: " + steps.status().message());
    base->end = base->begin + *steps;
  }
  if (!own && base->end > total) {
    return Bad(spec, "a trial would end at step " + std::to_string(base->end) +
                         ", but train.length is " + std::to_string(total) +
                         " steps; set train.length in [settings], schedules look at it");
  }
  if (base->end > base->begin || base->own_ends) return {};
  return Bad(spec, "trials begin at step " + std::to_string(base->begin) +
                       ", and train.length ends there; set train.length in [settings]");
}

// `list` is of `settings` and has what the base says.
Result<Base> Finish(const SweepSpec& spec, models::RunSettings* settings, SettingsList* list,
                    Base base) {
  base.assignments = Assignments(*list);
  base.settings = spec.settings;
  base.build = kProgramVersion;
  for (const std::string& assignment : spec.settings) {
    STEMMA_RETURN_IF_ERROR(list->Set(assignment, spec.file + ": [settings]"));
  }
  STEMMA_RETURN_IF_ERROR(models::FillSettings(*settings, list));
  STEMMA_RETURN_IF_ERROR(CheckSchedules(spec));
  STEMMA_RETURN_IF_ERROR(CheckRanks(spec, settings->train));
  STEMMA_RETURN_IF_ERROR(CheckJudged(spec, *settings));
  STEMMA_ASSIGN_OR_RETURN(base.epoch, EpochOfFiles(spec, *settings));
  STEMMA_RETURN_IF_ERROR(SetEnd(spec, *settings, &base));
  return base;
}

}  // namespace

Result<Base> BaseFromRecipe(const SweepSpec& spec) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadFile(spec.recipe).Within(spec.file));
  Base base;
  base.root = "recipe";
  return Finish(spec, &settings, &list, std::move(base));
}

Result<Base> BaseFromState(const SweepSpec& spec, const BaseState& state) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(state.settings, "settings of " + spec.state));
  STEMMA_RETURN_IF_ERROR(CheckAtFork(spec));
  if (static_cast<int64_t>(state.world) != spec.ranks_per_trial) {
    const std::string ranks = std::to_string(spec.ranks_per_trial);
    return Bad(spec, "sweep.ranks_per_trial = " + ranks + ", but " + spec.state +
                         " is a state of " + std::to_string(state.world) +
                         " ranks; `stemma reshape` makes one for " + ranks);
  }
  Base base;
  base.root = state.id;
  base.is_state = true;
  base.begin = state.step;
  return Finish(spec, &settings, &list, std::move(base));
}

}  // namespace stemma::sweep
