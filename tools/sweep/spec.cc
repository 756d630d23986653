#include "tools/sweep/spec.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "core/settings.h"
#include "core/text.h"
#include "core/toml.h"
#include "lineage/names.h"
#include "models/train/settings.h"
#include "tools/sweep/choices.h"
#include "tools/sweep/method.h"

namespace stemma::sweep {
namespace {

template <typename V>
void VisitSweep(SweepSpec& s, V&& field) {
  field("recipe", s.recipe, Help{"a recipe, beside this file"});
  field("state", s.state, Help{"a state of the store"});
  field("sweep.name", s.name, Help{"of the sweep and its runs"});
  field("sweep.method", s.method, Help{"how trials are chosen"});
  field("sweep.metric", s.metric, Help{"of a state"});
  field("sweep.goal", s.goal, Help{"which end of the metric is good", "min | max"});
  field("sweep.budget", s.budget, Help{"of a trial: \"400step\", \"3ep\", \"12800samples\""});
  field("sweep.ranks_per_trial", s.ranks_per_trial, Help{"", "[1, 1000000]"});
  field("sweep.slots", s.slots, Help{"trials that run at once", "[1, 100000]"});
  field("sweep.seed", s.seed, Help{"of the choices", "[0, inf)"});
  field("sweep.share_min", s.share_min, Help{"shortest prefix that is shared", "[1, inf)"});
  MethodSettings& m = s.parameters;
  field("method.trials", m.trials, Help{"", "[1, 10000]"});
  field("method.eta", m.eta, Help{"one in eta goes on", "[1.1, 1000]"});
  field("method.min_steps", m.min_steps, Help{"the first rung", "[1, inf)"});
  field("method.points", m.points, Help{"of each range", "[0, 100000]"});
  field("method.interval", m.interval, Help{"steps between two looks", "[0, inf)"});
  field("method.truncation", m.truncation, Help{"share that is replaced", "(0, 0.5]"});
  field("method.factor_low", m.factor_low, Help{"", "(0, 1]"});
  field("method.factor_high", m.factor_high, Help{"", "[1, 1000]"});
  field("method.resample", m.resample, Help{"chance to draw anew", "[0, 1]"});
  field("method.rise", m.rise, Help{"of the metric, over its least", "(1, inf)"});
  field("method.command", m.command, Help{"what is asked"});
}

// Which parameters a method reads. Methods that others registered may read all.
const std::map<std::string, std::vector<std::string>>& Reads() {
  static const std::map<std::string, std::vector<std::string>> kReads = {
      {"grid", {"points"}},
      {"random", {"trials"}},
      {"sobol", {"trials"}},
      {"halving", {"trials", "eta", "min_steps"}},
      {"hyperband", {"eta", "min_steps"}},
      {"asha", {"trials", "eta", "min_steps"}},
      {"pbt", {"trials", "interval", "truncation", "factor_low", "factor_high", "resample"}},
      {"range", {"interval", "rise"}},
      {"external", {"command"}},
  };
  return kReads;
}

std::string Quoted(const std::string& text) { return "'" + text + "'"; }

std::string Hint(const std::string& word, const std::vector<std::string>& known) {
  const std::string meant = Nearest(word, known);
  if (!meant.empty()) return "; did you mean '" + meant + "'?";
  std::string all;
  for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
  return "; there are " + all;
}

bool Begins(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

// As --set takes it.
std::string PlainText(const TomlEntry& entry) {
  const auto* text = std::get_if<std::string>(&entry.value);
  return text ? *text : TomlText(entry.value);
}

// Settings that the sweep itself gives to each of its runs.
std::string WhyNotHere(const std::string& key) {
  if (key == "run.name") return "is given to each run by the sweep";
  if (key == "train.stop_at") return "is where a stage ends, which the sweep computes";
  return "";
}

class SpecReader {
 public:
  SpecReader(std::string file, SweepSpec* spec)
      : file_(std::move(file)), spec_(spec), runs_(models::FieldsOf(run_settings_)) {
    spec_->file = file_;
    VisitSweep(*spec_, own_);
  }

  Status Read(std::string_view toml) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<TomlEntry> entries, ParseTomlWithLists(toml, file_));
    for (const TomlEntry& entry : entries) {
      if (Begins(entry.key, "knobs.")) {
        STEMMA_RETURN_IF_ERROR(TakeKnob(entry));
      } else if (Begins(entry.key, "settings.")) {
        STEMMA_RETURN_IF_ERROR(TakeSetting(entry));
      } else {
        STEMMA_RETURN_IF_ERROR(TakeOwn(entry));
      }
    }
    STEMMA_RETURN_IF_ERROR(Finish());
    for (auto& [key, knob] : knobs_) {
      STEMMA_RETURN_IF_ERROR(FinishKnob(&knob));
      spec_->knobs.push_back(std::move(knob));
    }
    return {};
  }

