#include "tools/scale/simulate.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tools/scale/calibration.h"
#include "tools/scale/efficiency.h"
#include "tools/scale/published.h"
#include "tools/scale/report.h"
#include "tools/scale/validate.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {
using tests::HasCode;
using tests::IsOk;

constexpr Sampling kFew{7, 20, 2};

std::string FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// --- a step

System Summit() { return *FindSystem("summit"); }
Workload Aigw() { return *MakeWorkload("aigw", {}); }

// Every constant exactly known: no draw changes anything but jitter.
System Sharp(System system, double jitter) {
  for (const auto& [name, constant] : system.Constants("aigw")) {
    constant->low = constant->high = constant->value;
  }
  for (Constant* c : {&system.jitter_normal, &system.jitter_exponential}) {
    c->value = c->low = c->high = jitter;
  }
  return system;
}

Scenario Ranks(int ranks) {
  Scenario scenario;
  scenario.ranks = ranks;
  return scenario;
}

double ExpectedSeconds(const System& system, const Workload& workload, const Scenario& scenario) {
  const Result<Breakdown> step = ExpectedStep(system, workload, scenario, Tail::kNormal);
  REQUIRE_THAT(step.status(), IsOk());
  return step->Sum();
}

TEST_CASE("one rank takes the measured step", "[simulate]") {
  const Result<Prediction> p = Simulate(Sharp(Summit(), 0), Aigw(), Ranks(1), kFew);
  REQUIRE_THAT(p.status(), IsOk());
  CHECK(p->step_s.p50 == Approx(2 * 18.1e-3));
  CHECK(p->step_s.p10 == p->step_s.p90);
  CHECK(p->mean.exposed_calls == 0);
}

TEST_CASE("without jitter, latency and finite bandwidth scaling is ideal", "[simulate]") {
  System system = Sharp(Summit(), 0);
  NcclConstants free = *system.nccl;
  for (PerProtocol* p : {&free.base_ring, &free.base_tree, &free.nvlink_ring, &free.nvlink_tree,
                         &free.network_ring, &free.network_tree}) {
    *p = {0, 0, 0};
  }
  free.post_overhead = 0;
  system.nccl = std::make_shared<const NcclConstants>(free);
  for (Constant* c : {&system.intra_bus_gb_s, &system.network_bus_gb_s}) {
    c->value = c->low = c->high = 1e15;
  }
  system.control_us.value = system.control_us.low = system.control_us.high = 0;
  const Result<Prediction> one = Simulate(system, Aigw(), Ranks(1), kFew);
  const Result<Prediction> many = Simulate(system, Aigw(), Ranks(6144), kFew);
  REQUIRE_THAT(many.status(), IsOk());
  CHECK(EfficiencyPercent(*one, *many) == Approx(100));
}

TEST_CASE("the parts are the whole, and the simulation is what is expected of it", "[simulate]") {
  const System system = Sharp(Summit(), 0.05);
  for (const int ranks : {2, 48, 768}) {
    const Result<Prediction> p = Simulate(system, Aigw(), Ranks(ranks), {3, 200, 2});
    REQUIRE_THAT(p.status(), IsOk());
    const Result<Breakdown> normal = ExpectedStep(system, Aigw(), Ranks(ranks), Tail::kNormal);
    const Result<Breakdown> tail = ExpectedStep(system, Aigw(), Ranks(ranks), Tail::kExponential);
    CHECK(p->mean.Sum() == Approx(0.5 * (normal->Sum() + tail->Sum())).epsilon(0.01));
    CHECK(p->mean.straggler > 0);
    CHECK(p->step_s.p10 <= p->mean.Sum());
    CHECK(p->step_s.p90 >= p->mean.Sum());
    double percent = 0;
    for (const Share& share : p->shares) percent += share.percent;
    CHECK(percent == Approx(100));
  }
}

TEST_CASE("equal seeds give equal results on any number of threads", "[simulate]") {
  const auto csv = [](uint64_t seed, int threads) {
    return PredictionCsv({*Simulate(Summit(), Aigw(), Ranks(96), {seed, 20, threads})});
  };
  CHECK(csv(5, 1) == csv(5, 3));
  CHECK(csv(5, 1) != csv(6, 1));
}

