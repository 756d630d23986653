// Trainings side by side against a launcher that is a shell script: that they run at once, what is
// written, and what a prediction makes of it.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/scale/series/contention.h"
#include "tools/scale/series/curve.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/own.h"
#include "tools/scale/series/series.h"
#include "tools/scale/workload.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {

namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;

// Writes what `stemma bench train --json` would: a step of 8 ms on one rank, of 11 on more, and of
// 10 in each of two trainings side by side. Those two meet at a pipe, which lets neither go on
// before the other has come.
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
echo "$*" >>"$here/calls"
[ -e "$here/fail" ] && { echo "out of memory" >&2; exit 3; }
case $ranks in 1) ms=8 ;; *) ms=11 ;; esac
case $json in
  */together/0.json) : <"$here/meet"; ms=10 ;;
  */together/1.json) : >"$here/meet"; ms=10 ;;
esac
list=$(i=1; while [ $i -lt $iters ]; do printf '%s,' $ms; i=$((i+1)); done; echo $ms)
printf '{"world":"%s ranks on 1 host, backend x","model":"aides","ranks":%s,"batch":%s,' \
  $ranks $ranks $batch >>"$json"
printf '"engine":{"iterations_ms":[%s],"gradient_bytes":%s}}\n' "$list" $(cat "$here/bytes") \
  >>"$json"
)";

constexpr char kTwoRepeats[] =
    "together,repeat,alone_s,together_s\n2,0,0.008,0.01\n2,1,0.008,0.01\n";

struct Fixture {
  std::string path;
  Series series;
  Workload workload = *MakeWorkload("aides", {});
  std::vector<std::string> told;