 private:
  std::string Place(const TomlEntry& entry) const {
    return file_ + ":" + std::to_string(entry.line) + ":" + std::to_string(entry.column);
  }
  Status Bad(const std::string& place, const std::string& what) const {
    return {Code::kInvalidArgument, place + ": " + what};
  }

  // recipe, state, [sweep], [method].
  Status TakeOwn(const TomlEntry& entry) {
    if (!own_.Find(entry.key)) {
      const std::string section = entry.key.substr(0, entry.key.find('.') + 1);
      if (section != "sweep." && section != "method.") {
        const std::string first = entry.key.substr(0, entry.key.find('.'));
        return Bad(Place(entry),
                   "unknown key " + Quoted(entry.key) +
                       Hint(first, {"recipe", "state", "sweep", "method", "settings", "knobs"}));
      }
      std::vector<std::string> known;
      for (const Setting& setting : own_.all()) {
        if (Begins(setting.key, section)) known.push_back(setting.key);
      }
      return Bad(Place(entry), "unknown key " + Quoted(entry.key) + Hint(entry.key, known));
    }
    STEMMA_RETURN_IF_ERROR(own_.Set(entry.key + "=" + PlainText(entry), Place(entry)));
    places_[entry.key] = Place(entry);
    return {};
  }

  Status CheckRunKey(const std::string& key, const std::string& place) const {
    const Setting* setting = runs_.Find(key);
    if (!setting) return Bad(place, runs_.UnknownKey(key));
    const std::string why = WhyNotHere(key);
    return why.empty() ? Status() : Bad(place, key + " " + why);
  }

  Status TakeSetting(const TomlEntry& entry) {
    const std::string key = entry.key.substr(std::string("settings.").size());
    STEMMA_RETURN_IF_ERROR(CheckRunKey(key, Place(entry)));
    const std::string assignment = key + "=" + PlainText(entry);
    STEMMA_RETURN_IF_ERROR(runs_.Set(assignment, Place(entry)));
    spec_->settings.push_back(assignment);
    places_[entry.key] = Place(entry);
    return {};
  }

  // "knobs.optim.lr.values[2]": the setting, what is said of it, and which element.
  Status TakeKnob(const TomlEntry& entry) {
    const std::string path = entry.key.substr(std::string("knobs.").size());
    const std::string bare = path.substr(0, path.find('['));
    if (runs_.Find(bare)) {
      return Bad(Place(entry), "knob " + Quoted(bare) +
                                   " is a plain value; write { values = [...] }, { low = ..., high "
                                   "= ... } or { schedules = [...] }, or put it into [settings]");
    }
    const size_t dot = bare.rfind('.');
    const std::string key = dot == std::string::npos ? bare : bare.substr(0, dot);
    const std::string what = dot == std::string::npos ? "" : bare.substr(dot + 1);
    STEMMA_RETURN_IF_ERROR(CheckRunKey(key, Place(entry)));
    Knob& knob = knobs_[key];
    knob.key = key;
    if (knob.place.empty()) knob.place = Place(entry);
    const std::vector<std::string> known = {"values", "low", "high", "log", "schedules"};
    if (std::find(known.begin(), known.end(), what) == known.end()) {
      return Bad(Place(entry), "unknown " + Quoted(what) + " of knob " + key + Hint(what, known));
    }
    said_[key][what] = entry;
    if (what == "values" || what == "schedules") {
      if (bare == path) return Bad(Place(entry), what + " is a list: " + what + " = [...]");
      return TakeChoice(entry, what, &knob);
    }
    return bare == path ? Status() : Bad(Place(entry), what + " is one value, not a list");
  }

  Status TakeChoice(const TomlEntry& entry, const std::string& what, Knob* knob) {
    const std::string text = PlainText(entry);
    knob->kind = what == "values" ? Knob::Kind::kValues : Knob::Kind::kSchedules;
    for (const std::string& other : knob->choices) {
      if (other == text) return Bad(Place(entry), knob->key + " has " + Quoted(text) + " twice");
    }
    knob->choices.push_back(text);
    if (what == "values") return runs_.Set(knob->key + "=" + text, Place(entry));
    const Result<std::vector<SchedulePiece>> pieces = ParseSchedule(text);
    if (!pieces.ok()) return Bad(Place(entry), knob->key + ": " + pieces.status().message());
    for (const SchedulePiece& piece : *pieces) {
      STEMMA_RETURN_IF_ERROR(runs_.Set(knob->key + "=" + piece.value, Place(entry)));
    }
    return {};
  }

