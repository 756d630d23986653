// The table of a scaling series: what is read and written, efficiencies and the verdict on the HAL
// benchmark, and which points a series consists of.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"
#include "tools/scale/series/points.h"
#include "tools/scale/series/report.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {

using tests::HasCode;
using tests::IsOk;

std::vector<RunRow> HalRows() {
  const std::vector<std::array<double, 3>> published = {
      {2, 1582.04, 74211.11},   {4, 3004.51, 39536},     {8, 5805.14, 20904.01},
      {16, 11273.57, 10969.42}, {32, 19496.10, 6652.91}, {64, 33080.03, 4071.31}};
  std::vector<RunRow> rows;
  for (const auto& [gpus, rate, time] : published) {
    RunRow row;
    row.mode = "data";
    row.system = "hal";
    row.ranks = static_cast<int>(gpus);
    row.nodes = std::max(1, row.ranks / 4);
    row.local_batch = 208;
    row.global_batch = row.local_batch * row.ranks;
    row.samples_per_s = rate;
    row.train_s = time;
    rows.push_back(row);
  }
  FillEfficiencies(&rows);
  return rows;
}

TEST_CASE("the HAL table gives the published efficiencies and the verdict 32 and 16", "[verdict]") {
  const std::vector<RunRow> rows = HalRows();
  const auto tenths = [](const std::optional<double>& share) {
    return std::lround(1000 * share.value());
  };
  CHECK(tenths(rows[3].efficiency_time) == 846);
  CHECK(tenths(rows[4].efficiency_throughput) == 770);
  CHECK(tenths(rows[4].efficiency_time) == 697);
  CHECK(tenths(rows[5].efficiency_throughput) == 653);
  CHECK(rows[5].base_ranks == 2);

  const std::vector<RunVerdict> verdicts = VerdictsOf(SummariesOf(rows));
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].by_throughput == 32);
  CHECK(verdicts[0].by_time == 16);
  CHECK(verdicts[0].node_counts == std::vector<int>{1, 2, 4, 8, 16});
  CHECK(verdicts[0].sufficient);
  CHECK(verdicts[0].words ==
        "data on hal, base 2 ranks: at least 75 % by throughput up to 32 ranks, by time up to 16 "
        "ranks. Some count ran less than three times.");
  const std::string table = TableText(rows);
  for (const char* number : {"77.0", "65.3", "84.6", "69.7"}) {
    CHECK_THAT(table, Catch::Contains(number));
  }
  // Without two of the five numbers of nodes there are three; without one more, two.
  std::vector<RunRow> fewer(rows.begin(), rows.begin() + 3);
  CHECK_FALSE(VerdictsOf(SummariesOf(fewer))[0].sufficient);
  CHECK_THAT(VerdictText(fewer),
             Catch::Contains("Not sufficient evidence: real runs on 2 numbers"));
  // Points of others and predictions never fill up.
  for (RunRow& row : fewer) row.flags = {"published"};
  CHECK(VerdictsOf(SummariesOf(fewer)).empty());
}

TEST_CASE("the table reads back what it wrote, and names what is wrong in a file", "[table]") {
  RunRow row = HalRows()[4];
  row.system = "a, \"quoted\" name";
  row.flags = {"oversubscribed", "short"};
  row.repeat = 2;
  row.state_id = "5be1";
  const std::string text = RunTableText({row, row});
  CHECK(RunTableHeader() ==
        "mode,system,nodes,ranks,local_batch,global_batch,repeat,steps,step_p10_s,step_p50_s,"
        "step_p90_s,samples_per_s,epoch_s,train_s,exposed_comm_s,input_wait_s,straggler_s,"
        "efficiency_throughput,efficiency_time,base_ranks,flags,plan_digest,state_id\n");
  Result<std::vector<RunRow>> read = ParseRunTable(text, "t");
  REQUIRE_THAT(read.status(), IsOk());
  REQUIRE(read->size() == 2);
  CHECK(RunTableText(*read) == text);
  CHECK_FALSE((*read)[0].epoch_s);
  CHECK((*read)[1].Has("short"));
  // A torn last line is no row.
  CHECK(ParseRunTable(text.substr(0, text.size() - 3), "t")->size() == 1);

  const std::string header = RunTableHeader();
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "empty"},
      {"mode,ranks\n", "t:1: no column is called system"},
      {header + "strong,x\n", "t:2: 2 fields"},
      {header + "strong,x,1,1,1,1,0,-5,,,,,,,,,,,,,,,\n", "steps: '-5'"},
      {header + "strong,x,1,1,1,1,0,5,nan,,,,,,,,,,,,,,\n", "step_p10_s: 'nan'"},
      {header + "both,x,1,1,1,1,0,5,,,,,,,,,,,,,,,\n", "mode: 'both'"},
      {header + "weak,x,1,,1,1,0,5,,,,,,,,,,,,,,,\n", "ranks: at least 1"}};
  for (const auto& [file, why] : bad) {
    INFO(file);
    CHECK_THAT(ParseRunTable(file, "t").status(), HasCode(Code::kInvalidArgument, why));
  }
}