  Fixture() {
    std::string name = (fs::temp_directory_path() / "stemma-contention.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
    Write("mpirun", kLauncher);
    Write("bytes", std::to_string(static_cast<int64_t>(4 * workload.parameters)));
    REQUIRE(chmod((path + "/mpirun").c_str(), 0755) == 0);
    REQUIRE(mkfifo((path + "/meet").c_str(), 0600) == 0);
    series.shape.mode = "weak";
    series.shape.ranks = {1, 2, 4};
    series.shape.batch = 4;
    series.shape.repeats = 2;
    series.shape.steps = 20;
    series.model = "aides";
    series.folder = path + "/out";
    series.system = "here";
    series.program = "stemma";
    series.build = "xxh3:1";
    series.launcher.program = path + "/mpirun";
    series.machine.cores = 2;
    series.limit_s = 60;
  }
  ~Fixture() { fs::remove_all(path); }
  Fixture(const Fixture&) = delete;

  void Write(const std::string& name, const std::string& text) const {
    REQUIRE_THAT(WriteFile(path + "/" + name, text), IsOk());
  }
  std::string Read(const std::string& name) const {
    const Result<std::string> text = ReadFile(path + "/" + name);
    return text.ok() ? *text : "";
  }
  Status Measure() {
    return MeasureContention(series, [this](const std::string& line) { told.push_back(line); });
  }
  size_t Calls() const {
    size_t lines = 0;
    for (const char c : Read("calls")) lines += c == '\n' ? 1 : 0;
    return lines;
  }
};

TEST_CASE("trainings side by side run at once, beside one alone, and go on", "[contention]") {
  Fixture f;
  REQUIRE_THAT(f.Measure(), IsOk());
  CHECK(f.Read("out/contention.csv") == kTwoRepeats);
  // One alone and two at once, twice; four ranks on two cores are two of them.
  CHECK(f.Calls() == 6);
  CHECK_THAT(f.Read("calls"),
             Catch::StartsWith("-n 1 --bind-to none stemma bench train aides --batch-size=4 "
                               "--num-warmup-batches=20 --num-batches-per-iter=1 --num-iters=20"));
  CHECK_THAT(f.told.back(), Catch::Contains("2 trainings side by side: median step 10.000 ms, "
                                            "alone 8.000 ms"));
  REQUIRE_THAT(f.Measure(), IsOk());
  CHECK(f.Calls() == 6);

  f.series.shape.repeats = 3;
  f.Write("fail", "");
  CHECK_THAT(f.Measure(), HasCode(Code::kInternal, "out of memory"));
  CHECK(f.Read("out/contention.csv") == kTwoRepeats);
  fs::remove(f.path + "/fail");
  REQUIRE_THAT(f.Measure(), IsOk());
  CHECK_THAT(f.Read("out/contention.csv"), Catch::EndsWith("2,2,0.008,0.01\n"));
}

TEST_CASE("where trainings side by side say nothing none is started", "[contention]") {
  Fixture f;
  f.series.threads = 2;  // one rank has both cores
  CHECK_THAT(f.Measure(), IsOk());
  f.series.threads = 1;
  f.series.shape.mode = "strong";
  CHECK_THAT(f.Measure(), IsOk());
  f.series.shape.mode = "weak";
  CHECK(f.told.empty());
  f.series.machine.on_gpu = true;
  CHECK_THAT(f.Measure(), IsOk());
  f.series.machine.on_gpu = false;
  f.series.launcher.kind = Launcher::Kind::kSrun;
  CHECK_THAT(f.Measure(), IsOk());
  REQUIRE(f.told.size() == 2);
  CHECK_THAT(f.told[0], Catch::Contains("not measured on GPUs"));
  CHECK_THAT(f.told[1], Catch::Contains("--launcher=mpirun"));
  CHECK(f.Calls() == 0);
}

TEST_CASE("the factor is the median of neighbours, and the file is checked", "[contention]") {
  // A machine of half the speed in the second repeat changes nothing.
  const Contention contention({{2, 0, 1, 1.2}, {2, 1, 2, 2.6}, {2, 2, 1, 2}, {4, 0, 1, 3}});
  CHECK(contention.FactorOf(2).value() == Approx(1.3));
  CHECK(contention.FactorOf(4).value() == Approx(3));
  CHECK(contention.FactorOf(1).value() == 1);
  CHECK_FALSE(contention.FactorOf(3));
  CHECK(TrainingsAtOnce(1, 1, 1, 8) == 1);
  CHECK(TrainingsAtOnce(2, 1, 1, 8) == 2);
  CHECK(TrainingsAtOnce(4, 1, 1, 2) == 2);
  CHECK(TrainingsAtOnce(8, 2, 1, 16) == 4);
  CHECK(TrainingsAtOnce(2, 1, 2, 2) == 1);

  Fixture f;
  const Result<Contention> none = ReadContention(f.path);
  REQUIRE_THAT(none.status(), IsOk());
  CHECK(none->factors().empty());
  f.Write("contention.csv", "together,alone_s\n");
  CHECK_THAT(ReadContention(f.path).status(), HasCode(Code::kCorruption, "contention.csv:1"));
  for (const char* line : {"2,1,0.008", "2,1,0.008,0", "1,0,0.008,0.01", "2,0,0.008,0.01,3", ""}) {
    f.Write("contention.csv", std::string(kTwoRepeats) + line + "\n");
    INFO(line);
    CHECK_THAT(ReadContention(f.path).status(), HasCode(Code::kCorruption, "contention.csv:4"));
  }
}

TEST_CASE("a prediction computes as much longer as trainings side by side", "[contention][own]") {
  Fixture f;
  const Result<SeriesEnd> end = RunSeries(f.series, [](const std::string&) {});
  REQUIRE_THAT(end.status(), IsOk());
  for (const int ranks : {2, 4}) {
    f.Write("out/all_reduce-r" + std::to_string(ranks) + ".csv",
            "op,bytes,calls,median_us,p95_us\nall_reduce,4,9,10,1\nall_reduce,1000000000,9,10,1\n");
  }
  const double calls = 1e-5 * static_cast<double>(f.workload.buckets.size());
  const Result<OwnValidation> old = ValidateOwn(f.series.folder);
  REQUIRE_THAT(old.status(), IsOk());
  CHECK_FALSE(old->rows.at(0).contention);
  CHECK(old->rows[0].predicted_s == Approx(0.008 + calls));
  CHECK_THAT(OwnText(*old), Catch::Contains("not measured: 2 trainings side by side; computing is "
                                            "taken to be as fast as alone"));
  CHECK_THAT(OwnJson(*old), Catch::Contains("\"contention\":null"));

  f.Write("out/contention.csv", kTwoRepeats);
  const Result<OwnValidation> own = ValidateOwn(f.series.folder);
  REQUIRE_THAT(own.status(), IsOk());
  CHECK(own->rows.at(0).contention.value() == Approx(1.25));
  CHECK(own->rows[0].predicted_s == Approx(0.010 + calls));
  CHECK(own->rows.at(1).predicted_s == Approx(0.020 + calls));  // 4 ranks on 2 cores
  CHECK_THAT(OwnText(*own), Catch::Contains("measured: 2 trainings side by side without "
                                            "communication, a step takes 1.25 times"));
  CHECK_THAT(OwnJson(*own), Catch::Contains("\"side_by_side\":2,\"contention\":1.25"));
}

}  // namespace
}  // namespace stemma::scale
