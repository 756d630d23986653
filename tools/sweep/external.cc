#include "tools/sweep/external.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/toml.h"
#include "tools/sweep/choices.h"
#include "tools/sweep/methods.h"

namespace stemma::sweep {
namespace {

using Json = nlohmann::json;

Status Bad(const SweepSpec& spec, const std::string& what) {
  return {Code::kInvalidArgument, spec.file + ": " + spec.parameters.command + " answered " + what};
}

// A member of an object that is of the type asked for; null: it is not.
const Json* Member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

bool TakeStep(const Json& object, const char* key, int64_t* step) {
  const Json* value = Member(object, key);
  if (!value || !value->is_number_integer()) return false;
  *step = value->get<int64_t>();
  return true;
}

// As --set takes it; "" for what no setting has.
std::string SettingText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_integer()) return std::to_string(value.get<int64_t>());
  return value.is_number_float() ? DoubleText(value.get<double>()) : "";
}

// The number that all of `text` is.
bool IsNumber(const std::string& text, double* number) {
  char* end = nullptr;
  *number = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0';
}

// The knob's own spelling of a value that it allows; "": it does not.
std::string Allowed(const Knob& knob, const std::string& text) {
  double number = 0, other = 0;
  const bool is_number = IsNumber(text, &number);
  for (const std::string& choice : knob.choices) {
    if (choice == text) return choice;
    if (is_number && IsNumber(choice, &other) && number == other) return choice;
  }
  if (knob.kind != Knob::Kind::kRange || !is_number) return "";
  if (!(number >= knob.low && number <= knob.high)) return "";
  if (!knob.whole) return DoubleText(number);
  const auto whole = static_cast<int64_t>(number);
  return static_cast<double>(whole) == number ? std::to_string(whole) : "";
}

Result<Choice> ReadChoice(const SweepSpec& spec, const Json* knobs, const std::string& whose) {
  Choice choice;
  if (!knobs || !knobs->is_object()) return Bad(spec, whose + " without knobs");
  for (const Knob& knob : spec.knobs) {
    const Json* value = Member(*knobs, knob.key.c_str());
    if (!value) return Bad(spec, whose + " without " + knob.key);
    choice[knob.key] = Allowed(knob, SettingText(*value));
    if (choice[knob.key].empty()) {
      return Bad(spec, whose + " with " + knob.key + " = " + value->dump() +
                           ", which is not among its values");
    }
  }
  if (knobs->size() == spec.knobs.size()) return choice;
  return Bad(spec, whose + " with knobs that the spec does not have");
}

Result<Json> ReadList(const SweepSpec& spec, const std::string& answer, const char* key) {
  const Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Bad(spec, "no JSON: '" + answer.substr(0, 80) + "'");
  const Json* list = Member(json, key);
  if (!list || !list->is_array()) return Bad(spec, "no list '" + std::string(key) + "'");
  return *list;
}

Json KnobJson(const Knob& knob) {
  if (knob.kind == Knob::Kind::kRange) {
    return {{"key", knob.key}, {"low", knob.low}, {"high", knob.high}, {"log", knob.log}};
  }
  const bool values = knob.kind == Knob::Kind::kValues;
  return {{"key", knob.key}, {values ? "values" : "schedules", knob.choices}};
}

class External : public Method {
 public:
  External(const SweepSpec& spec, const Base& base, CommandRunner runner)
      : spec_(spec), base_(base), runner_(std::move(runner)) {}

  Result<std::vector<Trial>> Propose(const History& history, int64_t free_slots) const override {
    if (free_slots < 1) return std::vector<Trial>();
    Json question = Question("propose", history);
    question["free_slots"] = free_slots;
    STEMMA_ASSIGN_OR_RETURN(const std::string answer, Ask(question));
    return ReadProposals(spec_, base_, static_cast<TrialId>(history.trials().size()), answer);
  }

  Result<std::vector<Decision>> Decide(const History& history) const override {
    Json pending = Json::array();
    for (const auto& [point, outcome] : history.outcomes()) {
      const bool open = history.decisions().count(point) == 0 && point.second < base_.end;
      if (open) pending.push_back(Json::array({point.first, point.second}));
    }
    if (pending.empty()) return std::vector<Decision>();
    Json question = Question("decide", history);
    question["pending"] = pending;
    STEMMA_ASSIGN_OR_RETURN(const std::string answer, Ask(question));
    return ReadDecisions(spec_, base_, history, answer);
  }

 private:
  Json Question(const char* ask, const History& history) const {
    Json knobs = Json::array(), events = Json::array();
    for (const Knob& knob : spec_.knobs) knobs.push_back(KnobJson(knob));
    for (const Event& event : history.events()) events.push_back(Json::parse(EncodeEvent(event)));
    return {{"ask", ask},         {"begin", base_.begin},   {"end", base_.end},
            {"goal", spec_.goal}, {"metric", spec_.metric}, {"seed", spec_.seed},
            {"knobs", knobs},     {"events", events}};
  }
  Result<std::string> Ask(const Json& question) const {
    Result<std::string> answer = runner_(spec_.parameters.command, question.dump() + "\n");
    if (answer.ok()) return answer;
    return Status(answer.status()).Within(spec_.file + ": method external");
  }

