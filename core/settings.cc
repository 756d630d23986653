#include "core/settings.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"
#include "core/settings_value.h"
#include "core/text.h"
#include "core/toml.h"

namespace stemma {
namespace {

constexpr int kBaseDepthMax = 8;  // recipes under recipes: deeper is a circle

Status ReadTextFile(const std::string& path, std::string* text) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return {Code::kInvalidArgument, "'" + path + "' is a directory, not a recipe"};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const bool there = std::filesystem::exists(path, error);
    const char* why = there ? "cannot be read" : "is not there";
    return {Code::kInvalidArgument, "recipe '" + path + "' " + why};
  }
  text->assign(std::istreambuf_iterator<char>(in), {});
  return {};
}

std::string LastPart(std::string_view key) {
  return std::string(key.substr(key.rfind('.') + 1));  // npos + 1 is 0
}

// "learning_rate" -> "lr"
std::string Initials(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i == 0 || name[i - 1] == '_' || name[i - 1] == '-') out += name[i];
  }
  return out;
}

std::string Section(std::string_view key) { return std::string(key.substr(0, key.find('.'))); }

// People forget the section, take another one, or write a name in full.
std::string NearestKey(std::string_view key, const std::vector<std::string>& keys) {
  const std::string name = LastPart(key);
  for (const std::string& other : keys) {
    if (Section(other) == Section(key) && LastPart(other) == Initials(name)) return other;
  }
  std::vector<std::string> same_section, names;
  for (const std::string& other : keys) {
    if (LastPart(other) == name) return other;
    if (Section(other) == Section(key)) same_section.push_back(LastPart(other));
  }
  const std::string here = Nearest(name, same_section);
  if (!here.empty()) return Section(key) + "." + here;
  return Nearest(key, keys);
}

Status BadValue(const Setting& setting, const std::string& value, const std::string& complaint) {
  return {Code::kInvalidArgument, setting.key + " = " + value + ": " + complaint};
}

Status Assign(Setting* setting, internal::SettingValue value, const std::string& origin) {
  const std::string text = TomlText(value);
  if (!internal::FitTo(setting->value, &value)) {
    return BadValue(*setting, text, std::string("expected ") + internal::TypeName(setting->value));
  }
  const std::string complaint = internal::RangeComplaint(value, setting->help.range);
  if (!complaint.empty()) return BadValue(*setting, text, complaint);
  internal::Store(setting->value, value);
  setting->origin = origin;
  return {};
}

std::string At(const std::string& name, const TomlEntry& entry) {
  return name + ":" + std::to_string(entry.line) + ":" + std::to_string(entry.column);
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string HelpLine(const Setting& setting, size_t width) {
  std::string line = "  " + Padded(setting.key + " = " + setting.default_text, width) + "  ";
  const std::string range = setting.help.range;
  line += setting.help.text;
  if (!range.empty()) line += "; " + range;
  if (setting.help.kind == Kind::kLocal) line += "; local";
  return line + "\n";
}

}  // namespace

std::string Setting::Text() const { return TomlText(internal::ValueOf(value)); }

void SettingsList::operator()(const char* key, bool& value, const Help& help) {
  Add({key, &value, help, "", "default"});
}
void SettingsList::operator()(const char* key, int64_t& value, const Help& help) {
  Add({key, &value, help, "", "default"});
}
void SettingsList::operator()(const char* key, double& value, const Help& help) {
  Add({key, &value, help, "", "default"});
}
void SettingsList::operator()(const char* key, std::string& value, const Help& help) {
  Add({key, &value, help, "", "default"});
}

void SettingsList::Add(Setting setting) {
  STEMMA_CHECK(!Find(setting.key), "setting listed twice: " + setting.key);
  const auto complaint =
      internal::RangeComplaint(internal::ValueOf(setting.value), setting.help.range);
  STEMMA_CHECK(complaint.empty(), "default of " + setting.key + " is not allowed, " + complaint);
  setting.default_text = setting.Text();
  settings_.push_back(std::move(setting));
}

