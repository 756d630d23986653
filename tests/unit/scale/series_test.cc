// A series against a launcher that is a shell script: what is run, in which order, what is written,
// and what is refused.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"
#include "tools/scale/series/child.h"
#include "tools/scale/series/curve.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/launch.h"
#include "tools/scale/series/own.h"
#include "tools/scale/series/points.h"
#include "tools/scale/series/report.h"
#include "tools/scale/series/samples.h"
#include "tools/scale/series/series.h"
#include "tools/scale/series/submit.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {

namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;
using tests::TempFolder;

void Write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
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
ranks= batch= iters= json= last= model=
for word in "$@"; do
  [ "$last" = -n ] && ranks=$word
  [ "$last" = train ] && model=$word
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
[ -e "$here/bytes" ] && bytes=$(cat "$here/bytes")
[ -e "$here/other-$ranks" ] && bytes=1004
case $ranks in 1) ms=8 ;; 2) ms=4 ;; 4) ms=3 ;; *) ms=2 ;; esac
list=$(i=1; while [ $i -lt $iters ]; do printf '%s,' $ms; i=$((i+1)); done; echo $ms)
printf '{"world":"%s ranks on 1 host, backend x","model":"%s","ranks":%s,"batch":%s,' \
  $ranks $model $ranks $batch >>"$json"
printf '"engine":{"iterations_ms":[%s],"wait_ms":0.5,"gradient_bytes":%s}}\n' \
  "$list" $bytes >>"$json"
)";

struct Bench {
  TempFolder folder;
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
  TempFolder folder;
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
  Write(folder / "run/metrics.jsonl", text);
  Write(folder / "run/inc-0001/logs/rank-0.log",
        "09:52 r00 I begins\n09:52 r00 I   world      2 ranks on 1 host, backend x\n");
  const Result<PointSamples> samples = ReadTraining(folder / "run", point);
  REQUIRE_THAT(samples.status(), IsOk());
  CHECK(samples->input == "320 samples");
  CHECK(samples->hosts == 1);
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
  CHECK_THAT(ReadTraining(folder / "run", point).status(),
             HasCode(Code::kIncompatible, "not trained on 4 ranks"));
  point.ranks = 2;
  point.steps = 41;
  CHECK_THAT(ReadTraining(folder / "run", point).status(),
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
  TempFolder folder;
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
  job.log_folder = "/a b/out";
  job.command = {"stemma", "scale", "run", "--nodes=1,2,4"};
  const Result<std::string> script = SlurmScript(job);
  REQUIRE_THAT(script.status(), IsOk());
  for (const char* line :
       {"#SBATCH --nodes=4\n", "#SBATCH --ntasks-per-node=2\n", "#SBATCH --partition=gpu\n",
        "#SBATCH --output='/a b/out/slurm-%j.log'\n", "cd '/a b'\n",
        "exec stemma scale run --nodes=1,2,4\n"}) {
    CHECK_THAT(*script, Catch::Contains(line));
  }
  job.options = {"partition"};
  CHECK_THAT(SlurmScript(job).status(), HasCode(Code::kInvalidArgument, "--sbatch"));
}

TEST_CASE("a step on several ranks from one rank and the measured all-reduce", "[own]") {
  const Curve curve({{1e3, 1e-4}, {1e5, 1e-2}});
  CHECK(curve.Seconds(10) == Approx(1e-4));
  CHECK(curve.Seconds(1e4) == Approx(1e-3));
  CHECK(curve.Seconds(2e5) == Approx(2e-2));
  Workload workload;
  workload.forward_share = 0.25;
  workload.buckets = {{1e4, 0.5}, {1e5, 1.0}};
  const std::vector<double> steps(7, 0.1);
  // No core to spare: calls add to the step. With one the first is hidden behind backward.
  CHECK(PredictStep(steps, workload, curve, 2, 1, false, 1) == Approx(0.111));
  CHECK(PredictStep(steps, workload, curve, 4, 2, false, 1) == Approx(0.211));
  CHECK(PredictStep(steps, workload, curve, 2, 1, true, 1) == Approx(0.11));
  // Two ranks wait for the slower one: of steps that are 1 or 3 the median is 3.
  CHECK(PredictStep({1, 3}, workload, curve, 2, 1, false, 1) == Approx(3.011));

  Bench bench;
  bench.series.shape.mode = "weak";
  bench.series.shape.repeats = 1;
  bench.series.model = "aides";
  const Workload aides = *MakeWorkload("aides", {});
  Write(bench.folder / "bytes", std::to_string(static_cast<int64_t>(4 * aides.parameters)));
  bench.MustRun();
  const std::string out = bench.series.folder;
  CHECK_THAT(ValidateOwn(out).status(), HasCode(Code::kNotFound, "--curve"));
  for (const int ranks : {2, 4}) {
    Write(CurvePath(out, ranks),
          "op,bytes,calls,median_us,p95_us\nall_reduce,4,9,100,1\nall_reduce,1000000000,9,100,1\n");
  }
  const Result<OwnValidation> own = ValidateOwn(out);
  REQUIRE_THAT(own.status(), IsOk());
  REQUIRE(own->rows.size() == 2);
  const double calls = 1e-4 * static_cast<double>(aides.buckets.size());
  CHECK(own->rows[0].measured_s == Approx(0.004));
  CHECK(own->rows[0].predicted_s == Approx(0.008 + calls));
  CHECK(own->rows[1].predicted_s == Approx(0.016 + calls));  // 4 ranks on 2 cores
  CHECK(own->rows[1].oversubscribed);
  CHECK(own->worst == Approx(100 * (0.008 + calls) / 0.004 - 100));
  CHECK_THAT(OwnText(*own), Catch::Contains("missed") && Catch::Contains("not measured: 2 train"));
  Write(CurvePath(out, 2), "op,bytes\n");
  CHECK_THAT(ValidateOwn(out).status(), HasCode(Code::kCorruption, ":1"));
  CHECK_THAT(ValidateOwn(bench.folder / "no").status(), HasCode(Code::kNotFound, "no series"));
}

}  // namespace
}  // namespace stemma::scale
