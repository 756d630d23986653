#include "tools/sweep/choices.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/settings.h"
#include "core/toml.h"
#include "models/train/fill_settings.h"
#include "models/train/settings.h"
#include "optim/power.h"
#include "tools/sweep/epoch.h"
#include "tools/sweep/segment.h"

namespace stemma::sweep {
namespace {

std::string Trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t"), to = text.find_last_not_of(" \t");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

Status Unreadable(const std::string& piece, const std::string& why) {
  return {Code::kInvalidArgument,
          "schedule piece '" + piece + "' " + why +
              "; write \"0: 0.1; 200step: 0.01\", from step 0 on and ascending"};
}

// The values of the knobs from a step on.
struct Change {
  std::string key, value;
};

// When each knob takes which value, in steps, by the settings that hold with the first values.
Result<std::multimap<int64_t, Change>> Changes(const SweepSpec& spec, const Base& base,
                                               const Choice& choice) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  for (const std::string& one : base.assignments) STEMMA_RETURN_IF_ERROR(list.Set(one, "base"));
  for (const std::string& one : base.settings) STEMMA_RETURN_IF_ERROR(list.Set(one, "[settings]"));
  std::multimap<int64_t, Change> changes;
  std::map<std::string, std::vector<SchedulePiece>> later;
  for (const Knob& knob : spec.knobs) {
    std::string first = choice.at(knob.key);
    if (knob.kind == Knob::Kind::kSchedules) {
      STEMMA_ASSIGN_OR_RETURN(later[knob.key], ParseSchedule(first));
      first = later[knob.key][0].value;
    }
    STEMMA_RETURN_IF_ERROR(list.Set(knob.key + "=" + first, knob.place));
    changes.emplace(base.begin, Change{knob.key, first});
  }
  for (const Knob& knob : spec.knobs) {
    int64_t last = 0;
    const std::vector<SchedulePiece>& pieces = later[knob.key];
    for (size_t i = 1; i < pieces.size(); ++i) {
      models::TrainSection length = settings.train;
      length.length = pieces[i].from;
      const Result<int64_t> step = models::TotalSteps(length, EpochOf(base, settings));
      const std::string piece = pieces[i].from + ": " + pieces[i].value;
      if (!step.ok()) {
        return Unreadable(piece, "begins at no step").Within(knob.place + ": " + knob.key);
      }
      if (*step <= last) {
        return Unreadable(piece, "begins before the one in front of it")
            .Within(knob.place + ": " + knob.key);
      }
      last = *step;
      changes.emplace(std::max(*step, base.begin), Change{knob.key, pieces[i].value});
    }
  }
  return changes;
}

// Whole numbers of a range have equal chances: each owns a part of [0, 1].
double Whole(const Knob& knob, double unit) {
  if (knob.log) {
    const double real = knob.high * optim::Power(knob.low / knob.high, 1 - unit);
    return std::floor(real + 0.5);
  }
  return std::floor(knob.low + unit * (knob.high - knob.low + 1));
}

double InRange(const Knob& knob, double unit) {
  if (unit >= 1) return knob.high;
  double value = 0;
  if (knob.whole) {
    value = Whole(knob, unit);
  } else if (knob.log) {
    value = knob.high * optim::Power(knob.low / knob.high, 1 - unit);
  } else {
    value = knob.low + unit * (knob.high - knob.low);
  }
  return unit <= 0 ? knob.low : std::min(std::max(value, knob.low), knob.high);
}

}  // namespace

Result<std::vector<SchedulePiece>> ParseSchedule(const std::string& text) {
  std::vector<SchedulePiece> pieces;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    const std::string piece = Trimmed(text.substr(begin, end - begin));
    const size_t colon = piece.find(':');
    if (colon == std::string::npos) return Unreadable(piece, "is no \"FROM: VALUE\"");
    const std::string from = Trimmed(piece.substr(0, colon));
    const std::string value = Trimmed(piece.substr(colon + 1));
    if (from.empty() || value.empty()) return Unreadable(piece, "is no \"FROM: VALUE\"");
    if ((from == "0") != pieces.empty()) return Unreadable(piece, "is not where one begins");
    pieces.push_back({from, value});
    begin = end + 1;
  }
  return pieces;
}

