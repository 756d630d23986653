// The pages: a scaling series with its verdict, and Figs 1 to 5 with the simulator's own numbers.
#include "tools/report/scale_page.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tools/report/published_figures.h"
#include "tools/report/scale_facts.h"
#include "tools/scale/published.h"
#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::report {
namespace {
using scale::RunRow;
using tests::HasCode;
using tests::IsOk;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

RunRow Row(const std::string& mode, int ranks, double rate, double train_s) {
  RunRow row;
  row.mode = mode;
  row.system = "hal";
  row.nodes = std::max(1, ranks / 4);
  row.ranks = ranks;
  row.local_batch = mode == "strong" ? 13312 / ranks : 208;
  row.global_batch = row.local_batch * ranks;
  row.steps = 1000;
  row.samples_per_s = rate;
  row.train_s = train_s;
  row.step_p50_s = static_cast<double>(row.global_batch) / rate;
  return row;
}

std::vector<RunRow> Hal() {
  std::vector<RunRow> rows;
  for (const scale::HalRun& run : scale::HalFebruary()) {
    rows.push_back(Row("data", run.gpus, run.images_per_s, run.train_s));
  }
  return rows;
}

std::string PageOf(std::vector<RunRow> rows, const ScaleFacts& facts = {}) {
  const Result<std::string> page = ScalePage(std::move(rows), facts);
  REQUIRE_THAT(page.status(), IsOk());
  return *page;
}

// The cells of the table's line that begins with this number of ranks.
std::vector<std::string> CellsOf(const std::string& html, int ranks) {
  const std::string begin = "<tr><td class=\"n\">" + std::to_string(ranks) + "</td>";
  const size_t at = html.find(begin);
  REQUIRE(at != std::string::npos);
  std::string line = html.substr(at, html.find("</tr>", at) - at);
  std::vector<std::string> cells;
  for (size_t from = line.find("<td"); from != std::string::npos; from = line.find("<td", from)) {
    from = line.find('>', from) + 1;
    cells.push_back(line.substr(from, line.find("</td>", from) - from));
  }
  return cells;
}

TEST_CASE("HAL's table gives the efficiencies and the verdict that are known of it", "[scale]") {
  const std::string html = PageOf(Hal(), {"HAL", "scale.csv", {}, {}, {}, {}, {}});
  CHECK(CellsOf(html, 32)[6] == "77.0 %");
  CHECK(CellsOf(html, 64)[6] == "65.3 %");
  CHECK(CellsOf(html, 16)[7] == "84.6 %");
  CHECK(CellsOf(html, 32)[7] == "69.7 %");
  CHECK(Has(html,
            "base 2 ranks: at least 75 % by throughput up to 32 ranks, by time up to 16 "
            "ranks."));
  CHECK(Has(html, "href=\"scale.csv\""));
  CHECK(Has(html, "Strong scaling in epochs, weak scaling in batch."));
  CHECK(Has(html, "ideal from 2 ranks"));
  CHECK_FALSE(Has(html, "Not sufficient evidence"));
}

TEST_CASE("What is no evidence is called so", "[scale]") {
  std::vector<RunRow> two = {Row("weak", 4, 100, 10), Row("weak", 8, 199, 10)};
  CHECK(Has(PageOf(two), "Not sufficient evidence: real runs on 2 numbers of nodes (1, 2)"));
  std::vector<RunRow> crowded = Hal();
  for (RunRow& row : crowded) row.flags = {"oversubscribed"};
  const std::string html = PageOf(crowded);
  CHECK(Has(html, "data on hal: not sufficient evidence. No run was measured here"));
  CHECK(Has(html, "throughput, oversubscribed: not in the verdict"));
  CHECK_THAT(ScalePage({}, {}).status(), HasCode(Code::kInvalidArgument));
  std::vector<RunRow> unlike = {Row("strong", 2, 10, 10), Row("strong", 4, 19, 5)};
  unlike[1].global_batch += 1;
  CHECK_THAT(ScalePage(unlike, {}).status(), HasCode(Code::kInvalidArgument));
}

TEST_CASE("Oversubscribed counts, points of others and predictions are marked and not joined",
          "[scale]") {
  std::vector<RunRow> rows = Hal();
  rows[5].flags = {"oversubscribed"};
  RunRow other = rows[0];
  other.system = "elsewhere";
  other.flags = {"published"};
  RunRow predicted = other;
  predicted.flags = {"simulated"};
  rows.push_back(other);
  rows.push_back(predicted);
  scale::FillEfficiencies(&rows);
  const auto charts = ScaleCharts(rows);
  REQUIRE(charts.size() == 1);
  CHECK(charts[0].first == "scale-data-hal");
  size_t own = 0, marked = 0;
  for (const Series& series : charts[0].second.series) {
    if (series.name == "throughput") {
      ++own;
      CHECK(series.points.size() == 5);
      CHECK_FALSE(series.mark.open);
    } else if (series.name.compare(0, 12, "throughput, ") == 0) {
      ++marked;
      CHECK(series.points.size() == 1);
      CHECK(series.join == Join::kNone);
      CHECK(series.mark.open == Has(series.name, "published"));
    }
  }
  CHECK(own == 1);
  CHECK(marked == 3);
}

TEST_CASE("Modes stand apart, repeats have a spread, waits are shares of a step", "[scale]") {
  std::vector<RunRow> rows;
  for (const int ranks : {4, 8, 16}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (const char* mode : {"strong", "weak"}) {
        RunRow row = Row(mode, ranks, ranks * (100 - repeat), 10.0 / ranks);
        row.repeat = repeat;
        row.step_p50_s = 0.1;
        row.exposed_comm_s = 0.03;
        row.straggler_s = 0.01;
        rows.push_back(row);
      }
    }
  }
  scale::FillEfficiencies(&rows);
  const auto charts = ScaleCharts(rows);
  REQUIRE(charts.size() == 2);
  const Series& throughput = charts[1].second.series[1];
  REQUIRE(throughput.points.size() == 3);
  CHECK(throughput.points[0].low == 4 * 98.0);
  CHECK(throughput.points[0].y == 4 * 99.0);
  CHECK(throughput.points[0].high == 4 * 100.0);
  const Bars bars = WaitBars(scale::SummariesOf(rows), "weak", "hal");
  REQUIRE(bars.rows.size() == 3);
  const std::vector<double> expected = {0.07, 0, 0.02, 0.01};
  for (size_t i = 0; i < 4; ++i) CHECK(bars.rows[0].values[i] == Approx(expected[i]).margin(1e-12));
  const std::string html = PageOf(rows);
  CHECK(Has(html, "<h2>strong on hal</h2>"));
  CHECK(Has(html, "<h2>weak on hal</h2>"));
}

