// Axes, charts, bars, pages and sweeps: ticks that fit, bytes that stay, text that cannot break
// out.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "tools/report/axis.h"
#include "tools/report/bars.h"
#include "tools/report/chart.h"
#include "tools/report/page.h"
#include "tools/report/parallel.h"
#include "tools/report/svg.h"
#include "tools/report/sweep_page.h"

#include <catch2/catch.hpp>

namespace stemma::report {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Every element is closed in the order that XML asks for; returns what is wrong.
std::string Unbalanced(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return "no end of " + xml.substr(at, 20);
    if (xml[at + 1] == '?' || xml[end - 1] == '/') continue;
    const bool closes = xml[at + 1] == '/';
    const size_t from = at + (closes ? 2 : 1);
    const std::string name = xml.substr(from, xml.find_first_of(" >\n", from) - from);
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes nothing";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

// Of a page: HTML's head has elements that are never closed.
std::string BodyOf(const std::string& html) {
  const size_t begin = html.find("<body>");
  return html.substr(begin, html.find("</html>") - begin);
}

std::vector<std::string> Labels(const Axis& axis, const std::vector<double>& values, double length,
                                double distance) {
  std::vector<std::string> labels;
  for (const Tick& tick : Ruler(axis, values, 0, length).Ticks(distance)) {
    if (!tick.label.empty()) labels.push_back(tick.label);
  }
  return labels;
}

TEST_CASE("one of hundreds of points is small in the plot, and not in the legend") {
  Chart chart;
  Series series;
  series.name = "many";
  series.mark = {Shape::kDisc, false, true};
  series.points.resize(300);
  for (size_t i = 0; i < series.points.size(); ++i) {
    series.points[i].x = series.points[i].y = static_cast<double>(i);
  }
  chart.series.push_back(series);
  std::string svg = ChartSvg(chart);
  CHECK(Count(svg, " r=\"1.6\"") == 300);
  CHECK(Count(svg, " r=\"4\"") == 1);
  chart.series[0].mark.small = false;
  svg = ChartSvg(chart);
  CHECK(Count(svg, " r=\"4\"") == 301);
}

TEST_CASE("Text from outside cannot leave its place") {
  CHECK(Escaped("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  CHECK(Escaped("µs · 10⁷ 𝛼") == "µs · 10⁷ 𝛼");
  const std::string lost = "\xEF\xBF\xBD";
  CHECK(Escaped("a\x01z") == "a" + lost + "z");  // no character of XML
  CHECK(Escaped(std::string("a\0z", 3)) == "a" + lost + "z");
  CHECK(Escaped("\xC3") == lost);                                // cut off
  CHECK(Escaped("\xC0\xAF") == lost + lost);                     // overlong
  CHECK(Escaped("\xED\xA0\x80") == lost + lost + lost);          // a surrogate
  CHECK(Escaped("\xF5\x80\x80\x80").size() == 4 * lost.size());  // beyond Unicode
  CHECK(Escaped("\xEF\xBF\xBF") == lost + lost + lost);          // U+FFFF
}

TEST_CASE("Text is cut and wrapped by its estimated width") {
  const std::string text = "one two three four five six seven eight nine ten";
  for (const double width : {40.0, 90.0, 200.0, 1000.0}) {
    std::string joined;
    for (const std::string& line : Wrapped(text, width)) {
      CHECK((TextWidth(line) <= width || line.find(' ') == std::string::npos));
      joined += (joined.empty() ? "" : " ") + line;
    }
    CHECK(joined == text);
    CHECK(TextWidth(Fitted(text, width)) <= std::max(width, 20.0));
  }
  CHECK(Fitted("µµµµ", 24) == "µ…");  // never half a character
}

TEST_CASE("Labels say as much as is needed") {
  CHECK(Label(0) == "0");
  CHECK(Label(20000) == "20,000");
  CHECK(Label(-1234567) == "-1,234,567");
  CHECK(Label(0.05) == "0.05");
  CHECK(Label(1582.04) == "1,582");
  CHECK(Label(20.614) == "20.61");
  CHECK(Label(0.5, 0.25) == "0.5");
  CHECK(Label(2, 0.05) == "2.00");
  CHECK(Label(1e7) == "10⁷");
  CHECK(Label(2.5e-5) == "2.5·10⁻⁵");
  CHECK(Label(9.9999e12) == "10¹³");
  CHECK(Label(kNan).empty());
}

TEST_CASE("Ticks are those that people would choose") {
  const Axis linear;
  Axis log;
  log.scale = Scale::kLog;
  using Words = std::vector<std::string>;
  CHECK(Labels(linear, {0, 1000}, 320, 60) == Words{"0", "200", "400", "600", "800", "1,000"});
  CHECK(Labels(linear, {-0.3, 0.4}, 320, 80) == Words{"-0.2", "0", "0.2", "0.4"});
  CHECK(Labels(linear, {-0.3, 0.4}, 320, 90) == Words{"-0.3", "0.4"});
  CHECK(Labels(log, {2, 64}, 400, 30) == Words{"2", "5", "10", "20", "50"});
  CHECK(Labels(log, {1, 1e6}, 300, 30) ==
        Words{"1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"});
  CHECK(Labels(log, {96, 104}, 300, 30).size() >= 2);  // too little for 1, 2, 5
  Axis own = log;
  own.ticks = {2, 4, 8, 16, 32, 64, 72};
  CHECK(Labels(own, {2, 72}, 640, 40) == Words{"2", "4", "8", "16", "32", "64"});  // 72 collides
  CHECK(Labels(linear, {}, 320, 60).size() >= 2);
  CHECK(Labels(linear, {5, 5}, 320, 60).size() >= 2);
}

TEST_CASE("Any data gets a finite range, ticks inside it, and room between labels") {
  Random random(7, "axis");
  for (int i = 0; i < 3000; ++i) {
    Axis axis;
    axis.scale = i % 2 == 0 ? Scale::kLinear : Scale::kLog;
    const double size = std::pow(10, 24 * random.Uniform() - 12);
    const double sign = i % 3 == 0 ? -1 : 1;
    std::vector<double> values = {size * random.Uniform() * sign, size * random.Uniform(), kNan,
                                  kInfinity, i % 5 == 0 ? 0.0 : size};
    const double from = 400 * random.Uniform(), to = from + (i % 4 < 2 ? 1 : -1) * 350;
    const Ruler ruler(axis, values, from, to);
    for (const double value : values) {
      if (!ruler.Has(value)) continue;
      REQUIRE(std::fabs(ruler.At(value) - (from + to) / 2) <= 175.001);
    }
    double last = -1e9;
    size_t labelled = 0;
    for (const Tick& tick : ruler.Ticks(30)) {
      const double at = std::fabs(ruler.At(tick.value) - from);
      REQUIRE(std::isfinite(at));
      REQUIRE(std::fabs(at - 175) <= 175.1);
      if (tick.label.empty()) continue;
      REQUIRE(at - last >= 29);
      last = at;
      ++labelled;
    }
    CAPTURE(i, size);
    REQUIRE(labelled >= 1);
    REQUIRE(labelled <= 13);
  }
}

Chart SmallChart() {
  Chart chart;
  chart.title = "A & B";
  chart.x = {"ranks", Scale::kLog, {}, {}, {1, 2, 4}, "", {}};
  chart.y = {"", Scale::kLinear, 0, {}, {}, "", {}};
  chart.width = 300;
  chart.plot_height = 100;
  Series line{"measured", 0, {Shape::kDisc, false}, Join::kSolid, false, false, {}};
  line.points = {{1, 10, 9.0, 11.0, "1 rank"}, {2, 20, {}, {}, ""}, {4, 30, {}, {}, ""}};
  chart.series.push_back(line);
  return chart;
}

TEST_CASE("A small chart keeps its bytes") {
  const std::string svg = ChartSvg(SmallChart());
  CHECK(svg == ChartSvg(SmallChart()));
  // Looked at, then stored: a change of any byte is to be looked at again.
  std::ifstream stored("tests/unit/report/small_chart.svg", std::ios::binary);
  CHECK(svg == std::string(std::istreambuf_iterator<char>(stored), {}));
}

TEST_CASE("A chart shows what it was given and joins only what may be joined") {
  Chart chart = SmallChart();
  CHECK(Unbalanced(ChartSvg(chart)).empty());
  // Axes and grid apart, one line of three points and three strokes of a whisker.
  const auto joins = [&] { return Count(ChartSvg(chart), " stroke-width=\"1.8\"/>"); };
  const size_t joined = joins();
  chart.series[0].join = Join::kNone;
  CHECK(joins() == joined - 2);  // in the legend too
  chart.series[0].join = Join::kSolid;
  chart.series[0].points[1].y = kNan;  // a gap leaves no two neighbours
  CHECK(joins() == joined - 2);        // nor a mark
  CHECK(ChartSvg(chart).find("no place") == std::string::npos);
  chart.y.scale = Scale::kLog;
  chart.y.low = {};
  chart.series[0].points[2].y = 0;
  CHECK(ChartSvg(chart).find("1 point has no place on these axes.") != std::string::npos);
  chart.series[0].name = "<script>";
  chart.series[0].points[0].hover = "\"><script>";
  chart.title = "</title><script>";
  chart.x.label = chart.note = "<script>";
  chart.right = Axis{"<script>", Scale::kLinear, {}, {}, {}, "<script>", {}};
  chart.rules = {{3, "<script>", true}};
  CHECK(ChartSvg(chart).find("<script") == std::string::npos);
  CHECK(Unbalanced(SvgFile(ChartSvg(chart))).empty());
}

TEST_CASE("Nothing is drawn outside of the picture") {
  Chart chart = SmallChart();
  chart.right = Axis{"percent", Scale::kLinear, 0, 110, {}, " %", {}};
  Series band{"a series with a name that is far too long for a picture of three hundred units",
              1,
              {Shape::kDiamond, false},
              Join::kDashed,
              true,
              true,
              {}};
  band.points = {{1, 100, 90.0, 250.0, ""}, {4, -50, -70.0, 1.0, ""}};
  chart.series.push_back(band);
  const std::string svg = ChartSvg(chart);
  for (size_t at = svg.find('M'); at != std::string::npos; at = svg.find('M', at + 1)) {
    if (svg[at - 1] != '"') continue;
    const double x = std::stod(svg.substr(at + 1));
    CHECK((x >= 0 && x <= 300));
  }
  CHECK(Unbalanced(svg).empty());
  CHECK_FALSE(ChartSvg(Chart()).empty());  // nothing at all is a picture too
}

TEST_CASE("Bars hold shares of their own sum") {
  Bars bars;
  bars.title = "Step";
  bars.parts = {"compute", "wait"};
  bars.rows = {{"2 ranks", {3, 1}, "4 s"}, {"4 ranks", {-1, kNan}, ""}};
  const std::string svg = BarsSvg(bars);
  CHECK(svg.find("2 ranks, compute: 75 %") != std::string::npos);
  CHECK(svg.find("2 ranks, wait: 25 %") != std::string::npos);
  CHECK(svg.find("not known") != std::string::npos);
  CHECK(Count(svg, "<rect") == 3);  // paper and two parts
  CHECK(Unbalanced(svg).empty());
}

TEST_CASE("A file of a picture and a page refer to nothing outside of them") {
  const std::string file = SvgFile(ChartSvg(SmallChart()));
  CHECK(Count(file, "http") == 1);  // the name space
  CHECK(file.find("<svg xmlns=\"http://www.w3.org/2000/svg\" width=") != std::string::npos);
  CHECK(Unbalanced(file).empty());

  Page page("<b>", "s & t");
  page.Figure(ChartSvg(SmallChart()), "<i>");
  page.Add(
      {"", {"name", "value", "nothing"}, {{"<u>", "1,582"}, {"b", "+0.1 %"}, {"c", ""}, {"d"}}});
  page.Facts({{"<host>", "n<1>"}});
  page.Commands({"a > b && c"});
  page.Link("csv", "scale.csv");
  page.Link("evil", "javascript:alert(1)\"");
  page.Link("root", "//host/x");
  const std::string html = std::move(page).Html();
  CHECK(html.find("http:") == std::string::npos);
  CHECK(html.find("src=") == std::string::npos);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("nothing") == std::string::npos);
  CHECK(html.find("default-src 'none'") != std::string::npos);
  for (const char* tag : {"<b>", "<i>", "<u>", "<host>", "n<1>"}) {
    CHECK(html.find(tag) == std::string::npos);
  }
  CHECK(html.find("href=\"scale.csv\"") != std::string::npos);
  CHECK(html.find("href=\"javascript%3Aalert%281%29%22\"") != std::string::npos);
  CHECK(html.find("href=\".//host/x\"") != std::string::npos);
  CHECK(html.find("<td>&lt;u&gt;</td><td class=\"n\">1,582</td>") != std::string::npos);
  CHECK(Unbalanced(BodyOf(html)).empty());
}

// --- sweeps

SweepReport SmallSweep() {
  SweepReport report;
  report.title = "small";
  report.metric = "loss";
  report.trials = {
      {"a", {{"lr", "0.001"}, {"optimizer", "sgd"}}, {{10, 0.9}, {20, 0.5}}, "pruned", 10, ""},
      {"b", {{"lr", "0.1"}, {"optimizer", "lamb"}}, {{10, 0.8}, {40, 0.2}}, "finished", 30, "a@10"},
      {"c", {{"lr", "1"}}, {{10, kNan}}, "finished", 5, "b@20"},
      {"<d>", {{"lr", "0.01"}, {"optimizer", "lamb"}}, {}, "running", 0, ""}};
  report.alone_rank_seconds = 90;
  return report;
}

TEST_CASE("A sweep's best path goes from the best trial to what it was forked from") {
  SweepReport report = SmallSweep();
  CHECK(BestPath(report) == std::vector<size_t>{1, 0});
  report.lower_is_better = false;
  CHECK(BestPath(report) == std::vector<size_t>{0});
  report.lower_is_better = true;
  report.trials[0].parent = "b@20";  // no sweep writes that; no endless loop either
  CHECK(BestPath(report) == std::vector<size_t>{1, 0});
  report.trials[1].parent = "gone@1";
  CHECK(BestPath(report) == std::vector<size_t>{1});
  CHECK(BestPath(SweepReport()).empty());
}

TEST_CASE("A knob has an axis of numbers or of words, and divergence is in no chart") {
  const SweepReport report = SmallSweep();
  const std::vector<Chart> charts = KnobCharts(report);
  REQUIRE(charts.size() == 2);
  CHECK(charts[0].x.scale == Scale::kLog);
  CHECK(charts[0].x.words.empty());
  CHECK(charts[1].x.words == std::vector<std::string>{"lamb", "sgd"});
  const Series& best = charts[0].series[1];
  REQUIRE(best.points.size() == 1);
  CHECK(best.points[0].x == 0.1);
  CHECK(best.points[0].y == 0.2);
  const Parallel parallel = KnobPaths(report);
  REQUIRE(parallel.axes.size() == 3);
  CHECK(parallel.paths[1].highlighted);
  CHECK(parallel.paths[1].values == std::vector<double>{0.1, 0, 0.2});
  CHECK(std::isnan(parallel.paths[2].values[1]));  // it has no such knob
  CHECK(std::isnan(parallel.paths[2].values[2]));  // it diverged
  const std::string svg = ParallelSvg(parallel);
  CHECK(Unbalanced(svg).empty());
  CHECK(svg.find("b: lr 0.1, optimizer lamb, loss 0.2") != std::string::npos);
  CHECK(Count(svg, "stroke-width=\"3\"") == 1);
  CHECK(Count(svg, "<rect") >= 6);  // labels hide the lines below them
}

TEST_CASE("A sweep's page says what was found and spent") {
  const std::string html = SweepPage(SmallSweep());
  const auto has = [&](const char* text) { return html.find(text) != std::string::npos; };
  CHECK(has("Best: b, loss 0.2 at step 40, lr = 0.1, optimizer = lamb. Forked from a@10."));
  CHECK(
      has("Spent: 45 rank-seconds on 4 trials. Trained alone they would have taken 90: 45 saved, "
          "a factor of 2."));
  CHECK(has("diverged"));
  CHECK(has("&lt;d&gt;"));
  CHECK_FALSE(has("<d>"));
  CHECK_FALSE(has("http:"));
  CHECK(Unbalanced(BodyOf(html)).empty());
  const size_t b = html.find("<td>b</td>"), a = html.find("<td>a</td>"),
               c = html.find("<td>c</td>");
  CHECK(b < a);
  CHECK(a < c);
  CHECK(SweepPage(SweepReport()).find("No trial has a finite") != std::string::npos);
}

}  // namespace
}  // namespace stemma::report
