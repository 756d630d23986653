// Settings are data: plain nested structs with defaults, and one list of their fields. That one
// list feeds the TOML reader, `--set a.b=c`, `--help`, the resolved settings that are saved with a
// run, the diff of two runs and the digest that all ranks compare. There is no second list to
// drift.
//
//   template <typename Visitor>
//   void VisitFields(OptimSettings& s, Visitor&& field) {
//     field("optim.name", s.name, Help{"which optimizer", "lamb | sgd | adamw"});
//     field("optim.lr", s.lr, Help{"learning rate at the top of the schedule", "(0, inf)"});
//   }
//   RunSettings settings;                       // outlives the list
//   SettingsList list;
//   VisitFields(settings.optim, list);          // and the other sections
//   STEMMA_RETURN_IF_ERROR(list.ReadFile("laptop.toml"));
//   STEMMA_RETURN_IF_ERROR(list.Set("optim.lr=0.1"));
//
// Order of precedence: default, base recipe, recipe, --set from left to right; whoever reads later
// wins. Nothing comes from the environment. A failure leaves the fields read so far changed: report
// it and stop. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/status.h"

namespace stemma {

enum class Kind {
  kShared,  // affects the mathematics or the plan: equal on all ranks, part of the digest
  kLocal,   // paths, devices, cadence of printing: may differ, may change when a run goes on
};

// What people are told about a field, and what is checked.
struct Help {
  const char* text = "";
  // Numbers: an interval, "[0, 1)", "(0, inf)", ends in or out. Strings: choices, "lamb | sgd".
  // "" accepts everything but a number that is not finite.
  const char* range = "";
  Kind kind = Kind::kShared;
};

// One field of one section. The value lives in the section's struct.
struct Setting {
  std::string key;  // "optim.lr": section, dot, name
  std::variant<bool*, int64_t*, double*, std::string*> value;
  Help help;
  std::string default_text;        // as TOML, taken when the field was listed
  std::string origin = "default";  // or "laptop.toml:14", "--set"
  std::string Text() const;        // the value now, as TOML; doubles keep their bits
};

// Settings that two resolved texts have and differ in. An empty side lacks the key.
struct SettingChange {
  std::string key, from, to;  // values as TOML
};

class SettingsList {
 public:
  // The visitor. A key is listed once; a default outside its own range is our mistake: both are
  // checked here.
  void operator()(const char* key, bool& value, const Help& help);
  void operator()(const char* key, int64_t& value, const Help& help);
  void operator()(const char* key, double& value, const Help& help);
  void operator()(const char* key, std::string& value, const Help& help);

  // Reads a recipe. `base = "other.toml"` in it is read first: looked up beside the file, then in
  // `recipe_dirs`. kInvalidArgument for what a person must correct: no such file; and with
  // file:line:column a syntax error, an unknown key (and the nearest known one), a wrong type, a
  // value out of range.
  Status ReadFile(const std::string& path, const std::vector<std::string>& recipe_dirs = {});

  // The same from memory, e.g. the settings a state was made with; `name` stands in messages, and
  // no base is followed.
  Status ReadText(std::string_view toml, const std::string& name);

  // One "key=value" of the command line. Strings need no quotes.
  Status Set(std::string_view assignment, const std::string& origin = "--set");

  // Every key, also defaults, sorted, one per line: a recipe that gives exactly these settings.
  std::string ToToml() const;
  // {"optim.lr": "laptop.toml:14", ...}, sorted.
  std::string OriginJson() const;
  // By section: key, default, range, text. `section` limits it to one; "" is all.
  std::string HelpText(std::string_view section = "") const;
  // Raw SHA-256 of the shared settings: key, type and value.
  std::string SharedDigest() const;

  const std::vector<Setting>& all() const { return settings_; }  // as listed
  const Setting* Find(std::string_view key) const;               // null: no such key
  // "unknown setting 'optim.learning_rate'; did you mean 'optim.lr'?"
  std::string UnknownKey(std::string_view key) const;

 private:
  void Add(Setting setting);
  Setting* FindMutable(std::string_view key);
  Status ReadFileAt(const std::string& path, const std::vector<std::string>& recipe_dirs,
                    int depth);

  std::vector<Setting> settings_;
};

// What changed from one resolved text (ToToml) to another, sorted by key. Keys that this program
// does not know are compared too: an old run can always be read.
Result<std::vector<SettingChange>> DiffSettings(std::string_view from, std::string_view to);

}  // namespace stemma
