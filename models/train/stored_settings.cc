#include "models/train/stored_settings.h"

#include <map>
#include <sstream>

#include "core/check.h"
#include "models/train/settings.h"
#include "models/train/settings_workloads.h"

namespace stemma::models {
namespace {

std::map<std::string, std::string> Defaults() {
  RunSettings settings;
  const auto all = DiffSettings("", FieldsOf(settings).ToToml());
  STEMMA_CHECK(all.ok(), all.status().message());
  std::map<std::string, std::string> defaults;
  for (const SettingChange& one : *all) defaults[one.key] = one.to;
  return defaults;
}

}  // namespace

std::string ResolvedSettings(const SettingsList& list) {
  const Setting* name = list.Find("run.workload");
  STEMMA_CHECK(name != nullptr, "a list without run.workload");
  const std::string workload = name->Text();
  std::istringstream lines(list.ToToml());
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (Concerns(line.substr(0, line.find('.')), workload)) out += line + "\n";
  }
  return out;
}

std::string LastingSettings(const SettingsList& list) {
  RunSettings lasting;
  SettingsList fields = FieldsOf(lasting);
  const Status read = fields.ReadText(list.ToToml(), "settings of this run");
  STEMMA_CHECK(read.ok(), read.message());
  lasting.lineage.restore = lineage::LineageSettings().restore;
  return ResolvedSettings(fields);
}

Result<std::vector<SettingChange>> SettingChanges(std::string_view from, std::string_view to) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, DiffSettings(from, to));
  const auto defaults = Defaults();
  std::vector<SettingChange> changes;
  for (SettingChange change : all) {
    const auto usual = defaults.find(change.key);
    if (usual != defaults.end()) {
      if (change.from.empty()) change.from = usual->second;
      if (change.to.empty()) change.to = usual->second;
    }
    if (change.from != change.to) changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace stemma::models