TEST_CASE("a step never becomes shorter by what slows it", "[simulate]") {
  const System system = Sharp(Summit(), 0.03);
  double before = 0;
  for (int ranks = 1; ranks <= 24576; ranks *= ranks < 6 ? 6 : 2) {
    const double seconds = ExpectedSeconds(system, Aigw(), Ranks(ranks));
    CHECK(seconds >= before);
    before = seconds;
  }
  const double normal = ExpectedSeconds(system, Aigw(), Ranks(768));
  CHECK(ExpectedSeconds(Sharp(Summit(), 0.06), Aigw(), Ranks(768)) > normal);
  Workload larger = Aigw();
  for (Bucket& bucket : larger.buckets) bucket.bytes *= 8;
  CHECK(ExpectedSeconds(system, larger, Ranks(768)) > normal);
  System slower = system;
  slower.network_bus_gb_s.value /= 10;
  CHECK(ExpectedSeconds(slower, Aigw(), Ranks(768)) > normal);
  NcclConstants far = *system.nccl;
  for (double& us : far.network_tree) us *= 100;
  for (double& us : far.network_ring) us *= 100;
  slower = system;
  slower.nccl = std::make_shared<const NcclConstants>(far);
  CHECK(ExpectedSeconds(slower, Aigw(), Ranks(768)) > normal);
  slower = system;
  slower.slow_node_share.value = 0.1;
  CHECK(ExpectedSeconds(slower, Aigw(), Ranks(768)) > normal);
  Scenario apart = Ranks(768);
  apart.overlap = false;
  CHECK(ExpectedSeconds(system, Aigw(), apart) > normal);
}

TEST_CASE("input, captures and sharding take part in the step", "[simulate]") {
  System hal = *FindSystem("hal");
  const Workload resnet = *MakeWorkload("resnet50", {}, 2);
  Scenario shared = Ranks(64), local = Ranks(64);
  local.staging = Staging::kLocal;
  CHECK(ExpectedSeconds(hal, resnet, shared) > ExpectedSeconds(hal, resnet, local));
  hal.storage_cap_gb_s = {1, 1, 1, Provenance::kAssumed, "test: 64 ranks need more"};
  const Result<Prediction> starved = Simulate(hal, resnet, shared, kFew);
  REQUIRE_THAT(starved.status(), IsOk());
  CHECK(starved->first_epoch_input_gb_s < 1);  // the storage's rate is the training's
  CHECK(starved->mean.input > starved->mean.compute);
  Scenario captures = Ranks(64);
  captures.capture_every = 10;
  const Result<Prediction> p = Simulate(*FindSystem("hal"), resnet, captures, kFew);
  REQUIRE_THAT(p.status(), IsOk());
  CHECK(p->mean.capture > 0);
  CHECK(p->capture_gb_s == Approx(25557032 * 12 / 1e9 / 10 / p->step_s.p50));
  Scenario sharded = Ranks(64);
  sharded.sharded = true;
  CHECK(std::isfinite(ExpectedSeconds(hal, resnet, sharded)));
}

TEST_CASE("what cannot be predicted is refused or flagged", "[simulate]") {
  const auto refused = [](const Scenario& scenario, const Sampling& sampling) {
    return Simulate(Summit(), Aigw(), scenario, sampling).status();
  };
  CHECK_THAT(refused(Ranks(0), kFew), HasCode(Code::kInvalidArgument, "ranks"));
  CHECK_THAT(refused(Ranks(2), {1, 1, 1}), HasCode(Code::kInvalidArgument, "draws"));
  CHECK_THAT(refused(Ranks(2), {1, 20, 0}), HasCode(Code::kInvalidArgument, "threads"));
  Scenario endless = Ranks(2);
  endless.epochs = NAN;
  CHECK_THAT(refused(endless, kFew), HasCode(Code::kInvalidArgument, "epochs"));
  Scenario halving = Ranks(48);
  halving.algorithm = Algorithm::kHalving;
  CHECK_THAT(refused(halving, kFew), HasCode(Code::kInvalidArgument, "power of two"));
  System none = Summit();
  none.times.clear();
  CHECK_THAT(Simulate(none, Aigw(), Ranks(2), kFew).status(),
             HasCode(Code::kNotFound, "no compute times of aigw"));
  const Workload resnet = *MakeWorkload("resnet50", {});
  const Result<Prediction> p = Simulate(*FindSystem("hal"), resnet, Ranks(2), kFew);
  REQUIRE_THAT(p.status(), IsOk());
  CHECK(p->epochs == 0);
  CHECK_THAT(p->flags.at(0), Catch::Contains("time to accuracy refused"));
  const Result<Prediction> far = Simulate(*FindSystem("hal"), Aigw(), Ranks(260), kFew);
  CHECK_THAT(far->flags.at(0), Catch::Contains("extrapolated"));
}

// --- calibration

