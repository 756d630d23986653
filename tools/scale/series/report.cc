#include "tools/scale/series/report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "tools/scale/series/files.h"
#include "tools/scale/series/points.h"
#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

using Maybe = std::optional<double>;
using Cells = std::vector<std::string>;

std::string Number(const Maybe& value, const char* form, double factor = 1) {
  if (!value) return "-";
  char text[40];
  std::snprintf(text, sizeof text, form, factor * *value);
  return text;
}

Maybe MedianOf(const std::optional<Spread>& spread) {
  if (!spread) return {};
  return spread->median;
}

// "77.0", and with repeats "77.0 (75.2..78.1)".
std::string Percent(const std::optional<Spread>& spread, int repeats) {
  std::string text = Number(MedianOf(spread), "%.1f", 100);
  if (!spread || repeats < 2) return text;
  return text + " (" + Number(spread->least, "%.1f", 100) + ".." +
         Number(spread->most, "%.1f", 100) + ")";
}

std::string Joined(const Cells& words, const std::string& by) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : by) + word;
  return text;
}

const Cells kColumns = {"mode",        "nodes", "ranks", "batch",     "repeats",
                        "step ms",     "p10",   "p90",   "samples/s", "E by throughput %",
                        "E by time %", "base",  "flags"};

Cells RowOf(const RunSummary& s) {
  return {s.mode,
          std::to_string(s.nodes),
          std::to_string(s.ranks),
          std::to_string(s.local_batch) + "/" + std::to_string(s.global_batch),
          std::to_string(s.repeats),
          Number(s.step_p50_s, "%.3f", 1e3),
          Number(s.step_p10_s, "%.3f", 1e3),
          Number(s.step_p90_s, "%.3f", 1e3),
          Number(MedianOf(s.samples_per_s), "%.2f"),
          Percent(s.efficiency_throughput, s.repeats),
          Percent(s.efficiency_time, s.repeats),
          s.base_ranks > 0 ? std::to_string(s.base_ranks) : "-",
          s.flags.empty() ? "-" : Joined(s.flags, ";")};
}

// Of a step, in point.json: a training tells them, the bench does not.
const std::vector<std::pair<const char*, const char*>> kPhases = {{"forward_s", "forward ms"},
                                                                  {"backward_s", "backward ms"},
                                                                  {"optimizer_s", "optimizer ms"},
                                                                  {"capture_s", "capture ms"}};
using Phases = std::map<std::pair<std::string, int>, std::map<std::string, std::vector<double>>>;

// By mode and ranks; of the repeats that have them.
Phases ReadPhases(const std::vector<RunRow>& rows, const std::string& folder) {
  Phases phases;
  for (const RunRow& row : rows) {
    Point point;
    point.ranks = row.ranks;
    point.repeat = row.repeat;
    Result<std::string> text = ReadFile(folder + "/points/" + NameOf(point) + "/point.json");
    if (!text.ok() || row.Has("published") || row.Has("simulated")) continue;
    const auto object = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    for (const auto& [key, name] : kPhases) {
      if (!object.is_object() || !object.contains(key) || !object[key].is_number()) continue;
      phases[{row.mode, row.ranks}][key].push_back(object[key].get<double>());
    }
  }
  return phases;
}

Cells WhyOf(const RunSummary& s, const Phases& phases) {
  Maybe share;
  if (s.exposed_comm_s && s.step_p50_s) share = *s.exposed_comm_s / *s.step_p50_s;
  Cells cells = {s.mode,
                 std::to_string(s.ranks),
                 Number(s.step_p50_s, "%.3f", 1e3),
                 Number(s.exposed_comm_s, "%.3f", 1e3),
                 Number(share, "%.1f", 100),
                 Number(s.input_wait_s, "%.3f", 1e3),
                 Number(s.straggler_s, "%.3f", 1e3)};
  const auto known = phases.find({s.mode, s.ranks});
  for (const auto& [key, name] : kPhases) {
    Maybe median;
    if (known != phases.end() && known->second.count(key) != 0) {
      median = QuantilesOf(known->second.at(key)).p50;
    }
    cells.push_back(Number(median, "%.3f", 1e3));
  }
  return cells;
}

