#include "models/resnet50/workload.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>
#include <memory>

#include "core/cohort.h"
#include "models/data/loader.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

Result<std::unique_ptr<ResNet50Workload>> Make(const ResNet50Settings& settings,
                                               const std::string& train, int64_t size = 32,
                                               const std::string& device = "cpu") {
  ImageDataSettings images;
  images.train = train;
  images.validation = train;
  images.size = size;
  SoloCohort alone;
  return ResNet50Workload::Make(settings, images, 1, device, lineage::PosixStorage(), alone);
}

Batch FirstBatch(const Workload& workload, int64_t rows) {
  LoaderSettings settings;
  settings.global_batch = rows;
  auto loader = Loader::Start(workload.TrainData(), settings, {}, {1, 0, 0});
  REQUIRE_THAT(loader.status(), IsOk());
  auto batch = (*loader)->Next();
  REQUIRE_THAT(batch.status(), IsOk());
  return *std::move(batch);
}

at::Tensor Parameter(Workload& workload, const std::string& name) {
  for (const ops::Parameter& p : workload.Parameters()) {
    if (p.name == name) return p.tensor;
  }
  FAIL("no parameter " << name);
  return {};
}

// From here on the logits of any image are ln 1, ln 2, ..., ln K: class k has the probability
// (k + 1) / (1 + ... + K).
void FixLogits(Workload& workload) {
  const at::NoGradGuard no_grad;
  Parameter(workload, "fc.weight").zero_();
  at::Tensor bias = Parameter(workload, "fc.bias");
  for (int64_t k = 0; k < bias.size(0); ++k) bias[k] = std::log(static_cast<double>(k + 1));
}

Batch WithLabels(Batch batch, const std::vector<float>& labels) {
  batch.y = at::tensor(labels).unsqueeze(1);
  return batch;
}

TEST_CASE("resnet50 workload: losses and counts are those of known logits, row by labelled row") {
  ResNet50Settings settings;
  settings.label_smoothing = .25;
  auto made = Make(settings, "synthetic:8x16");
  REQUIRE_THAT(made.status(), IsOk());
  ResNet50Workload& workload = **made;
  CHECK(workload.name() == "resnet50");
  CHECK(workload.classes() == 8);
  CHECK(workload.Parameters().size() == 161);
  CHECK(workload.Buffers().size() == 159);
  FixLogits(workload);
  const Batch batch = WithLabels(FirstBatch(workload, 4), {7, 0, -1, 3});

  // -ln p_k = ln 36 - ln (k + 1), on average over the classes ln 36 - ln 8! / 8.
  const double plain = 3 * std::log(36) - std::log(8 * 1 * 4);
  const double uniform = std::log(36) - std::lgamma(9) / 8;
  LossParts parts;
  at::Tensor loss = workload.Loss(batch, &parts);
  CHECK(loss.item<double>() == Approx(.75 * plain + .25 * 3 * uniform).epsilon(1e-5));
  REQUIRE(parts.size() == 1);
  CHECK(parts[0] == std::pair<std::string, double>("top1", 1));
  loss.backward();
  const at::Tensor gradient = Parameter(workload, "fc.bias").grad();
  for (int64_t k = 0; k < 8; ++k) {
    const double hits = k == 7 || k == 0 || k == 3 ? 1 : 0;
    const double want = 3. * static_cast<double>(k + 1) / 36 - .75 * hits - .25 * 3 / 8;
    CHECK(gradient[k].item<double>() == Approx(want).margin(1e-5));
  }

  workload.SetTraining(false);
  const at::NoGradGuard no_grad;
  const Evaluated sums = workload.Evaluate(batch);
  CHECK(sums.rows == 3);
  REQUIRE(sums.sums.size() == 3);
  CHECK(sums.sums[0].first == "loss");
  CHECK(sums.sums[0].second == Approx(plain).epsilon(1e-5));
  CHECK(sums.sums[1] == std::pair<std::string, double>("top1", 1));
  CHECK(sums.sums[2] == std::pair<std::string, double>("top5", 2));  // classes 7 and 3
  Batch none = batch;
  none.x = batch.x.narrow(0, 0, 0);
  none.y = batch.y.narrow(0, 0, 0);
  const Evaluated nothing = workload.Evaluate(none);
  CHECK(nothing.rows == 0);
  REQUIRE(nothing.sums.size() == 3);
  CHECK(nothing.sums[2] == std::pair<std::string, double>("top5", 0));
}

TEST_CASE("resnet50 workload: activations with the channels last give the same loss") {
  ResNet50Settings plain, last;
  last.channels_last = true;
  plain.classes = last.classes = 10;
  double losses[2] = {};
  for (const bool in_order : {true, false}) {
    auto made = Make(in_order ? plain : last, "synthetic:3x16");
    REQUIRE_THAT(made.status(), IsOk());
    CHECK((*made)->classes() == 10);
    for (const ops::Parameter& p : (*made)->Parameters()) REQUIRE(p.tensor.is_contiguous());
    losses[in_order ? 0 : 1] = (*made)->Loss(FirstBatch(**made, 4), nullptr).item<double>();
  }
  CHECK(losses[0] == Approx(losses[1]).epsilon(1e-3));
}

TEST_CASE("top-k: equal logits go to the lower class, rows without a label to none") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor logits =
      at::tensor({1., 3., 2., 2., 2., 2., 9., 1., 1., 1., nan, 1.}).reshape({4, 3});
  const auto count = [&](const std::vector<int64_t>& labels, int64_t k) {
    return CountAmongLargest(logits, at::tensor(labels), k);
  };
  // The rows: 1 3 2 | 2 2 2 | 9 1 1 | 1 nan 1.
  CHECK(count({1, 0, 0, 0}, 1) == 4);
  CHECK(count({2, 1, 1, 1}, 1) == 0);
  CHECK(count({2, 1, 1, 1}, 2) == 3);
  CHECK(count({0, 2, 2, 2}, 2) == 1);  // the last row's 1 stands behind one equal logit
  CHECK(count({0, 2, 2, 2}, 3) == 4);
  CHECK(count({kIgnoredLabel, 0, kIgnoredLabel, 0}, 3) == 2);
}

TEST_CASE("resnet50 workload: what it cannot be made of is said") {
  CHECK_THAT(Make({}, "synthetic:8x16", 31).status(),
             HasCode(Code::kInvalidArgument, "images.size = 31"));
  CHECK_THAT(Make({}, "synthetic:8x16", 32, "tpu").status(),
             HasCode(Code::kInvalidArgument, "cpu or cuda"));
  CHECK_THAT(Make({}, "").status(), HasCode(Code::kInvalidArgument, "images.train is empty"));
  if (!at::hasCUDA()) {
    CHECK_THAT(Make({}, "synthetic:8x16", 32, "cuda").status(),
               HasCode(Code::kInvalidArgument, "no GPU"));
  }
}

}  // namespace
}  // namespace stemma::models
