#include "tools/report/scale_page.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <set>

#include "core/text.h"
#include "tools/report/page.h"

namespace stemma::report {
namespace {

using scale::RunSummary;
using scale::RunVerdict;
using scale::Spread;

struct Group {
  std::string mode, system;
};

bool IsOwn(const RunSummary& run) { return !run.Has("published") && !run.Has("simulated"); }

// Series of own runs, in the order of scale::RunModes(). In a mode without any, those of others.
std::vector<Group> GroupsOf(const std::vector<RunSummary>& all) {
  std::vector<Group> groups;
  for (const std::string& mode : scale::RunModes()) {
    std::set<std::string> systems;
    for (const bool own : {true, false}) {
      if (!own && !systems.empty()) continue;
      for (const RunSummary& run : all) {
        if (run.mode != mode || IsOwn(run) != own) continue;
        if (systems.insert(run.system).second) groups.push_back({mode, run.system});
      }
    }
  }
  return groups;
}

std::string Percent(const std::optional<Spread>& spread) {
  if (!spread) return "";
  char text[48];
  std::snprintf(text, sizeof(text), "%.1f %%", 100 * spread->median);
  return text;
}

std::string Seconds(const std::optional<double>& value) {
  return value ? HumanDuration(*value) : "";
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string Between(const std::string& low, const std::string& high) {
  return low.empty() || high.empty() ? "" : low + " .. " + high;
}

Table ResultsOf(const std::vector<RunSummary>& all, const Group& group) {
  Table table{"Medians of the repeats",
              {"ranks", "nodes", "batch", "runs", "samples/s", "least .. most",
               "efficiency by throughput", "efficiency by time", "flags"},
              {}};
  for (const RunSummary& run : all) {
    if (run.mode != group.mode || run.system != group.system) continue;
    const auto& rate = run.samples_per_s;
    table.rows.push_back(
        {Label(run.ranks), Label(run.nodes), Label(static_cast<double>(run.global_batch)),
         std::to_string(run.repeats), rate ? Label(rate->median) : "",
         rate ? Between(Label(rate->least), Label(rate->most)) : "",
         Percent(run.efficiency_throughput), Percent(run.efficiency_time), Joined(run.flags)});
  }
  return table;
}

Table StepsOf(const std::vector<RunSummary>& all, const Group& group) {
  Table table{"Medians of a step",
              {"ranks", "step", "10 .. 90 %", "waiting for input", "exposed communication",
               "slowest rank late by", "epoch", "time to train"},
              {}};
  for (const RunSummary& run : all) {
    if (run.mode != group.mode || run.system != group.system) continue;
    table.rows.push_back({Label(run.ranks), Seconds(run.step_p50_s),
                          Between(Seconds(run.step_p10_s), Seconds(run.step_p90_s)),
                          Seconds(run.input_wait_s), Seconds(run.exposed_comm_s),
                          Seconds(run.straggler_s), Seconds(run.epoch_s), Seconds(run.train_s)});
  }
  return table;
}

std::string VerdictOf(const std::vector<RunVerdict>& verdicts, const Group& group) {
  for (const RunVerdict& verdict : verdicts) {
    if (verdict.mode == group.mode && verdict.system == group.system) return verdict.words;
  }
  return group.mode + " on " + group.system +
         ": not sufficient evidence. No run was measured here with cores of its own; "
         "oversubscribed "
         "counts, published points and predictions take no part in a verdict.";
}

// Phases of a mode as bars; no rows when none are known, or when it is not known of which machine.
Bars PhaseBars(const ScaleFacts& facts, const std::vector<Group>& groups, const Group& group) {
  Bars bars;
  const auto same = [&](const Group& other) { return other.mode == group.mode; };
  if (std::count_if(groups.begin(), groups.end(), same) != 1) return bars;
  bars.title = "Phases of a step, " + group.mode + ", " + group.system;
  bars.note = "Medians of a step on rank 0. Exposed communication holds the wait for slower ranks.";
  for (const ScaleFacts::Phases& phases : facts.phases) {
    if (phases.mode != group.mode) continue;
    for (const auto& [name, seconds] : phases.seconds) {
      if (std::count(bars.parts.begin(), bars.parts.end(), name) == 0) bars.parts.push_back(name);
    }
  }
  for (const ScaleFacts::Phases& phases : facts.phases) {
    if (phases.mode != group.mode) continue;
    BarRow row{std::to_string(phases.ranks) + (phases.ranks == 1 ? " rank" : " ranks"),
               std::vector<double>(bars.parts.size(), 0), ""};
    double sum = 0;
    for (const auto& [name, seconds] : phases.seconds) {
      const auto at = std::find(bars.parts.begin(), bars.parts.end(), name) - bars.parts.begin();
      row.values[static_cast<size_t>(at)] += seconds;
      sum += seconds;
    }
    row.remark = HumanDuration(sum);
    bars.rows.push_back(row);
  }
  return bars;
}

void AddFacts(const ScaleFacts& facts, Page* page) {
  if (!facts.csv.empty()) page->Link("All runs as CSV", facts.csv);
  if (!facts.input.empty()) {
    page->Heading("Input, the same for every count");
    page->Facts(facts.input);
  }
  if (!facts.machine.empty()) {
    page->Heading("Machine and versions");
    page->Facts(facts.machine);
  }
  if (!facts.commands.empty()) {
    page->Heading("Commands, in the order they ran");
    page->Commands(facts.commands);
  }
  if (!facts.failures.empty()) {
    page->Heading("Failed");
    page->Commands(facts.failures);
  }
}

constexpr char kHowToRead[] =
    "With base b, p ranks, R samples per second and T seconds for the same work: efficiency by "
    "throughput is (R_N / p_N) / (R_b / p_b), by time p_b T_b / (p_N T_N), which is T_b / T_N in "
    "mode weak. An empty field was not measured. 75 % and three numbers of nodes are what "
    "computing centres ask for; the verdict is the largest count up to which none falls below.";

// Letters, digits and dashes: a machine's name may hold anything.
std::string FileName(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    name += plain ? c : '_';
  }
  return name;
}

}  // namespace

std::vector<std::pair<std::string, Chart>> ScaleCharts(const std::vector<scale::RunRow>& rows) {
  const std::vector<RunSummary> all = scale::SummariesOf(rows);
  std::vector<std::pair<std::string, Chart>> charts;
  for (const Group& group : GroupsOf(all)) {
    charts.emplace_back("scale-" + FileName(group.mode + "-" + group.system),
                        ScaleChart(all, group.mode, group.system));
  }
  return charts;
}

Result<std::string> ScalePage(std::vector<scale::RunRow> rows, const ScaleFacts& facts) {
  if (rows.empty()) {
    return Status(Code::kInvalidArgument,
                  "the table has no runs; `stemma scale run` measures and adds them");
  }
  STEMMA_RETURN_IF_ERROR(scale::CheckSameInput(rows));
  scale::FillEfficiencies(&rows);
  const std::vector<RunSummary> all = scale::SummariesOf(rows);
  const std::vector<RunVerdict> verdicts = scale::VerdictsOf(all);
  const std::vector<Group> groups = GroupsOf(all);
  Page page(facts.title.empty() ? "Scaling" : facts.title,
            std::to_string(rows.size()) + (rows.size() == 1 ? " run" : " runs"));
  for (const Group& group : groups) page.Verdict(VerdictOf(verdicts, group));
  for (const Group& group : groups) {
    page.Heading(group.mode + " on " + group.system);
    page.Beside(ChartSvg(ScaleChart(all, group.mode, group.system)), ResultsOf(all, group));
    Bars bars = PhaseBars(facts, groups, group);
    if (bars.rows.empty()) bars = WaitBars(all, group.mode, group.system);
    if (bars.rows.empty()) {
      page.Add(StepsOf(all, group));
    } else {
      page.Beside(BarsSvg(bars), StepsOf(all, group));
    }
  }
  page.Paragraph(kHowToRead);
  AddFacts(facts, &page);
  return std::move(page).Html();
}

}  // namespace stemma::report