TEST_CASE("efficiencies by mode, and inputs that differ", "[table]") {
  std::vector<RunRow> rows(4);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].mode = "weak";
    rows[i].ranks = i < 2 ? 1 : 4;
    rows[i].repeat = static_cast<int>(i % 2);
    rows[i].local_batch = 8;
    rows[i].samples_per_s = i < 2 ? 90 + 20.0 * static_cast<double>(i) : 200;  // median 100
    rows[i].train_s = i < 2 ? 10 : 12.5;
  }
  FillEfficiencies(&rows);
  CHECK(rows[2].efficiency_throughput.value() == Approx(0.5));
  CHECK(rows[2].efficiency_time.value() == Approx(0.8));  // weak: T_b / T_N
  CHECK(rows[0].efficiency_throughput.value() == Approx(0.9));
  for (RunRow& row : rows) row.mode = "strong";
  FillEfficiencies(&rows);
  CHECK(rows[2].efficiency_time.value() == Approx(0.2));
  rows[3].train_s.reset();
  FillEfficiencies(&rows);
  CHECK_FALSE(rows[3].efficiency_time);

  CHECK_THAT(CheckSameInput(rows), IsOk());
  rows[2].plan_digest = "aa";
  CHECK_THAT(CheckSameInput(rows), IsOk());
  rows[3].plan_digest = "ab";
  CHECK_THAT(CheckSameInput(rows), HasCode(Code::kInvalidArgument, "the plan is aa on 4 ranks"));
  rows[3].plan_digest = "aa";
  rows[1].global_batch = 9;
  CHECK_THAT(CheckSameInput(rows), HasCode(Code::kInvalidArgument, "the global batch is 0"));
}

TEST_CASE("points: every count in every repeat, in an order that the seed decides", "[points]") {
  SeriesShape shape;
  shape.ranks = {1, 2, 4, 8};
  shape.ranks_per_node = 2;
  shape.repeats = 6;
  const auto order = [&](uint64_t seed) {
    shape.seed = seed;
    std::vector<int> ranks;
    const auto points = PointsOf(shape);
    REQUIRE_THAT(points.status(), IsOk());
    for (const Point& point : *points) ranks.push_back(point.ranks);
    return ranks;
  };
  const std::vector<int> one = order(1);
  CHECK(one == order(1));
  CHECK(one != order(2));
  std::set<std::vector<int>> orders;
  for (size_t repeat = 0; repeat < 6; ++repeat) {
    std::vector<int> part(one.begin() + static_cast<std::ptrdiff_t>(4 * repeat),
                          one.begin() + static_cast<std::ptrdiff_t>(4 * repeat + 4));
    orders.insert(part);
    std::sort(part.begin(), part.end());
    CHECK(part == shape.ranks);  // repeats do not mix
  }
  CHECK(orders.size() > 1);

  std::map<std::string, std::pair<Point, Point>> ends;  // 1 and 8 ranks
  for (const char* mode : {"strong", "weak", "data"}) {
    shape.mode = mode;
    const auto points = PointsOf(shape);
    for (const Point& point : *points) {
      if (point.ranks == 1) ends[mode].first = point;
      if (point.ranks == 8) ends[mode].second = point;
    }
  }
  CHECK(ends["strong"].second.local_batch == 4);
  CHECK(ends["strong"].second.global_batch == 32);
  CHECK(ends["weak"].second.global_batch == 256);
  CHECK(ends["weak"].first.steps == 200);
  CHECK(ends["data"].first.steps == 1600);  // as many samples as 200 steps of 8 ranks
  CHECK(ends["data"].second.steps == 200);
  CHECK(ends["data"].second.nodes == 4);

  shape.mode = "strong";
  shape.batch = 12;
  CHECK_THAT(PointsOf(shape).status(),
             HasCode(Code::kInvalidArgument, "does not divide among 8 ranks"));
  CHECK(*ParseCounts("4,1,2", "--ranks") == std::vector<int>{1, 2, 4});
  for (const char* text : {"", "1,,2", "0", "-1", "2,2", "1x", "99999999", "1,"}) {
    INFO(text);
    CHECK_THAT(ParseCounts(text, "--ranks").status(), HasCode(Code::kInvalidArgument, "--ranks"));
  }
}

}  // namespace
}  // namespace stemma::scale