  Status FinishKnob(Knob* knob) {
    const std::map<std::string, TomlEntry>& said = said_[knob->key];
    const int ways = static_cast<int>(said.count("values") + said.count("schedules") +
                                      std::max(said.count("low"), said.count("high")));
    if (ways != 1 || (knob->choices.empty() && said.count("low") != said.count("high"))) {
      return Bad(knob->place, "knob " + knob->key +
                                  " has values, or low and high, or schedules: one of the three");
    }
    const Setting& setting = *runs_.Find(knob->key);
    if (setting.help.kind == Kind::kLocal) {
      return Bad(knob->place, knob->key +
                                  " does not affect what is trained, so all trials would be one; "
                                  "set it in [settings]");
    }
    for (const std::string& assignment : spec_->settings) {
      if (Begins(assignment, knob->key + "=")) {
        return Bad(knob->place, knob->key + " is in [settings] and in [knobs]");
      }
    }
    if (knob->choices.empty()) return FinishRange(setting, said, knob);
    if (!said.count("log")) return {};
    return Bad(Place(said.at("log")), "log is for low and high");
  }

  Status FinishRange(const Setting& setting, const std::map<std::string, TomlEntry>& said,
                     Knob* knob) {
    knob->kind = Knob::Kind::kRange;
    knob->whole = std::holds_alternative<int64_t*>(setting.value);
    if (!knob->whole && !std::holds_alternative<double*>(setting.value)) {
      return Bad(knob->place, knob->key + " is no number; write { values = [...] }");
    }
    for (const char* end : {"low", "high"}) {
      const TomlEntry& entry = said.at(end);
      STEMMA_RETURN_IF_ERROR(runs_.Set(knob->key + "=" + PlainText(entry), Place(entry)));
      const auto* whole = std::get_if<int64_t>(&entry.value);
      const auto* real = std::get_if<double>(&entry.value);
      if (!whole && !real) return Bad(Place(entry), std::string(end) + " is no number");
      (end[0] == 'l' ? knob->low : knob->high) = whole ? static_cast<double>(*whole) : *real;
    }
    if (said.count("log")) {
      const auto* log = std::get_if<bool>(&said.at("log").value);
      if (!log) return Bad(Place(said.at("log")), "log is true or false");
      knob->log = *log;
    }
    if (!(knob->low < knob->high)) {
      return Bad(knob->place, "knob " + knob->key + ": low must be below high");
    }
    if (!knob->log || knob->low > 0) return {};
    return Bad(knob->place,
               "knob " + knob->key + ": a range that is even in the logarithm begins above 0");
  }

  // What needs the whole file.
  Status Finish() {
    if (spec_->recipe.empty() == spec_->state.empty()) {
      return Bad(file_,
                 "a sweep begins at one of: recipe = \"laptop.toml\", beside this file, or "
                 "state = \"r50@12000\", of the store");
    }
    if (spec_->name.empty()) {
      return Bad(file_, "sweep.name is missing: it names the sweep and its runs");
    }
    if (!lineage::IsName(spec_->name) || spec_->name.size() > 64) {
      return Bad(places_["sweep.name"], "sweep.name " + Quoted(spec_->name) +
                                            ": letters, digits, '.', '_' and '-', at most 64");
    }
    if (spec_->metric.empty()) return Bad(places_["sweep.metric"], "sweep.metric is empty");
    STEMMA_RETURN_IF_ERROR(CheckMethod());
    if (knobs_.empty()) return Bad(file_, "[knobs] is empty: nothing would differ between trials");
    if (!spec_->recipe.empty()) {
      const std::filesystem::path beside = std::filesystem::path(file_).parent_path();
      spec_->recipe = (beside / spec_->recipe).string();
    }
    return {};
  }

  Status CheckMethod() {
    const std::vector<std::string> names = MethodNames();
    if (std::find(names.begin(), names.end(), spec_->method) == names.end()) {
      return Bad(places_["sweep.method"],
                 "no method is called " + Quoted(spec_->method) + Hint(spec_->method, names));
    }
    const auto reads = Reads().find(spec_->method);
    if (reads == Reads().end()) return {};
    for (const auto& [key, place] : places_) {
      if (!Begins(key, "method.")) continue;
      const std::string name = key.substr(std::string("method.").size());
      const std::vector<std::string>& known = reads->second;
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      return Bad(place, "method " + spec_->method + " has no parameter " + Quoted(name) +
                            Hint(name, known));
    }
    return {};
  }

  const std::string file_;
  SweepSpec* spec_;
  SettingsList own_;
  models::RunSettings run_settings_;  // a scratch copy: values are tried on it
  SettingsList runs_;
  std::map<std::string, std::string> places_;
  std::map<std::string, Knob> knobs_;
  std::map<std::string, std::map<std::string, TomlEntry>> said_;
};

}  // namespace

Result<SweepSpec> ParseSpec(std::string_view toml, const std::string& file) {
  SweepSpec spec;
  SpecReader reader(file, &spec);
  STEMMA_RETURN_IF_ERROR(reader.Read(toml));
  return spec;
}

Result<SweepSpec> ReadSpec(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && !in.eof()) {
    return Status(Code::kInvalidArgument, "cannot read the sweep's file " + path);
  }
  return ParseSpec(text, path);
}

}  // namespace stemma::sweep