const Setting* SettingsList::Find(std::string_view key) const {
  for (const Setting& setting : settings_) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

Setting* SettingsList::FindMutable(std::string_view key) { return const_cast<Setting*>(Find(key)); }

std::string SettingsList::UnknownKey(std::string_view key) const {
  std::vector<std::string> keys;
  for (const Setting& setting : settings_) keys.push_back(setting.key);
  const std::string meant = NearestKey(key, keys);
  const std::string hint = meant.empty() ? "; `stemma train --help` lists all settings"
                                         : "; did you mean '" + meant + "'?";
  return "unknown setting '" + std::string(key) + "'" + hint;
}

Status SettingsList::ReadFile(const std::string& path,
                              const std::vector<std::string>& recipe_dirs) {
  return ReadFileAt(path, recipe_dirs, 0);
}

Status SettingsList::ReadFileAt(const std::string& path,
                                const std::vector<std::string>& recipe_dirs, int depth) {
  std::string text;
  STEMMA_RETURN_IF_ERROR(ReadTextFile(path, &text));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<TomlEntry> entries, ParseToml(text, path));
  for (const TomlEntry& entry : entries) {
    if (entry.key != "base") continue;
    const auto* base = std::get_if<std::string>(&entry.value);
    if (!base) return {Code::kInvalidArgument, At(path, entry) + ": base names another recipe"};
    if (depth == kBaseDepthMax) {
      return {Code::kInvalidArgument, At(path, entry) + ": recipes name each other as base"};
    }
    std::vector<std::string> dirs = {std::filesystem::path(path).parent_path().string()};
    dirs.insert(dirs.end(), recipe_dirs.begin(), recipe_dirs.end());
    std::string found;
    for (const std::string& dir : dirs) {
      const std::string candidate = (std::filesystem::path(dir) / *base).string();
      std::error_code error;
      if (found.empty() && std::filesystem::exists(candidate, error)) found = candidate;
    }
    if (found.empty()) {
      return {Code::kInvalidArgument,
              At(path, entry) + ": base '" + *base + "' is not beside the recipe"};
    }
    STEMMA_RETURN_IF_ERROR(ReadFileAt(found, recipe_dirs, depth + 1).Within(At(path, entry)));
  }
  return ReadText(text, path);
}

Status SettingsList::ReadText(std::string_view toml, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<TomlEntry> entries, ParseToml(toml, name));
  for (const TomlEntry& entry : entries) {
    if (entry.key == "base") continue;
    Setting* setting = FindMutable(entry.key);
    if (!setting) return {Code::kInvalidArgument, At(name, entry) + ": " + UnknownKey(entry.key)};
    const std::string origin = name + ":" + std::to_string(entry.line);
    STEMMA_RETURN_IF_ERROR(Assign(setting, entry.value, origin).Within(At(name, entry)));
  }
  return {};
}

Status SettingsList::Set(std::string_view assignment, const std::string& origin) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    const std::string what(assignment);
    return {Code::kInvalidArgument, origin + " " + what + ": expected key=value"};
  }
  const std::string key(assignment.substr(0, equals)), text(assignment.substr(equals + 1));
  Setting* setting = FindMutable(key);
  if (!setting) return {Code::kInvalidArgument, origin + ": " + UnknownKey(key)};
  internal::SettingValue value;
  const Status status =
      internal::ParseAs(setting->value, text, &value)
          ? Assign(setting, std::move(value), origin)
          : BadValue(*setting, text, std::string("expected ") + internal::TypeName(setting->value));
  return Status(status).Within(origin);
}

std::string SettingsList::ToToml() const {
  std::map<std::string, std::string> lines;
  for (const Setting& setting : settings_) lines[setting.key] = setting.Text();
  std::string out;
  for (const auto& [key, text] : lines) out += key + " = " + text + "\n";
  return out;
}

std::string SettingsList::OriginJson() const {
  std::map<std::string, std::string> lines;
  for (const Setting& setting : settings_) lines[setting.key] = TomlText(setting.origin);
  std::string out;
  for (const auto& [key, text] : lines) {
    out += (out.empty() ? "" : ",\n") + ("  \"" + key + "\": " + text);
  }
  return "{\n" + out + "\n}\n";
}

std::string SettingsList::HelpText(std::string_view section) const {
  size_t width = 0;
  std::vector<std::string> sections;
  for (const Setting& setting : settings_) {
    const std::string name = Section(setting.key);
    if (!section.empty() && name != section) continue;
    // One long default must not push every text to the right.
    const size_t columns = setting.key.size() + 3 + setting.default_text.size();
    width = std::max(width, std::min<size_t>(columns, 40));
    if (std::find(sections.begin(), sections.end(), name) == sections.end()) {
      sections.push_back(name);
    }
  }
  std::string out;
  for (const std::string& name : sections) {
    out += (out.empty() ? "[" : "\n[") + name + "]\n";
    for (const Setting& setting : settings_) {
      if (Section(setting.key) == name) out += HelpLine(setting, width);
    }
  }
  return out;
}

std::string SettingsList::SharedDigest() const {
  std::map<std::string, std::string> shared;
  for (const Setting& setting : settings_) {
    if (setting.help.kind == Kind::kShared) shared[setting.key] = setting.Text();
  }
  Encoder out;
  for (const auto& [key, text] : shared) {
    out.String(key);
    out.String(text);
  }
  return Sha256(out.bytes());
}

Result<std::vector<SettingChange>> DiffSettings(std::string_view from, std::string_view to) {
  std::map<std::string, SettingChange> changes;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<TomlEntry> before, ParseToml(from, "settings"));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<TomlEntry> after, ParseToml(to, "settings"));
  for (const TomlEntry& entry : before) changes[entry.key].from = TomlText(entry.value);
  for (const TomlEntry& entry : after) changes[entry.key].to = TomlText(entry.value);
  std::vector<SettingChange> out;
  for (auto& [key, change] : changes) {
    change.key = key;
    if (change.from != change.to) out.push_back(std::move(change));
  }
  return out;
}

}  // namespace stemma
