#include "models/vgg16/workload.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <memory>

#include "core/cohort.h"
#include "models/data/loader.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

Result<std::unique_ptr<Vgg16Workload>> Make(const std::string& train, int64_t size = 32,
                                            bool channels_last = false) {
  ImageDataSettings images;
  images.train = train;
  images.validation = train;
  images.size = size;
  Vgg16Settings settings;
  settings.channels_last = channels_last;
  SoloCohort alone;
  return Vgg16Workload::Make(settings, images, 1, "cpu", lineage::PosixStorage(), alone);
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

TEST_CASE("vgg16 workload: keyed dropout in training alone; the loss is that of known logits") {
  auto made = Make("synthetic:8x16");
  REQUIRE_THAT(made.status(), IsOk());
  Vgg16Workload& workload = **made;
  CHECK(workload.name() == "vgg16");
  CHECK(workload.classes() == 8);
  CHECK(workload.Parameters().size() == 32);
  CHECK(workload.Buffers().empty());
  REQUIRE(workload.ValidationData() != nullptr);
  const Batch batch = FirstBatch(workload, 4);
  {
    const at::NoGradGuard no_grad;
    const auto loss_of = [&](uint64_t seed) {
      at::manual_seed(seed);
      return workload.Loss(batch, nullptr).item<double>();
    };
    workload.SetTraining(true);
    const double loss = loss_of(3);
    CHECK(loss == loss_of(3));
    CHECK(loss != loss_of(4));
    workload.SetTraining(false);
    CHECK(loss_of(3) == loss_of(4));
  }

  // From here on the logits of any image are ln 1, ..., ln 8: class k has (k + 1) / 36.
  {
    const at::NoGradGuard no_grad;
    Parameter(workload, "classifier.6.weight").zero_();
    at::Tensor bias = Parameter(workload, "classifier.6.bias");
    for (int64_t k = 0; k < 8; ++k) bias[k] = std::log(static_cast<double>(k + 1));
  }
  Batch known = batch;
  known.y = at::tensor(std::vector<float>{7, 0, -1, 3}).unsqueeze(1);
  const double plain = 3 * std::log(36) - std::log(8 * 1 * 4);
  workload.SetTraining(true);
  LossParts parts;
  at::Tensor loss = workload.Loss(known, &parts);
  CHECK(loss.item<double>() == Approx(plain).epsilon(1e-5));
  REQUIRE(parts.size() == 1);
  CHECK(parts[0] == std::pair<std::string, double>("top1", 1));
  loss.backward();
  CHECK(Parameter(workload, "classifier.6.weight").grad().abs().sum().item<double>() > 0);
  const at::NoGradGuard no_grad;
  workload.SetTraining(false);
  const Evaluated sums = workload.Evaluate(known);
  CHECK(sums.rows == 3);
  REQUIRE(sums.sums.size() == 3);
  CHECK(sums.sums[0].second == Approx(plain).epsilon(1e-5));
  CHECK(sums.sums[2] == std::pair<std::string, double>("top5", 2));  // classes 7 and 3
}

TEST_CASE("vgg16 workload: activations with the channels last give the same loss") {
  double losses[2] = {};
  for (const bool last : {false, true}) {
    auto made = Make("synthetic:3x16", 32, last);
    REQUIRE_THAT(made.status(), IsOk());
    for (const ops::Parameter& p : (*made)->Parameters()) REQUIRE(p.tensor.is_contiguous());
    (*made)->SetTraining(false);
    const at::NoGradGuard no_grad;
    losses[last ? 1 : 0] = (*made)->Loss(FirstBatch(**made, 4), nullptr).item<double>();
  }
  CHECK(losses[0] == Approx(losses[1]).epsilon(1e-4));
}

TEST_CASE("vgg16 workload: what it cannot be made of is said") {
  CHECK_THAT(Make("synthetic:8x16", 31).status(),
             HasCode(Code::kInvalidArgument, "images.size = 31: VGG-16 needs images of 32"));
  CHECK_THAT(Make("").status(), HasCode(Code::kInvalidArgument, "images.train is empty"));
}

}  // namespace
}  // namespace stemma::models
