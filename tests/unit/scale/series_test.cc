// A series against a launcher that is a shell script: what is run, in which order, what is written,
// and what is refused. The table, its efficiencies and the verdict on the HAL benchmark.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"
#include "tools/scale/series/child.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/launch.h"
#include "tools/scale/series/points.h"
#include "tools/scale/series/report.h"
#include "tools/scale/series/samples.h"
#include "tools/scale/series/series.h"
#include "tools/scale/series/submit.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {

namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "stemma-series.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void Write(const std::string& path, const std::string& text) {
  REQUIRE_THAT(WriteFile(path, text), IsOk());
}

std::string Read(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  REQUIRE_THAT(text.status(), IsOk());
  return *text;
}

// Stands for mpirun and everything below it: writes what `stemma bench train --json` would. A step
// takes 8 ms / ranks, and 1 ms more on 4 ranks. The files beside it steer it.
constexpr char kLauncher[] = R"(#!/bin/sh
here=$(dirname "$0")
ranks= batch= iters= json= last=
for word in "$@"; do
  [ "$last" = -n ] && ranks=$word
  last=$word
  case $word in
    --batch-size=*) batch=${word#*=} ;;
    --num-iters=*) iters=${word#*=} ;;
    --json=*) json=${word#*=} ;;
  esac
done
echo "$ranks $*" >>"$here/calls"
[ -e "$here/fail-$ranks" ] && { echo "rank 1: out of memory" >&2; exit 3; }
[ -e "$here/hang-$ranks" ] && { echo "waiting for rank 1"; sleep 600; }
[ -e "$here/silent-$ranks" ] && exit 0
bytes=1000
[ -e "$here/other-$ranks" ] && bytes=1004
case $ranks in 1) ms=8 ;; 2) ms=4 ;; 4) ms=3 ;; *) ms=2 ;; esac
list=$(i=1; while [ $i -lt $iters ]; do printf '%s,' $ms; i=$((i+1)); done; echo $ms)
printf '{"world":"%s ranks on 1 host, backend x","model":"mlp","ranks":%s,"batch":%s,' \
  $ranks $ranks $batch >>"$json"
printf '"engine":{"iterations_ms":[%s],"wait_ms":0.5,"gradient_bytes":%s}}\n' \
  "$list" $bytes >>"$json"
)";

struct Bench {
  Folder folder;
  Series series;
  std::vector<std::string> told;

  Bench() {
    Write(folder / "mpirun", kLauncher);
    chmod((folder / "mpirun").c_str(), 0755);
    series.shape.ranks = {1, 2, 4};
    series.shape.batch = 16;
    series.shape.steps = 200;
    series.model = "mlp";
    series.folder = folder / "out";
    series.system = "here";
    series.program = "stemma";
    series.build = "xxh3:1";
    series.launcher.program = folder / "mpirun";
    series.machine.cores = 2;
    series.limit_s = 60;
  }
  Result<SeriesEnd> Run() {
    return RunSeries(series, [this](const std::string& line) { told.push_back(line); });
  }
  SeriesEnd MustRun() {
    Result<SeriesEnd> end = Run();
    REQUIRE_THAT(end.status(), IsOk());
    return *end;
  }
  // Ranks of the calls so far, in order.
  std::vector<int> Calls() const {
    std::ifstream in(folder / "calls");
    std::vector<int> ranks;
    for (std::string line; std::getline(in, line);) ranks.push_back(std::stoi(line));
    return ranks;
  }
  void Touch(const std::string& name) const { Write(folder / name, ""); }
};

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