TEST_CASE("The facts of a series come from its JSON, hostile or not", "[scale]") {
  const Result<ScaleFacts> facts = ParseScaleFacts(
      R"({"counts":[{"mode":"data"}],"machine":{"host":"<n1>","cores":2},"commands":["a&b"],
          "points":[{"point":"r2-0","forward_s":1,"backward_s":2,"optimizer_s":0.5},
                    {"point":"r2-1","forward_s":3,"backward_s":2},
                    {"point":"r4-0","forward_s":"no"},{"point":7},3]})",
      "scale.json");
  REQUIRE_THAT(facts.status(), IsOk());
  CHECK(facts->machine == NamedValues{{"host", "<n1>"}, {"cores", "2"}});
  REQUIRE(facts->phases.size() == 1);
  CHECK(facts->phases[0].ranks == 2);
  CHECK(facts->phases[0].seconds[0] == std::pair<std::string, double>("forward", 2.0));
  const std::string html = PageOf(Hal(), *facts);
  CHECK(Has(html, "<th>host</th><td>&lt;n1&gt;</td>"));
  CHECK(Has(html, "2 ranks, backward: 44 %"));
  CHECK(Has(html, "a&amp;b"));
  for (const char* odd : {"", "[]", "{", "{\"counts\":7,\"points\":{},\"machine\":[]}"}) {
    const Result<ScaleFacts> some = ParseScaleFacts(odd, "x.json");
    CHECK((some.ok() || some.status().code() == Code::kInvalidArgument));
  }
  CHECK_THAT(ReadScaleFacts("not/there.json").status(), HasCode(Code::kNotFound));
}

// --- Figs 1 to 5

// "set,quantity,unit,ranks,published,predicted": of the stored table of validation.
struct Stored {
  std::string set, quantity;
  int ranks = 0;
  double predicted = 0;
};

std::vector<Stored> StoredRows() {
  std::ifstream in("tests/golden/data/scale_validation.csv");
  std::vector<Stored> rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (c == ',' && !quoted) cells.emplace_back();
      if (c != '"' && (c != ',' || quoted)) cells.back() += c;
    }
    if (cells.size() < 6 || cells[0] == "set") continue;
    rows.push_back({cells[0], cells[1], std::stoi(cells[3]), std::stod(cells[5])});
  }
  return rows;
}

double StoredValue(const std::string& set, const std::string& quantity, int ranks) {
  for (const Stored& row : StoredRows()) {
    if (row.set == set && row.quantity == quantity && row.ranks == ranks) return row.predicted;
  }
  return NAN;
}