  const SweepSpec spec_;
  const Base base_;
  const CommandRunner runner_;
};

bool KindOf(const std::string& name, Decision::Kind* kind) {
  for (const auto one : {Decision::Kind::kPromote, Decision::Kind::kContinue,
                         Decision::Kind::kExploit, Decision::Kind::kStop}) {
    if (name != DecisionName(one)) continue;
    *kind = one;
    return true;
  }
  return false;
}

Result<Decision> ReadDecision(const SweepSpec& spec, const Base& base, const History& history,
                              const Json& json) {
  Decision decision;
  const std::string quoted = json.dump().substr(0, 120);
  const Json* kind = Member(json, "kind");
  const bool read = kind && kind->is_string() && KindOf(kind->get<std::string>(), &decision.kind) &&
                    TakeStep(json, "trial", &decision.trial) &&
                    TakeStep(json, "step", &decision.step);
  if (!read) return Bad(spec, "a decision without trial, step and kind: " + quoted);
  const Point point(decision.trial, decision.step);
  if (history.outcomes().count(point) == 0 || history.decisions().count(point) > 0) {
    return Bad(spec, "a decision on what is not pending: " + quoted);
  }
  decision.until = decision.step;
  for (const auto& [seen, outcome] : history.outcomes()) decision.saw.push_back(seen);
  if (decision.kind == Decision::Kind::kStop) return decision;
  decision.until = base.end;
  if (Member(json, "until") && !TakeStep(json, "until", &decision.until)) {
    return Bad(spec, "an 'until' that is no step: " + quoted);
  }
  if (decision.until <= decision.step || decision.until > base.end) {
    return Bad(spec, "an 'until' outside of the trial: " + quoted);
  }
  if (decision.kind != Decision::Kind::kExploit) return decision;
  if (!TakeStep(json, "from", &decision.from) ||
      history.outcomes().count({decision.from, decision.step}) == 0) {
    return Bad(spec, "an exploit 'from' no trial that was at that step: " + quoted);
  }
  STEMMA_RETURN_IF_ERROR(CheckMovable(spec));
  STEMMA_ASSIGN_OR_RETURN(Knobs knobs, ReadChoice(spec, Member(json, "knobs"), "an exploit"));
  decision.parts = history.PartsAt(decision.from, decision.step);
  decision.parts.push_back({decision.step, std::move(knobs)});
  return decision;
}

}  // namespace

Result<std::vector<Trial>> ReadProposals(const SweepSpec& spec, const Base& base, TrialId first,
                                         const std::string& answer) {
  STEMMA_ASSIGN_OR_RETURN(const Json list, ReadList(spec, answer, "trials"));
  std::vector<Trial> trials;
  for (const Json& json : list) {
    const TrialId id = first + static_cast<TrialId>(trials.size());
    const std::string whose = "trial " + std::to_string(id);
    STEMMA_ASSIGN_OR_RETURN(const Choice choice, ReadChoice(spec, Member(json, "knobs"), whose));
    STEMMA_ASSIGN_OR_RETURN(Trial trial, MakeTrial(spec, base, id, choice));
    int64_t until = trial.until;
    if (Member(json, "until") && !TakeStep(json, "until", &until)) {
      return Bad(spec, whose + " with an 'until' that is no step");
    }
    if (until <= base.begin || until > trial.until) {
      return Bad(spec, whose + " until step " + std::to_string(until) + ", not within " +
                           std::to_string(base.begin) + " to " + std::to_string(trial.until));
    }
    trial.until = until;
    trials.push_back(std::move(trial));
  }
  return trials;
}

Result<std::vector<Decision>> ReadDecisions(const SweepSpec& spec, const Base& base,
                                            const History& history, const std::string& answer) {
  STEMMA_ASSIGN_OR_RETURN(const Json list, ReadList(spec, answer, "decisions"));
  std::vector<Decision> decisions;
  for (const Json& json : list) {
    STEMMA_ASSIGN_OR_RETURN(Decision decision, ReadDecision(spec, base, history, json));
    decisions.push_back(std::move(decision));
  }
  std::sort(decisions.begin(), decisions.end(),
            [](const Decision& a, const Decision& b) { return a.trial < b.trial; });
  return decisions;
}

MadeMethod MakeExternal(const SweepSpec& spec, const Base& base, CommandRunner runner) {
  if (spec.parameters.command.empty()) {
    return Status(Code::kInvalidArgument,
                  spec.file + ": method external needs method.command, the program that chooses");
  }
  if (!runner) {
    return Status(Code::kInvalidArgument, spec.file + ": method external asks " +
                                              spec.parameters.command +
                                              ", and that happens only while the sweep runs");
  }
  STEMMA_RETURN_IF_ERROR(CheckOneBudget(spec, base));
  return std::unique_ptr<Method>(std::make_unique<External>(spec, base, std::move(runner)));
}

}  // namespace stemma::sweep