std::string ValueAt(const Knob& knob, double unit) {
  if (knob.kind == Knob::Kind::kRange) {
    const double value = InRange(knob, unit);
    return knob.whole ? std::to_string(static_cast<int64_t>(value)) : DoubleText(value);
  }
  const auto count = static_cast<double>(knob.choices.size());
  const double at = std::min(std::floor(std::max(unit, 0.0) * count), count - 1);
  return knob.choices[static_cast<size_t>(at)];
}

Choice ChoiceAt(const SweepSpec& spec, const std::vector<double>& unit) {
  Choice choice;
  for (size_t i = 0; i < spec.knobs.size(); ++i) {
    choice[spec.knobs[i].key] = ValueAt(spec.knobs[i], unit[i]);
  }
  return choice;
}

Choice Draw(const SweepSpec& spec, Random* random) {
  Choice choice;
  for (const Knob& knob : spec.knobs) choice[knob.key] = ValueAt(knob, random->Uniform());
  return choice;
}

Result<std::vector<Choice>> Grid(const SweepSpec& spec) {
  std::vector<Choice> grid = {{}};
  for (const Knob& knob : spec.knobs) {
    std::vector<std::string> values = knob.choices;
    if (knob.kind == Knob::Kind::kRange) {
      const int64_t points = spec.parameters.points;
      if (points < 2) {
        return Status(Code::kInvalidArgument,
                      knob.place + ": a grid needs method.points, at least 2, for the range of " +
                          knob.key + ", or { values = [...] }");
      }
      for (int64_t i = 0; i < points; ++i) {
        const double unit = static_cast<double>(i) / static_cast<double>(points - 1);
        std::string value = ValueAt(knob, unit);
        if (values.empty() || values.back() != value) values.push_back(std::move(value));
      }
    }
    if (static_cast<int64_t>(grid.size() * values.size()) > kTrialsMax) {
      return Status(Code::kInvalidArgument, spec.file + ": the grid has more than " +
                                                std::to_string(kTrialsMax) + " trials");
    }
    std::vector<Choice> wider;
    for (const Choice& choice : grid) {
      for (const std::string& value : values) {
        wider.push_back(choice);
        wider.back()[knob.key] = value;
      }
    }
    grid = std::move(wider);
  }
  return grid;
}

Result<Trial> MakeTrial(const SweepSpec& spec, const Base& base, TrialId id, const Choice& choice) {
  STEMMA_ASSIGN_OR_RETURN(const auto changes, Changes(spec, base, choice));
  Trial trial;
  trial.id = id;
  Knobs now;
  for (auto at = changes.begin(); at != changes.end();) {
    const int64_t step = at->first;
    for (; at != changes.end() && at->first == step; ++at) now[at->second.key] = at->second.value;
    trial.parts.push_back({step, now});
  }
  const std::string name = spec.file + ": trial " + std::to_string(id);
  Result<Timeline> timeline = Timeline::Make(base, trial.parts);
  if (!timeline.ok()) return Status(timeline.status()).Within(name);
  trial.until = base.own_ends ? timeline->total_steps() : base.end;
  if (trial.until - base.begin > kStepsMax) {
    return Status(Code::kInvalidArgument, name + " has more than " + std::to_string(kStepsMax) +
                                              " steps: set a smaller sweep.budget or train.length");
  }
  if (trial.until > base.begin && trial.until <= timeline->total_steps()) return trial;
  return Status(Code::kInvalidArgument,
                name + ": train.length is " + std::to_string(timeline->total_steps()) +
                    " steps, but it would go from step " + std::to_string(base.begin) + " to " +
                    std::to_string(trial.until));
}

}  // namespace stemma::sweep