std::vector<Cells> TableOf(const std::vector<RunRow>& rows) {
  std::vector<Cells> table = {kColumns};
  for (const RunSummary& one : SummariesOf(rows)) table.push_back(RowOf(one));
  return table;
}

std::vector<Cells> WhyTable(const std::vector<RunRow>& rows, const std::string& folder) {
  const Phases phases = ReadPhases(rows, folder);
  std::vector<Cells> table = {{"mode", "ranks", "step ms", "exposed comm ms", "of step %",
                               "input wait ms", "straggler ms"}};
  for (const auto& [key, name] : kPhases) table.front().emplace_back(name);
  for (const RunSummary& one : SummariesOf(rows)) table.push_back(WhyOf(one, phases));
  return table;
}

bool KnowsWhy(const std::vector<RunRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const RunRow& row) {
    return row.exposed_comm_s || row.input_wait_s || row.straggler_s;
  });
}

// Columns of equal width; numbers to the right.
std::string Aligned(const std::vector<Cells>& table) {
  std::vector<size_t> width(table.front().size(), 0);
  for (const Cells& row : table) {
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string text;
  for (const Cells& row : table) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(width[i] - row[i].size(), ' ');
      line +=
          (i > 0 ? "  " : "") + (i == 0 || i + 1 == row.size() ? row[i] + blanks : blanks + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string MarkdownTable(const std::vector<Cells>& table) {
  std::string text = "| " + Joined(table.front(), " | ") + " |\n|";
  for (size_t i = 0; i < table.front().size(); ++i) text += " --- |";
  text += "\n";
  for (size_t i = 1; i < table.size(); ++i) text += "| " + Joined(table[i], " | ") + " |\n";
  return text;
}

std::string Fenced(const Cells& lines) {
  std::string text = "```\n";
  for (const std::string& line : lines) text += line + (line.back() == '\n' ? "" : "\n");
  return text + "```\n";
}

constexpr char kHowToRead[] =
    "Efficiency with base b, p ranks and T seconds for the same work: by throughput "
    "(R_N / p_N) / (R_b / p_b), by time p_b T_b / (p_N T_N), which is T_b / T_N in mode weak. A "
    "value is the median over the repeats, in brackets stand the least and the most. A step is "
    "that of the slowest rank (a recipe: of rank 0); p10 and p90 are of the steps after warm-up. "
    "Exposed communication is what rank 0 waits for the others per step, lateness of slower ranks "
    "included. The straggler is how much later than the median rank the slowest was. A dash: the "
    "workload does not give the number.\n";

nlohmann::ordered_json MaybeJson(const Maybe& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json SpreadJson(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"least", spread->least}, {"median", spread->median}, {"most", spread->most}};
}

nlohmann::ordered_json SummaryJson(const RunSummary& s) {
  return {{"mode", s.mode},
          {"system", s.system},
          {"nodes", s.nodes},
          {"ranks", s.ranks},
          {"repeats", s.repeats},
          {"local_batch", s.local_batch},
          {"global_batch", s.global_batch},
          {"base_ranks", s.base_ranks},
          {"step_p10_s", MaybeJson(s.step_p10_s)},
          {"step_p50_s", MaybeJson(s.step_p50_s)},
          {"step_p90_s", MaybeJson(s.step_p90_s)},
          {"samples_per_s", SpreadJson(s.samples_per_s)},
          {"epoch_s", MaybeJson(s.epoch_s)},
          {"train_s", MaybeJson(s.train_s)},
          {"exposed_comm_s", MaybeJson(s.exposed_comm_s)},
          {"input_wait_s", MaybeJson(s.input_wait_s)},
          {"straggler_s", MaybeJson(s.straggler_s)},
          {"efficiency_throughput", SpreadJson(s.efficiency_throughput)},
          {"efficiency_time", SpreadJson(s.efficiency_time)},
          {"flags", s.flags},
          {"in_verdict", s.counts}};
}

nlohmann::ordered_json VerdictJson(const RunVerdict& v) {
  nlohmann::ordered_json json = {{"mode", v.mode},
                                 {"system", v.system},
                                 {"base_ranks", v.base_ranks},
                                 {"node_counts", v.node_counts},
                                 {"sufficient", v.sufficient},
                                 {"by_throughput", nullptr},
                                 {"by_time", nullptr},
                                 {"words", v.words}};
  if (v.by_throughput) json["by_throughput"] = *v.by_throughput;
  if (v.by_time) json["by_time"] = *v.by_time;
  return json;
}

}  // namespace

std::string TableText(const std::vector<RunRow>& rows) { return Aligned(TableOf(rows)); }

std::string WhyText(const std::vector<RunRow>& rows, const std::string& folder) {
  return KnowsWhy(rows) ? Aligned(WhyTable(rows, folder)) : "";
}

std::string VerdictText(const std::vector<RunRow>& rows) {
  std::string text;
  for (const RunVerdict& verdict : VerdictsOf(SummariesOf(rows))) text += verdict.words + "\n";
  if (text.empty()) {
    text =
        "Not sufficient evidence: no run on cores of its own; oversubscribed counts take no "
        "part.\n";
  }
  return text;
}

std::string ReportMarkdown(const SeriesReport& report) {
  std::string text = "# Scaling\n\n" + VerdictText(report.rows) + "\n";
  text += MarkdownTable(TableOf(report.rows)) + "\n" + kHowToRead;
  if (KnowsWhy(report.rows)) {
    text += "\n## Why\n\n" + MarkdownTable(WhyTable(report.rows, report.folder));
  }
  text += "\n## Input, the same for every count\n\n";
  for (const auto& [name, value] : report.input) {
    const bool is_long = value.find('\n') != std::string::npos;
    if (!value.empty()) text += "* " + name + ": " + (is_long ? "recipe.toml" : value) + "\n";
  }
  text += "\n## Machine and versions\n\n";
  for (const auto& [name, value] : report.facts) text += "* " + name + ": " + value + "\n";
  if (!report.commands.empty()) {
    text += "\n## Commands, in the order they ran\n\n" + Fenced(report.commands);
  }
  if (!report.failures.empty()) text += "\n## Failed\n\n" + Fenced(report.failures);
  return text;
}

Result<std::string> ReportJson(const SeriesReport& report) {
  nlohmann::ordered_json json;
  for (const RunVerdict& verdict : VerdictsOf(SummariesOf(report.rows))) {
    json["verdicts"].push_back(VerdictJson(verdict));
  }
  for (const RunSummary& one : SummariesOf(report.rows)) {
    json["counts"].push_back(SummaryJson(one));
  }
  for (const auto& [name, value] : report.input) json["input"][name] = value;
  for (const auto& [name, value] : report.facts) json["machine"][name] = value;
  json["commands"] = report.commands;
  json["failures"] = report.failures;
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(report.folder + "/points", error)) {
    paths.push_back(entry.path().string() + "/point.json");
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    Result<std::string> text = ReadFile(path);
    if (!text.ok() && text.status().code() == Code::kNotFound) continue;  // a point that failed
    STEMMA_RETURN_IF_ERROR(text.status());
    auto point = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (point.is_object()) json["points"].push_back(std::move(point));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Status WriteReport(const SeriesReport& report) {
  STEMMA_RETURN_IF_ERROR(WriteFile(report.folder + "/scale.md", ReportMarkdown(report)));
  STEMMA_ASSIGN_OR_RETURN(const std::string json, ReportJson(report));
  return WriteFile(report.folder + "/scale.json", json);
}

}  // namespace stemma::scale