TEST_CASE("a series runs every point once, marks what is oversubscribed, and goes on", "[series]") {
  Bench bench;
  bench.series.shape.repeats = 2;
  const SeriesEnd end = bench.MustRun();
  CHECK(end.ran == 6);
  CHECK(end.failures.empty());
  std::vector<int> planned;
  const std::vector<Point> points = *PointsOf(bench.series.shape);
  for (const Point& point : points) planned.push_back(point.ranks);
  CHECK(bench.Calls() == planned);
  CHECK_THAT(Read(bench.folder / "calls"),
             Catch::Contains("4 -n 4 --bind-to none --oversubscribe stemma bench train mlp "
                             "--batch-size=4 --num-warmup-batches=20"));

  const std::vector<RunRow> rows = *ReadRunTable(bench.folder / "out/scale.csv");
  REQUIRE(rows.size() == 6);
  for (const RunRow& row : rows) {
    CHECK(row.Has("oversubscribed") == (row.ranks == 4));
    CHECK(row.nodes == 1);
    CHECK(row.steps == 200);
    CHECK(row.exposed_comm_s.value() == Approx(0.0005));
    CHECK_FALSE(row.input_wait_s);
    CHECK_FALSE(row.epoch_s);
    CHECK(row.samples_per_s.value() == Approx(row.ranks == 1   ? 2000.0
                                              : row.ranks == 2 ? 4000.0
                                                               : 16000.0 / 3));
    CHECK(row.efficiency_time.value() == Approx(row.ranks == 4 ? 2.0 / 3 : 1.0));
  }
  const RunVerdict verdict = VerdictsOf(SummariesOf(rows)).at(0);
  CHECK(verdict.by_throughput == 2);  // 4 takes no part
  CHECK_FALSE(verdict.sufficient);

  // The same again runs nothing, one repeat more three points, one lost row its point.
  CHECK(bench.MustRun().found == 6);
  CHECK(bench.Calls().size() == 6);
  bench.series.shape.repeats = 3;
  CHECK(bench.MustRun().ran == 3);
  std::vector<RunRow> lost = *ReadRunTable(bench.folder / "out/scale.csv");
  const int missing = lost[4].ranks;
  lost.erase(lost.begin() + 4);
  Write(bench.folder / "out/scale.csv", RunTableText(lost));
  CHECK(bench.MustRun().ran == 1);
  CHECK(bench.Calls().back() == missing);

  SeriesReport report = {end.rows,           {"r8-0: left with 3"}, end.commands,
                         {{"hosts", "a,b"}}, InputOf(bench.series), bench.series.folder};
  REQUIRE_THAT(WriteReport(report), IsOk());
  const std::string page = Read(bench.folder / "out/scale.md");
  for (const char* text : {"Not sufficient evidence", "| strong | 1 | 2 | 8/16 | 2 | 4.000 |",
                           "* hosts: a,b", "mpirun -n 4", "r8-0: left with 3", "oversubscribed"}) {
    CHECK_THAT(page, Catch::Contains(text));
  }
  CHECK_THAT(Read(bench.folder / "out/scale.json"), Catch::Contains("\"step_max_s\": 0.003"));
}

TEST_CASE("another input in the same folder, and counts that measured another", "[series]") {
  Bench bench;
  bench.series.shape.repeats = 1;
  bench.MustRun();
  const Series good = bench.series;
  const std::map<std::string, std::function<void(Series*)>> changes = {
      {"batch is '16' there and '32' here", [](Series* s) { s->shape.batch = 32; }},
      {"mode is 'strong'", [](Series* s) { s->shape.mode = "weak"; }},
      {"steps is '200'", [](Series* s) { s->shape.steps = 100; }},
      {"threads is '1'", [](Series* s) { s->threads = 2; }},
      {"build is 'xxh3:1'", [](Series* s) { s->build = "xxh3:2"; }},
      {"flags is ''", [](Series* s) { s->bench_words = {"--size=64"}; }},
      {"workload", [](Series* s) { s->recipe = "train.seed = 2"; }}};
  for (const auto& [why, change] : changes) {
    bench.series = good;
    change(&bench.series);
    CHECK_THAT(bench.Run().status(), HasCode(Code::kInvalidArgument, why));
  }
  CHECK(bench.Calls().size() == 3);  // none of them started anything
  bench.series = good;
  {
    const Result<FolderLock> other = FolderLock::Take(bench.series.folder);
    REQUIRE_THAT(other.status(), IsOk());
    CHECK_THAT(bench.Run().status(), HasCode(Code::kInvalidArgument, "another process"));
  }
  bench.series.folder = bench.folder / "second";
  bench.Touch("other-4");
  CHECK_THAT(bench.Run().status(), HasCode(Code::kIncompatible, "inputs differ"));
}

TEST_CASE("a child that crashes, hangs or writes nothing is told and left out", "[series]") {
  Bench bench;
  bench.series.shape.repeats = 2;
  bench.Touch("fail-2");
  SeriesEnd end = bench.MustRun();
  CHECK(end.ran == 4);
  REQUIRE(end.failures.size() == 1);  // the count is not tried again
  CHECK_THAT(end.failures[0],
             Catch::Contains("mpirun -n 2 --bind-to none stemma bench train mlp") &&
                 Catch::Contains("left with 3") && Catch::Contains("rank 1: out of memory"));
  CHECK(ReadRunTable(bench.folder / "out/scale.csv")->size() == 4);
  fs::remove(bench.folder / "fail-2");
  bench.Touch("silent-2");
  end = bench.MustRun();
  REQUIRE(end.failures.size() == 1);
  CHECK_THAT(end.failures[0], Catch::Contains("bench.json: the child left with 0"));
  fs::remove(bench.folder / "silent-2");
  CHECK(bench.MustRun().ran == 2);

  bench.series.folder = bench.folder / "hung";
  bench.series.limit_s = 0.2;
  bench.series.shape.ranks = {2};
  bench.Touch("hang-2");
  end = bench.MustRun();
  REQUIRE(end.failures.size() == 1);
  CHECK_THAT(end.failures[0],
             Catch::Contains("did not end within") && Catch::Contains("waiting for rank 1"));
  const ChildEnd nothing = RunChild({"/no/such/program", "a b"}, bench.folder / "log", 5);
  CHECK_THAT(nothing.status, HasCode(Code::kIo, "/no/such/program 'a b'"));
}