const Series* Find(const Chart& chart, const std::string& name) {
  for (const Series& series : chart.series) {
    if (series.name.compare(0, name.size(), name) == 0) return &series;
  }
  return nullptr;
}

double At(const Chart& chart, const std::string& name, int ranks) {
  const Series* series = Find(chart, name);
  REQUIRE(series != nullptr);
  for (const Point& point : series->points) {
    if (point.x == ranks) return point.y;
  }
  return NAN;
}

TEST_CASE("Figs 1 to 5 show what is known and what validate predicts", "[figures]") {
  const auto figures = PublishedFigures({1, 20, 2}, {});
  REQUIRE_THAT(figures.status(), IsOk());
  REQUIRE(figures->size() == 5);
  const auto chart = [&](size_t i) -> const Chart& { return (*figures)[i].chart; };
  const auto near = [](double value) { return Approx(value).epsilon(6e-4); };  // four digits
  for (const scale::HalRun& run : scale::HalFebruary()) {
    const std::string set = "Fig 1, HAL ResNet-50";
    CHECK(At(chart(0), "simulated: throughput", run.gpus) ==
          near(StoredValue(set, "throughput", run.gpus)));
    CHECK(3600 * At(chart(0), "simulated: time", run.gpus) ==
          near(StoredValue(set, "time, 90 epochs", run.gpus)));
    CHECK(At(chart(0), "published: throughput", run.gpus) == run.images_per_s);
  }
  CHECK(3600 * At(chart(1), "simulated", 64) ==
        near(StoredValue("Fig 2, HAL AI-GW", "time to train", 64)));
  CHECK(3600 * At(chart(2), "simulated", 72) ==
        near(StoredValue("Fig 3, Bridges-AI AI-GW", "time to train", 72)));
  CHECK(60 * At(chart(3), "simulated", 64) ==
        near(StoredValue("Fig 4, HAL AI-DES", "time to train", 64)));
  CHECK(3600 * At(chart(4), "simulated: time", 1536) ==
        near(StoredValue("Fig 5, Summit AI-GW", "time to train", 1536)));
  CHECK(At(chart(4), "simulated: efficiency", 6144) ==
        near(StoredValue("Fig 5, Summit AI-GW", "efficiency against 48", 6144)));

  const size_t known[] = {6, 2, 1, 2, 1};
  for (size_t i = 0; i < 5; ++i) {
    const Series* published = Find(chart(i), "published: time");
    REQUIRE(published != nullptr);
    CHECK(published->points.size() == known[i]);  // nothing between the ends is made up
    for (const Series& series : chart(i).series) {
      if (Has(series.name, "published")) {
        CHECK(series.join == Join::kNone);
        CHECK(series.mark.open);
      }
      CHECK_FALSE(Has(series.name, "own"));
    }
  }
  CHECK(At(chart(4), "published: efficiency", 6144) == 80);
  const std::string html = PublishedFiguresPage(*figures);
  CHECK(Has(html, "<svg"));
  CHECK(Has(html, "up to 32 GPUs by throughput, up to 16 by time"));
  CHECK(Has(html, "<td class=\"n\">72</td><td>hours</td><td class=\"n\">38</td>"));
}

TEST_CASE("Own runs stand in the figures of their model, with marks of their own", "[figures]") {
  std::vector<RunRow> rows = {Row("weak", 1, 5, 10), Row("weak", 2, 9, 10), Row("weak", 4, 9, 10)};
  rows[2].flags = {"oversubscribed"};
  rows.push_back(rows[0]);
  rows.back().flags = {"published"};
  const auto figures = PublishedFigures({1, 2, 2}, {"aigw", scale::SummariesOf(rows)});
  REQUIRE_THAT(figures.status(), IsOk());
  for (const size_t i : {1, 2, 4}) {
    const Chart& chart = (*figures)[i].chart;
    const Series* own = Find(chart, "own runs");
    const Series* crowded = Find(chart, "own, oversubscribed");
    REQUIRE((own != nullptr && crowded != nullptr));
    REQUIRE(own->points.size() == 2);
    CHECK(crowded->points.size() == 1);
    CHECK((*figures)[i].own.rows.size() == 3);
    // 1.5 M samples a hundred times, at five a second.
    CHECK(own->points[0].y == Approx(1.5e6 * 100 / 5 / 3600));
    CHECK(std::count(chart.x.ticks.begin(), chart.x.ticks.end(), 1.0) == 1);
  }
  for (const size_t i : {0, 3}) CHECK(Find((*figures)[i].chart, "own") == nullptr);
  CHECK_THAT(PublishedFigures({1, 2, 2}, {"vgg16", {}}).status(), HasCode(Code::kInvalidArgument));
}

}  // namespace
}  // namespace stemma::report
