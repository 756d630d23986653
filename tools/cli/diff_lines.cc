#include "tools/cli/diff_lines.h"

#include <cstdio>
#include <set>

#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

std::string Number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string Absent(const std::string& text) { return text.empty() ? "(absent)" : text; }

std::string Lines(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const std::string& line : Columns(rows)) text += line + "\n";
  return text;
}

}  // namespace

std::string SettingsText(const std::vector<SettingChange>& changes) {
  std::vector<std::vector<std::string>> rows;
  for (const SettingChange& change : changes) {
    rows.push_back({"  " + change.key, Absent(change.from) + " -> " + Absent(change.to)});
  }
  return (changes.empty() ? "settings  the same\n" : "settings\n") + Lines(rows);
}

std::string MetricsText(const lineage::Record& a, const lineage::Record& b) {
  std::set<std::string> names;
  for (const auto& [name, value] : a.metrics) names.insert(name);
  for (const auto& [name, value] : b.metrics) names.insert(name);
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : names) {
    const auto from = a.metrics.find(name), to = b.metrics.find(name);
    std::vector<std::string> row = {
        "  " + name, from == a.metrics.end() ? "-" : Number("%.6g", from->second),
        to == b.metrics.end() ? "-" : "-> " + Number("%.6g", to->second)};
    if (from != a.metrics.end() && to != b.metrics.end()) {
      row.push_back("(" + Number("%+.3g", to->second - from->second) + ")");
    }
    rows.push_back(std::move(row));
  }
  return "metrics\n" + Lines(rows);
}

}  // namespace stemma::cli
