#include "models/aigw/workload.h"

#include <ATen/ATen.h>

#include <cmath>
#include <memory>

#include "models/data/loader.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

AigwSettings Small() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 10;
  settings.last = 50;
  settings.train_size = 100;
  return settings;
}

std::unique_ptr<Aigw> Made() {
  auto made = Aigw::Make(Small(), 1, "cpu");
  REQUIRE_THAT(made.status(), IsOk());
  return *std::move(made);
}

Batch FirstBatch(const Workload& aigw, int64_t rows) {
  LoaderSettings settings;
  settings.global_batch = rows;
  auto loader = Loader::Start(aigw.TrainData(), settings, {}, {1, 0, 0});
  REQUIRE_THAT(loader.status(), IsOk());
  auto batch = (*loader)->Next();
  REQUIRE_THAT(batch.status(), IsOk());
  return *std::move(batch);
}

TEST_CASE("aigw workload: the loss of a batch is the sum over its parts (no norm over the batch)") {
  const auto aigw = Made();
  aigw->SetTraining(false);
  const Batch batch = FirstBatch(*aigw, 8);
  LossParts parts;
  const double whole = aigw->Loss(batch, &parts).item<double>();
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i)
    sum += aigw->Loss(MicroBatch(batch, i, 4), nullptr).item<double>();
  CHECK(std::abs(whole / sum - 1) < 1e-5);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].first == "mse_q");
  CHECK(parts[1].first == "mse_ap");
  CHECK(std::abs((parts[0].second + parts[1].second) / whole - 1) < 1e-5);
}

TEST_CASE("aigw workload: the tensors handed out are the ones that are trained") {
  const auto aigw = Made();
  CHECK(aigw->name() == "aigw");
  CHECK(aigw->Parameters().size() == 272);
  CHECK(aigw->Buffers().size() == 132);
  aigw->Loss(FirstBatch(*aigw, 4), nullptr).backward();
  for (const ops::Parameter& p : aigw->Parameters()) REQUIRE(p.tensor.grad().defined());
}

TEST_CASE("aigw workload: a device that is not there is an error before training") {
  CHECK_THAT(Aigw::Make(Small(), 1, "tpu").status(),
             HasCode(Code::kInvalidArgument, "cpu or cuda"));
  if (!at::hasCUDA()) {
    CHECK_THAT(Aigw::Make(Small(), 1, "cuda").status(), HasCode(Code::kInvalidArgument, "no GPU"));
  }
  AigwSettings bad = Small();
  bad.last = 101;
  CHECK_THAT(Aigw::Make(bad, 1, "cpu").status(), HasCode(Code::kInvalidArgument, "aigw.last"));
}

}  // namespace
}  // namespace stemma::models
