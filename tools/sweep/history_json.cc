#include <cmath>
#include <nlohmann/json.hpp>

#include "core/toml.h"
#include "tools/sweep/history.h"

namespace stemma::sweep {
namespace {

using Json = nlohmann::json;

Json PartsJson(const std::vector<Part>& parts) {
  Json out = Json::array();
  for (const Part& part : parts) out.push_back({{"begin", part.begin}, {"knobs", part.knobs}});
  return out;
}

Json EventJson(const Proposal& proposal) {
  Json trials = Json::array();
  for (const Trial& trial : proposal.trials) {
    trials.push_back({{"id", trial.id},
                      {"parts", PartsJson(trial.parts)},
                      {"until", trial.until},
                      {"inherited", trial.inherited},
                      {"bracket", trial.bracket}});
  }
  return {{"event", "proposal"}, {"trials", trials}};
}

// JSON has no infinity: what is not finite is a text.
Json EventJson(const Outcome& outcome) {
  Json out = {{"event", "outcome"},
              {"trial", outcome.trial},
              {"step", outcome.step},
              {"state", outcome.state}};
  if (std::isfinite(outcome.metric)) {
    out["metric"] = outcome.metric;
  } else {
    out["metric"] = DoubleText(outcome.metric);
  }
  return out;
}

Json EventJson(const Decision& decision) {
  Json out = {{"event", "decision"},     {"kind", DecisionName(decision.kind)},
              {"trial", decision.trial}, {"step", decision.step},
              {"until", decision.until}, {"saw", decision.saw}};
  if (decision.kind == Decision::Kind::kExploit) {
    out["from"] = decision.from;
    out["parts"] = PartsJson(decision.parts);
  }
  return out;
}

// Fields of one object. The first that is missing or of another type is remembered.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  int64_t Whole(const char* key) {
    const Json* value = Find(key);
    if (value && value->is_number_integer()) return value->get<int64_t>();
    return Fail(key), 0;
  }
  double Real(const char* key) {
    const Json* value = Find(key);
    if (value && value->is_number()) return value->get<double>();
    const std::string text = value && value->is_string() ? value->get<std::string>() : "";
    if (text == "inf") return HUGE_VAL;
    if (text == "-inf") return -HUGE_VAL;
    if (text == "nan") return std::nan("");
    return Fail(key), 0;
  }
  std::string Text(const char* key) {
    const Json* value = Find(key);
    if (value && value->is_string()) return value->get<std::string>();
    return Fail(key), "";
  }
  std::vector<Part> Parts(const char* key) {
    std::vector<Part> parts;
    for (const Json& one : Array(key)) {
      Fields fields(one);
      Part part;
      part.begin = fields.Whole("begin");
      const Json* knobs = fields.Find("knobs");
      if (!knobs || !knobs->is_object()) return Fail(key), parts;
      for (const auto& [name, value] : knobs->items()) {
        if (!value.is_string()) return Fail(key), parts;
        part.knobs[name] = value.get<std::string>();
      }
      if (!fields.bad().empty()) return Fail(key), parts;
      parts.push_back(std::move(part));
    }
    return parts;
  }
  std::vector<Point> Points(const char* key) {
    std::vector<Point> points;
    for (const Json& one : Array(key)) {
      const bool pair = one.is_array() && one.size() == 2 && one[0].is_number_integer() &&
                        one[1].is_number_integer();
      if (!pair) return Fail(key), points;
      points.emplace_back(one[0].get<int64_t>(), one[1].get<int64_t>());
    }
    return points;
  }
  const Json& Array(const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = Find(key);
    if (value && value->is_array()) return *value;
    return Fail(key), kEmpty;
  }
  const std::string& bad() const { return bad_; }

 private:
  const Json* Find(const char* key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  void Fail(const char* key) {
    if (bad_.empty()) bad_ = key;
  }

  const Json& json_;
  std::string bad_;
};

Status Corrupt(const std::string& what) {
  return {Code::kCorruption, "a record of the sweep cannot be read: " + what};
}

Result<Event> Decoded(Event event, const Fields& fields) {
  if (fields.bad().empty()) return event;
  return Corrupt("its '" + fields.bad() + "'");
}

Result<Event> DecodeProposal(Fields fields) {
  Proposal proposal;
  for (const Json& one : fields.Array("trials")) {
    Fields of(one);
    Trial trial;
    trial.id = of.Whole("id");
    trial.parts = of.Parts("parts");
    trial.until = of.Whole("until");
    trial.inherited = of.Whole("inherited");
    trial.bracket = of.Whole("bracket");
    if (!of.bad().empty()) return Corrupt("a trial's '" + of.bad() + "'");
    proposal.trials.push_back(std::move(trial));
  }
  return Decoded(std::move(proposal), fields);
}

Result<Event> DecodeOutcome(Fields fields) {
  Outcome outcome;
  outcome.trial = fields.Whole("trial");
  outcome.step = fields.Whole("step");
  outcome.metric = fields.Real("metric");
  outcome.state = fields.Text("state");
  return Decoded(std::move(outcome), fields);
}

Result<Event> DecodeDecision(Fields fields) {
  Decision decision;
  const std::string kind = fields.Text("kind");
  bool known = false;
  for (const auto one : {Decision::Kind::kPromote, Decision::Kind::kContinue,
                         Decision::Kind::kExploit, Decision::Kind::kStop}) {
    if (kind != DecisionName(one)) continue;
    decision.kind = one;
    known = true;
  }
  if (!known) return Corrupt("a decision '" + kind + "'");
  decision.trial = fields.Whole("trial");
  decision.step = fields.Whole("step");
  decision.until = fields.Whole("until");
  decision.saw = fields.Points("saw");
  if (decision.kind == Decision::Kind::kExploit) {
    decision.from = fields.Whole("from");
    decision.parts = fields.Parts("parts");
  }
  return Decoded(std::move(decision), fields);
}

}  // namespace

std::string EncodeEvent(const Event& event) {
  return std::visit([](const auto& one) { return EventJson(one); }, event)
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Event> DecodeEvent(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Corrupt("it is no JSON");
  Fields fields(json);
  const std::string event = fields.Text("event");
  if (event == "proposal") return DecodeProposal(fields);
  if (event == "outcome") return DecodeOutcome(fields);
  if (event == "decision") return DecodeDecision(fields);
  return Corrupt("it is no event of a sweep");
}

}  // namespace stemma::sweep