TEST_CASE("a measured step replaces the machine's", "[calibration]") {
  const std::string line =
      R"({"model":"aigw","ranks":1,"batch":%B,"engine":{"step_ms":%M,"step_p95_ms":%P}})";
  const auto with = [&](int batch, double ms) {
    std::string text = line;
    text.replace(text.find("%B"), 2, std::to_string(batch));
    text.replace(text.find("%M"), 2, std::to_string(ms));
    text.replace(text.find("%P"), 2, std::to_string(1.1 * ms));
    return text + "\n";
  };
  const auto c = ParseCalibration(with(2, 14) + "\n" + with(4, 24), "calib.jsonl", "aigw");
  REQUIRE_THAT(c.status(), IsOk());
  CHECK(c->times.fixed_ms.value == Approx(4));
  CHECK(c->times.per_sample_ms.value == Approx(5));
  CHECK(c->jitter_normal.value == Approx(0.1 / 1.644854));
  CHECK(c->times.per_sample_ms.provenance == Provenance::kMeasured);
  const System system = Sharp(WithCalibration(Summit(), *c), 0);
  CHECK(ExpectedSeconds(system, Aigw(), Ranks(1)) == Approx(14e-3));
  struct Bad {
    std::string text;
    const char* said;
  };
  for (const Bad& bad :
       {Bad{"", "empty"}, Bad{"[]", ":1: not a JSON object"}, Bad{"{", ":1: not a JSON object"},
        Bad{R"({"model":"mlp"})", "a step of 'mlp'"},
        Bad{R"({"model":"aigw","ranks":1})", "'batch' and 'ranks'"},
        Bad{R"({"model":"aigw","ranks":2,"batch":1,"engine":{}})", "add --no-comm"},
        Bad{R"({"model":"aigw","ranks":1,"batch":1,"engine":{"step_ms":-1}})", "above 0"}}) {
    CHECK_THAT(ParseCalibration(bad.text, "calib.jsonl", "aigw").status(),
               HasCode(Code::kInvalidArgument, bad.said));
  }
}

// --- validation

TEST_CASE("efficiency of the HAL benchmark, by throughput and by time", "[efficiency]") {
  std::vector<MeasuredRun> runs;
  for (const HalRun& run : HalFebruary()) {
    runs.insert(runs.begin(), {run.gpus, run.images_per_s, run.train_s});
  }
  const std::vector<Efficiency> all = EfficienciesOf(runs);
  struct Expected {
    size_t at;
    double throughput, time;
  };
  for (const Expected& e : {Expected{0, 1, 1}, Expected{3, 0.891, 0.846}, Expected{4, 0.770, 0.697},
                            Expected{5, 0.653, 0.570}}) {
    CHECK(all[e.at].throughput == Approx(e.throughput).margin(5e-4));
    CHECK(all[e.at].time == Approx(e.time).margin(5e-4));
  }
  CHECK(LargestAbove(all, 0.75, &Efficiency::throughput) == 32);
  CHECK(LargestAbove(all, 0.75, &Efficiency::time) == 16);
  CHECK(LargestAbove({}, 0.75, &Efficiency::time) == 0);
  CHECK(HalFebruary()[5].OtherSeconds() == Approx(6.5).margin(0.05));
}

TEST_CASE("the validation's table is the stored one, and its held-out points are within a tenth",
          "[validate]") {
  const Result<Validation> v = Validate({1, 20, 2});
  REQUIRE_THAT(v.status(), IsOk());
  // Written by `stemma scale validate --draws=20 --csv=tests/golden/data/scale_validation.csv`.
  CHECK(ValidationCsv(*v) == FileText("tests/golden/data/scale_validation.csv"));
  for (const Target& target : v->targets) {
    INFO(target.what);
    if (target.what.find("Fig 1") != std::string::npos) CHECK(target.met());
    const std::string about = target.what.substr(0, target.what.find(' ')) + ": ";
    const bool explained =
        std::any_of(v->missing.begin(), v->missing.end(),
                    [&about](const std::string& what) { return what.rfind(about, 0) == 0; });
    CHECK((target.met() || explained));  // a missed one says which data it would need
  }
  // Half of a set's points are fitted at most, and what predicts with HAL's file was fitted there.
  int fitted = 0, all = 0;
  for (const Row& row : v->rows) {
    if (row.set != "Fig 1, HAL ResNet-50") continue;
    ++all;
    fitted += row.fitted ? 1 : 0;
  }
  CHECK(2 * fitted <= all);
  const System hal = *FindSystem("hal");
  const ResNetFit& fit = v->fits.at(0).fit;
  CHECK(hal.TimesOf("resnet50")->per_sample_ms.value ==
        Approx(fit.per_sample_ms.value).epsilon(0.01));
  CHECK(hal.jitter_normal.value == Approx(fit.jitter_normal.value).epsilon(0.01));
  CHECK(hal.jitter_exponential.value == Approx(fit.jitter_exponential.value).epsilon(0.01));
  CHECK(hal.wait_us.value == Approx(fit.wait_us.value).epsilon(0.01));
  CHECK(hal.TimesOf("resnet50")->validation_s.value ==
        Approx(fit.validation_s.value).epsilon(0.01));
  CHECK(hal.TimesOf("resnet50")->epoch_s.value == Approx(fit.epoch_s.value).epsilon(0.01));
}

}  // namespace
}  // namespace stemma::scale