TEST_CASE("steps of a training, warm-up and what is not steady", "[samples]") {
  Folder folder;
  Point point;
  point.ranks = 2;
  point.local_batch = 8;
  point.global_batch = 16;
  point.steps = 40;
  point.warmup = 10;
  std::string text;
  for (int step = 1; step <= 50; ++step) {
    char line[300];
    std::snprintf(line, sizeof line,
                  "{\"step\":%d,\"samples\":%d,\"epoch\":%.17g,\"step_s\":0.1,\"data_wait\":0.2,"
                  "\"comm_wait\":0.3,\"slowest_late_s\":0.004,\"optim_s\":0.01,\"world\":2}\n",
                  step, 16 * step, 16 * step / 320.0);
    text += line;
  }
  Write(folder / "metrics.jsonl", text);
  const Result<PointSamples> samples = ReadTraining(folder / "metrics.jsonl", point);
  REQUIRE_THAT(samples.status(), IsOk());
  CHECK(samples->input == "320 samples");
  const RunRow row = RowOf(point, "strong", *samples);
  CHECK(row.steps == 40);
  CHECK(row.samples_per_s.value() == Approx(160));
  CHECK(row.train_s.value() == Approx(4));
  CHECK(row.epoch_s.value() == Approx(2));  // two passes of 320 samples
  CHECK(row.input_wait_s.value() == Approx(0.02));
  CHECK(row.exposed_comm_s.value() == Approx(0.03));
  CHECK(row.straggler_s.value() == Approx(0.004));
  CHECK(row.Has("short"));
  CHECK_FALSE(row.Has("unstable"));
  point.ranks = 4;
  CHECK_THAT(ReadTraining(folder / "metrics.jsonl", point).status(),
             HasCode(Code::kIncompatible, "not trained on 4 ranks"));
  point.ranks = 2;
  point.steps = 41;
  CHECK_THAT(ReadTraining(folder / "metrics.jsonl", point).status(),
             HasCode(Code::kIncompatible, "40 steps after the warm-up, asked for 41"));

  bool stable = false;
  std::vector<double> steps(200, 1.0);
  CHECK(SteadyFrom(steps, &stable) == 0);
  std::fill(steps.begin(), steps.begin() + 25, 3.0);
  CHECK(SteadyFrom(steps, &stable) == 30);  // windows of 10
  CHECK(stable);
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = 100 - 0.45 * static_cast<double>(i);
  CHECK(SteadyFrom(steps, &stable) == 100);
  CHECK_FALSE(stable);
}

TEST_CASE("mpirun here, srun in an allocation, and a job that asks for one", "[launch]") {
  Folder folder;
  for (const char* name : {"mpirun", "srun"}) {
    Write(folder / name, "");
    chmod((folder / name).c_str(), 0755);
  }
  Variables environment = {{"PATH", "/none:" + (folder / "")}};
  const Machine machine = {4, 0, false};
  Point point;
  point.ranks = 4;
  const auto launched = [&](const char* asked) {
    const Result<Launcher> launcher = ChooseLauncher(asked, "--mca a b", environment);
    REQUIRE_THAT(launcher.status(), IsOk());
    std::vector<std::string> words = LaunchWords(*launcher, machine, point, 2);
    words[0] = fs::path(words[0]).filename().string();
    return CommandLine(words);
  };
  CHECK(launched("auto") == "mpirun -n 4 --bind-to none --oversubscribe --mca a b");
  CHECK_THAT(ChooseLauncher("srun", "", environment).status(),
             HasCode(Code::kInvalidArgument, "no Slurm allocation"));
  environment["SLURM_JOB_ID"] = "7";
  environment["SLURM_JOB_NUM_NODES"] = "2";
  point.nodes = 2;
  CHECK(launched("auto") ==
        "srun --nodes=2 --ntasks=4 --cpus-per-task=2 --kill-on-bad-exit=1 --mca a b");
  CHECK(launched("mpirun") == "mpirun -n 4 --bind-to none --map-by ppr:2:node --mca a b");
  environment["PATH"] = "/none";
  CHECK_THAT(ChooseLauncher("auto", "", environment).status(), HasCode(Code::kNotFound, "srun"));

  SlurmJob job;
  job.nodes = 4;
  job.ranks_per_node = 2;
  job.options = {"--partition=gpu"};
  job.working_folder = "/a b";
  job.log_folder = "out";
  job.command = {"stemma", "scale", "run", "--nodes=1,2,4"};
  const Result<std::string> script = SlurmScript(job);
  REQUIRE_THAT(script.status(), IsOk());
  for (const char* line :
       {"#SBATCH --nodes=4\n", "#SBATCH --ntasks-per-node=2\n", "#SBATCH --partition=gpu\n",
        "cd '/a b'\n", "exec stemma scale run --nodes=1,2,4\n"}) {
    CHECK_THAT(*script, Catch::Contains(line));
  }
  job.options = {"partition"};
  CHECK_THAT(SlurmScript(job).status(), HasCode(Code::kInvalidArgument, "--sbatch"));
}

}  // namespace
}  // namespace stemma::scale
