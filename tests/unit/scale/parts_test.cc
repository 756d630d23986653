#include "tools/scale/collective.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/scale/model_shapes.h"
#include "tools/scale/statistics.h"
#include "tools/scale/system.h"
#include "tools/scale/workload.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::scale {
namespace {
using tests::HasCode;
using tests::IsOk;

// --- collectives

// SCALING section 6: what NCCL's formulas give without caps and corrections, in ms to four digits
// (latency in us); made by a script of their own.
struct GoldenRow {
  int per_node;
  double network, intra;
  int ranks;
  double latency_ring, latency_tree, small_ring, small_tree, large_ring, large_tree;
};
constexpr GoldenRow kGolden[] = {
    {6, 21, 60, 6, 42.4, 48.4, 1.186289, 1.540429, 2.882122, 3.752386},
    {6, 21, 60, 24, 228.4, 104.4, 3.986892, 4.36734, 9.558916, 10.68722},
    {6, 21, 60, 96, 972.4, 160.4, 4.853452, 4.42334, 10.60717, 10.74322},
    {6, 21, 60, 384, 3948.4, 216.4, 7.860091, 4.47934, 13.65924, 10.79922},
    {6, 21, 60, 1536, 15852.4, 272.4, 19.77175, 4.53534, 25.58225, 10.85522},
    {6, 21, 60, 6144, 63468.4, 328.4, 67.38967, 4.59134, 73.20301, 10.91122},
    {4, 10.5, 60, 4, 28.8, 32.4, 1.0583, 1.524429, 2.58455, 3.736386},
    {4, 10.5, 60, 16, 174, 88.4, 7.527571, 8.61428, 18.42936, 21.25403},
    {4, 10.5, 60, 64, 754.8, 144.4, 8.47605, 8.67028, 19.92292, 21.31003},
    {4, 10.5, 60, 256, 3078, 200.4, 10.89117, 8.72628, 22.47432, 21.36603},
    {4, 10.5, 60, 1024, 12370.8, 256.4, 20.20695, 8.78228, 31.82416, 21.42203},
    {4, 10.5, 60, 4096, 49542, 312.4, 57.38389, 8.83828, 69.00963, 21.47803},
    {8, 360, 370, 8, 56, 64.4, 0.2507703, 0.3063506, 0.5395203, 0.6650463},
    {8, 360, 370, 32, 282.8, 120.4, 0.5044285, 0.3690715, 0.8329962, 0.7377309},
    {8, 360, 370, 128, 1190, 176.4, 1.41699, 0.4250715, 1.753507, 0.7937309},
    {8, 360, 370, 512, 4818.8, 232.4, 5.047131, 0.4810715, 5.385635, 0.8497309},
    {8, 360, 370, 2048, 19334, 288.4, 19.56267, 0.5370715, 19.90167, 0.9057309},
    {8, 360, 370, 8192, 77394.8, 344.4, 77.62355, 0.5930715, 77.96268, 0.9617309},
};

TEST_CASE("ring and tree cost what NCCL's formulas say", "[collective]") {
  const Result<System> summit = FindSystem("summit");
  REQUIRE_THAT(summit.status(), IsOk());
  for (const GoldenRow& row : kGolden) {
    Fabric fabric = summit->MakeFabric();
    fabric.ranks_per_node = row.per_node;
    fabric.intra_bus = row.intra;
    fabric.network_bus = row.network;
    fabric.corrected = false;
    const auto ms = [&](Algorithm algorithm, double bytes) {
      return 1e3 * CollectiveSeconds(fabric, algorithm, Protocol::kSimple, row.ranks, bytes);
    };
    INFO(row.ranks << " ranks, " << row.per_node << " per node");
    CHECK(1e3 * ms(Algorithm::kRing, 0) == Approx(row.latency_ring).epsilon(5e-5));
    CHECK(1e3 * ms(Algorithm::kTree, 0) == Approx(row.latency_tree).epsilon(5e-5));
    CHECK(ms(Algorithm::kRing, 41.18e6) == Approx(row.small_ring).epsilon(5e-5));
    CHECK(ms(Algorithm::kTree, 41.18e6) == Approx(row.small_tree).epsilon(5e-5));
    CHECK(ms(Algorithm::kRing, 102.23e6) == Approx(row.large_ring).epsilon(5e-5));
    CHECK(ms(Algorithm::kTree, 102.23e6) == Approx(row.large_tree).epsilon(5e-5));
  }
}

TEST_CASE("algorithms that do not fit are infinitely slow and never chosen", "[collective]") {
  const Result<System> summit = FindSystem("summit");
  const Result<System> dgx = FindSystem("dgx-h100");
  REQUIRE_THAT(summit.status(), IsOk());
  REQUIRE_THAT(dgx.status(), IsOk());
  const Fabric fabric = summit->MakeFabric(), h100 = dgx->MakeFabric();
  CHECK(std::isinf(Cheapest(fabric, Algorithm::kHalving, 48, 1e6).seconds));
  CHECK(std::isfinite(Cheapest(fabric, Algorithm::kHalving, 64, 1e6).seconds));
  CHECK(std::isinf(Cheapest(fabric, Algorithm::kNvls, 6, 1e6).seconds));
  CHECK(std::isinf(Cheapest(h100, Algorithm::kNvls, 16, 1e6).seconds));
  CHECK(Cheapest(h100, Algorithm::kAuto, 8, 1e9).algorithm == Algorithm::kNvls);
  CHECK(Cheapest(fabric, Algorithm::kAuto, 1, 1e9).seconds == 0);
  for (const int ranks : {2, 6, 48, 6144}) {
    for (const double bytes : {64.0, 1e5, 1e8}) {
      const double best = Cheapest(fabric, Algorithm::kAuto, ranks, bytes).seconds;
      for (const char* name : {"ring", "tree", "hierarchical", "torus"}) {
        CHECK(best <= Cheapest(fabric, *ParseAlgorithm(name), ranks, bytes).seconds);
      }
    }
  }
  CHECK_THAT(ParseAlgorithm("rings").status(), HasCode(Code::kInvalidArgument, "hierarchical"));
}

// --- statistics

TEST_CASE("the largest of N, against tables", "[statistics]") {
  const std::vector<std::pair<int, double>> kNormal = {{1, 0},       {2, 0.5642},   {4, 1.0294},
                                                       {8, 1.4236},  {16, 1.7660},  {32, 2.0697},
                                                       {64, 2.3437}, {1000, 3.2414}};
  for (const auto& [n, expected] : kNormal) {
    CHECK(ExpectedMaximumOfNormals(n) == Approx(expected).margin(6e-5));
  }
  CHECK(ExpectedMaximumOfExponentials(4) == Approx(25.0 / 12));
}

TEST_CASE("a triangle's quantiles and a fit without negative coefficients", "[statistics]") {
  const Constant c{2, 0, 3, Provenance::kAssumed, "test"};
  CHECK(c.At(0) == 0);
  CHECK(c.At(1) == 3);
  CHECK(c.At(2.0 / 3) == Approx(2));  // the top: two thirds of the area lie left of it
  CHECK(Constant{5, 5, 5, Provenance::kAssumed, "test"}.At(0.9) == 5);
  const auto exact = NonNegativeLeastSquares({{1, 1}, {1, 2}, {1, 3}}, {3, 5, 7});
  CHECK(exact[0] == Approx(1));
  CHECK(exact[1] == Approx(2));
  const auto held = NonNegativeLeastSquares({{1, 1}, {1, 2}, {1, 3}}, {7, 5, 3});
  CHECK(held[0] == Approx(5));
  CHECK(held[1] == 0);
}

// --- workloads

std::string FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("shapes are those of the networks", "[workload]") {
  const auto golden = nlohmann::json::parse(FileText("tests/golden/data/resnet50_tensors.json"));
  const ShapedModel resnet = ResNet50Shapes();
  REQUIRE(resnet.parameters.size() == golden["parameters"].size());
  for (size_t i = 0; i < resnet.parameters.size(); ++i) {
    CHECK(resnet.parameters[i].name == golden["parameters"][i][0].get<std::string>());
    CHECK(resnet.parameters[i].shape == golden["parameters"][i][1].get<std::vector<int64_t>>());
  }
  struct Counts {
    ShapedModel (*shapes)();
    size_t tensors;
    int64_t parameters;
    double multiply_adds;
  };
  for (const Counts& c :
       {Counts{ResNet50Shapes, 161, 25557032, 4089184256.0},
        Counts{Vgg16Shapes, 32, 138357544, 15470264320.0},
        Counts{AigwShapes, 272, 10295576, 4.77e9}, Counts{AidesShapes, 160, 23956778, 4.55e9}}) {
    const ShapedModel model = c.shapes();
    int64_t parameters = 0;
    double multiply_adds = 0;
    for (const ops::ParameterInfo& p : model.parameters) parameters += p.count();
    for (const double m : model.multiply_adds) multiply_adds += m;
    CHECK(model.parameters.size() == c.tensors);
    CHECK(parameters == c.parameters);
    CHECK(multiply_adds == Approx(c.multiply_adds).epsilon(2e-3));
  }
}

TEST_CASE("vgg16: nine tenths of the gradients are there in a hundredth of backward",
          "[workload]") {
  const Result<Workload> w = MakeWorkload("vgg16", {});
  REQUIRE_THAT(w.status(), IsOk());
  double early = 0, all = 0;
  for (const Bucket& bucket : w->buckets) {
    all += bucket.bytes;
    if (bucket.ready < 0.01) early += bucket.bytes;
  }
  CHECK(all == Approx(4 * 138357544.0).epsilon(0.01));
  CHECK(early / all > 0.88);
  CHECK(early / all < 0.92);
  for (const std::string& name : SystemNames()) {
    INFO(name);
    const Result<System> system = FindSystem(name);
    REQUIRE_THAT(system.status(), IsOk());
    CHECK(system->TimesOf("vgg16") != nullptr);
  }
}

TEST_CASE("buckets hold all gradients, become ready in order, the last one at the end",
          "[workload]") {
  for (const std::string& name : WorkloadNames()) {
    const Result<Workload> w = MakeWorkload(name, {}, 2);
    REQUIRE_THAT(w.status(), IsOk());
    double bytes = 0, before = 0;
    for (const Bucket& bucket : w->buckets) {
      bytes += bucket.bytes;
      CHECK(bucket.ready >= before);
      before = bucket.ready;
    }
    CHECK(before == Approx(1));
    CHECK(bytes == Approx(2 * w->parameters).epsilon(0.05));  // the rest is padding
    CHECK(bytes >= 2 * w->parameters);
    CHECK(OneBucket(*w).buckets[0].bytes == Approx(bytes));
  }
  CHECK_THAT(MakeWorkload("resnet", {}).status(), HasCode(Code::kNotFound, "resnet50"));
}

TEST_CASE("epochs by batch pass through MLPerf's points and end with them", "[workload]") {
  CHECK(*EpochsAtBatch(1632, false) == 35.0);
  CHECK(*EpochsAtBatch(32768, false) == Approx(56.0));
  CHECK(*EpochsAtBatch(67840, false) == Approx(85.9));
  const double between = *EpochsAtBatch(16384, false);
  CHECK((between > 45.4 && between < 56.0));
  CHECK_FALSE(EpochsAtBatch(1631, false).has_value());
  CHECK_FALSE(EpochsAtBatch(67841, false).has_value());
  CHECK(*EpochsAtBatch(92600, true) == Approx(34.5 * 3));
}

// --- systems

TEST_CASE("a machine's file is read whole or refused by file, key and reason", "[system]") {
  const Result<std::string> text = SystemText("summit");
  REQUIRE_THAT(text.status(), IsOk());
  for (const std::string& name : SystemNames()) CHECK_THAT(FindSystem(name).status(), IsOk());
  CHECK_THAT(FindSystem("sumit").status(), HasCode(Code::kNotFound, "did you mean 'summit'"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = *text;
    const size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    return ReadSystem(changed.replace(at, from.size(), to), "mine.toml").status();
  };
  struct Bad {
    const char *from, *to, *said;
  };
  for (const Bad& bad :
       {Bad{"ranks_per_node = 6", "ranks_per_node = 0", "ranks_per_node: expected a whole number"},
        Bad{"ranks_per_node = 6", "", "'ranks_per_node' is missing"},
        Bad{"channels = {", "chanels = {", "'fabric.channels.value' is missing"},
        Bad{"[run]", "[run]\nstrat_s = 1\n", "unknown"},
        Bad{"value = 21, low = 18", "value = 21, low = 22", "above the value"},
        Bad{"value = 21, low = 18", "value = -21, low = 18", "not negative"},
        Bad{"value = 21, low = 18", "value = \"fast\", low = 18", "expected a number"},
        Bad{"value = 21, low = 18", "value = inf, low = 18", "finite"},
        Bad{"value = 21, low = 18", "value = 21, low = 0", "must be above 0"},
        Bad{"provenance = \"assumed\"", "provenance = \"guessed\"", "is none of: measured"},
        Bad{"generation = \"volta\"", "generation = \"pascal\"", "volta, ampere, hopper"},
        Bad{"nccl = \"nccl-2.29\"", "nccl = \"nccl-2.92\"", "did you mean 'nccl-2.29'"},
        Bad{"[fabric]", "[fabric", "mine.toml:"}}) {
    INFO(bad.to);
    const Status status = with(bad.from, bad.to);
    CHECK_FALSE(status.ok());
    CHECK_THAT(status.message(), Catch::Contains(bad.said));
    CHECK_THAT(status.message(), Catch::Contains("mine.toml"));
  }
}

}  // namespace
}  // namespace stemma::scale
