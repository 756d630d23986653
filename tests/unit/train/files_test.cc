#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error_report.h"
#include "models/train/metrics.h"
#include "models/train/progress.h"
#include "models/train/run_folder.h"
#include "models/train/settings.h"
#include "models/train/signals.h"
#include "models/train/stored_settings.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using tests::HasCode;
using tests::IsOk;

std::string Scratch(const std::string& name) {
  const char* base = std::getenv("TEST_TMPDIR");
  const std::string dir = std::string(base == nullptr ? "." : base) + "/" + name;
  std::filesystem::remove_all(dir);
  return dir;
}

std::string Contents(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST_CASE("a metric survives a round trip through text with all its bits", "[metrics]") {
  const double third = 1.0 / 3, tiny = 4.9e-324;
  CHECK(MetricLine({{"step", 12}, {"loss", 0.1}}) == "{\"step\":12,\"loss\":0.10000000000000001}");
  CHECK(std::strtod(MetricLine({{"x", third}}).substr(5).c_str(), nullptr) == third);
  CHECK(std::strtod(MetricLine({{"x", tiny}}).substr(5).c_str(), nullptr) == tiny);
}

TEST_CASE("what is not finite is no number in JSON and is named", "[metrics]") {
  CHECK(MetricLine({{"step", 3}, {"loss", NAN}, {"lr", INFINITY}}) ==
        "{\"step\":3,\"loss\":null,\"lr\":null,\"nonfinite\":[\"loss\",\"lr\"]}");
}

TEST_CASE("steps of an incarnation that was left behind are not read twice", "[metrics]") {
  const std::string dir = Scratch("metrics");
  std::filesystem::create_directories(dir);
  const std::string path = dir + "/metrics.jsonl";
  {
    MetricsFile first;
    REQUIRE_THAT(first.Open(path), IsOk());
    for (int step = 1; step <= 5; ++step) {
      CHECK_THAT(first.Row({{"step", step}, {"loss", 10.0 * step}}), IsOk());
      CHECK_THAT(first.SyncBehind(), IsOk());
    }
    CHECK_THAT(first.Sync(), IsOk());
  }
  { std::ofstream(path, std::ios::app) << "{\"step\":6,\"lo"; }  // killed in the middle of a line
  MetricsFile second;
  REQUIRE_THAT(second.Open(path), IsOk());
  CHECK_THAT(second.Event("continue", {}, {{"inc", 2}, {"from_step", 3}}), IsOk());
  CHECK_THAT(second.Row({{"step", 4}, {"loss", -4}}), IsOk());
  const auto steps = ReadMetrics(path);
  REQUIRE_THAT(steps.status(), IsOk());
  CHECK(steps->size() == 4);
  CHECK(steps->at(3).at("loss") == 30);
  CHECK(steps->at(4).at("loss") == -4);
  CHECK_THAT(second.Event("fork", {{"parent", "p"}}, {{"from_step", 2}}), IsOk());  // died early
  { std::ofstream(path, std::ios::app) << "{\"event\":7}\n"; }
  CHECK(ReadMetrics(path)->size() == 2);
  CHECK_THAT(ReadMetrics(dir + "/absent").status(), HasCode(Code::kNotFound, "absent"));
}

TEST_CASE("a sync of metrics that fails behind the loop is told later", "[metrics]") {
  MetricsFile file;
  REQUIRE_THAT(file.Open("/dev/null"), IsOk());  // takes lines, cannot be synced
  CHECK_THAT(file.Row({{"step", 1}}), IsOk());
  Status told = file.SyncBehind();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (told.ok() && std::chrono::steady_clock::now() < patience) told = file.SyncBehind();
  CHECK_THAT(told, HasCode(Code::kIo, "fdatasync /dev/null"));
  CHECK_THAT(file.Sync(), HasCode(Code::kIo, "fdatasync /dev/null"));
}

TEST_CASE("the length of a run is a number with a unit", "[settings]") {
  TrainSection train;
  train.global_batch = 32;
  const auto steps = [&](const char* length) {
    train.length = length;
    return TotalSteps(train, 100);
  };
  CHECK(*steps("400step") == 400);
  CHECK(*steps("2ep") == 6);  // an epoch is 3 whole batches of 100 samples
  CHECK(*steps("33samples") == 2);
  train.last_batch = "short";
  CHECK(*steps("2ep") == 8);  // 32, 32, 32, 4
  CHECK(*steps("33samples") == 2);
  CHECK(*steps("100samples") == 4);
  CHECK(*steps("101samples") == 5);
  train.last_batch = "drop";
  CHECK_THAT(steps("400").status(), HasCode(Code::kInvalidArgument, "is no unit"));
  CHECK_THAT(steps("ep").status(), HasCode(Code::kInvalidArgument, "no number"));
  CHECK_THAT(steps("-3ep").status(), HasCode(Code::kInvalidArgument, "positive"));
  CHECK_THAT(steps("2.5step").status(), HasCode(Code::kInvalidArgument, "whole number"));
  train.global_batch = 4;
  CHECK(*steps("2.2ep") == 55);  // 2.2 * 25 is more than 55 in doubles
  CHECK(*steps("2.21ep") == 56);
}

TEST_CASE("every setting is listed once, and the resolved text is a recipe", "[settings]") {
  RunSettings settings;
  SettingsList list = FieldsOf(settings);
  REQUIRE_THAT(list.Set("run.name=r"), IsOk());
  REQUIRE_THAT(list.Set("optim.lr=0.1"), IsOk());
  RunSettings again;
  SettingsList other = FieldsOf(again);
  REQUIRE_THAT(other.ReadText(list.ToToml(), "saved"), IsOk());
  CHECK(other.ToToml() == list.ToToml());
  CHECK(again.optim.lr == 0.1);
  CHECK_THAT(list.Set("optim.learning_rate=1"), HasCode(Code::kInvalidArgument, "optim.l"));
  CHECK_THAT(list.Set("train.global_batch=0"), HasCode(Code::kInvalidArgument, "global_batch"));
}

TEST_CASE("a run stores no section of another workload, and what is absent is the default",
          "[settings]") {
  RunSettings settings;
  SettingsList list = FieldsOf(settings);
  const std::string aigw = ResolvedSettings(list);
  CHECK(aigw.find("aigw.dt = ") != std::string::npos);
  CHECK(aigw.find("train.seed = ") != std::string::npos);
  for (const char* other : {"aides.", "images.", "resnet50.", "vgg16."}) {
    CHECK(("\n" + aigw).find("\n" + std::string(other)) == std::string::npos);
  }
  REQUIRE_THAT(list.Set("run.workload=resnet50"), IsOk());
  const std::string resnet = ResolvedSettings(list);
  CHECK(resnet.find("images.size = ") != std::string::npos);
  CHECK(resnet.find("aigw.dt = ") == std::string::npos);
  CHECK(resnet.find("vgg16.") == std::string::npos);
  REQUIRE_THAT(list.Set("run.workload=vgg16"), IsOk());
  const std::string vgg = ResolvedSettings(list);
  CHECK(vgg.find("images.size = ") != std::string::npos);
  CHECK(vgg.find("vgg16.dropout = 0.5") != std::string::npos);
  CHECK(vgg.find("resnet50.") == std::string::npos);

  // An older program did not know train.order, and its successor may know more than this one.
  const auto changes =
      SettingChanges("train.seed = 1\n", "train.order = \"full\"\ntrain.seed = 2\n");
  REQUIRE_THAT(changes.status(), IsOk());
  REQUIRE(changes->size() == 1);
  CHECK(changes->front().key == "train.seed");
  const auto unknown = SettingChanges("", "train.new_thing = 1\n");
  REQUIRE_THAT(unknown.status(), IsOk());
  REQUIRE(unknown->size() == 1);
  CHECK(unknown->front().from.empty());
}

TEST_CASE("the run folder is refused where nothing can be written", "[folder]") {
  const std::string dir = Scratch("folder");
  std::filesystem::create_directories(dir);
  { std::ofstream(dir + "/file") << "x"; }
  CHECK_THAT(RunFolder::Open(dir + "/file/run").status(), HasCode(Code::kIo, "--dir=DIR"));
}

TEST_CASE("STOP stays until a person removes it; SAVE is taken once", "[folder]") {
  auto folder = RunFolder::Open(Scratch("signs"));
  REQUIRE_THAT(folder.status(), IsOk());
  CHECK_FALSE(folder->StopAsked());
  CHECK_FALSE(folder->TakeSave());
  { std::ofstream(folder->File("STOP")); }
  { std::ofstream(folder->File("SAVE")); }
  CHECK(folder->StopAsked());
  CHECK(folder->StopAsked());
  CHECK(folder->TakeSave());
  CHECK_FALSE(folder->TakeSave());
}

TEST_CASE("a file TRACE overrides the setting", "[folder]") {
  auto folder = RunFolder::Open(Scratch("trace"));
  REQUIRE_THAT(folder.status(), IsOk());
  CHECK(folder->TraceAsked(true));
  CHECK_FALSE(folder->TraceAsked(false));
  { std::ofstream(folder->File("TRACE")); }
  CHECK(folder->TraceAsked(false));
  { std::ofstream(folder->File("TRACE")) << "off\n"; }
  CHECK_FALSE(folder->TraceAsked(true));
}

TEST_CASE("the first error report wins, later ranks write their own", "[folder]") {
  const std::string dir = Scratch("errors");
  auto folder = RunFolder::Open(dir);
  REQUIRE_THAT(folder.status(), IsOk());
  REQUIRE_THAT(folder->EnterIncarnation(2), IsOk());
  ErrorReport report;
  report.rank = 1;
  report.cause = "no space left on \"/scratch\"";
  CHECK(WriteErrorReport(IncarnationFolder(dir, 2), report));
  report.rank = 0;
  report.host = "n6";
  CHECK_FALSE(WriteErrorReport(IncarnationFolder(dir, 2), report));
  const std::string first = Contents(dir + "/inc-0002/error.json");
  CHECK(first.find("no space left on \\\"/scratch\\\"") != std::string::npos);
  CHECK(first.find("\"rank\": 1") != std::string::npos);
  CHECK(Contents(dir + "/inc-0002/error.rank-0.json").find("n6") != std::string::npos);
}

TEST_CASE("beyond 512 ranks one rank a node keeps a log", "[folder]") {
  CHECK(RankLogPath("d", 3, 7, 512, 7) == "d/inc-0003/logs/rank-7.log");
  CHECK(RankLogPath("d", 3, 7, 513, 7).empty());
  CHECK(RankLogPath("d", 3, 8, 513, 0) == "d/inc-0003/logs/rank-8.log");
  CHECK(RankLogPath("d", 3, 0, 513, 1) == "d/inc-0003/logs/rank-0.log");
}

TEST_CASE("a second SIGTERM is no order to leave: schedulers send two", "[signals]") {
  InstallSignalHandlers();
  ResetSignals();
  CHECK_FALSE(TakeSignalWishes().stop);
  raise(SIGUSR2);
  CHECK(TakeSignalWishes().capture);
  CHECK_FALSE(TakeSignalWishes().capture);
  raise(SIGTERM);
  raise(SIGTERM);
  const SignalWishes wishes = TakeSignalWishes();
  CHECK(wishes.stop);
  CHECK(wishes.name == "SIGTERM");
  ResetSignals();
}

TEST_CASE("a progress line says where, how well and how long", "[progress]") {
  const ProgressNumbers numbers{1200, 14076, 7.67, 2.914, 1.6, 0.8, 1523, 0.01, 0.04, 0.001};
  CHECK(ProgressLine(numbers, 19 * 3600 + 12 * 60) ==
        "step 1200/14076  ep 7.67  loss 2.914  lr 1.6  1523 samples/s  data 1%  comm 4%  "
        "save 0.1%  eta 19h12m");
}

}  // namespace
}  // namespace stemma::models
