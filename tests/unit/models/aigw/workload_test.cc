#include "models/aigw/workload.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <memory>
#include <string>

#include "models/aigw/targets.h"
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

TEST_CASE("aigw workload: evaluation adds up over batches, in the units of the outputs") {
  for (const char* targets : {"raw", "standard"}) {
    AigwSettings settings = Small();
    settings.targets = targets;
    settings.validation_size = 6;
    auto made = Aigw::Make(settings, 1, "cpu");
    REQUIRE_THAT(made.status(), IsOk());
    const auto data = (*made)->ValidationData();
    REQUIRE(data->Size() == 6);
    Batch all;
    all.x = at::empty({6, 1, 100}, at::kFloat);
    all.y = at::empty({6, 5}, at::kFloat);
    for (int64_t i = 0; i < 6; ++i) {
      REQUIRE_THAT(data->Read(i, {}, all.x.mutable_data_ptr<float>() + 100 * i,
                              all.y.mutable_data_ptr<float>() + 5 * i),
                   IsOk());
    }
    (*made)->SetTraining(false);
    const at::NoGradGuard no_gradients;
    const Evaluated whole = (*made)->Evaluate(all);
    const Evaluated first = (*made)->Evaluate(MicroBatch(all, 0, 2));
    const Evaluated second = (*made)->Evaluate(MicroBatch(all, 1, 2));
    Batch none = all;
    none.x = all.x.narrow(0, 0, 0);
    none.y = all.y.narrow(0, 0, 0);
    const Evaluated nothing = (*made)->Evaluate(none);
    CHECK(whole.rows == 6);
    CHECK(nothing.rows == 0);
    REQUIRE(whole.sums.size() == 8);
    REQUIRE(nothing.sums.size() == 8);
    for (size_t k = 0; k < 8; ++k) {
      INFO(targets << " " << whole.sums[k].first);
      CHECK(nothing.sums[k].first == whole.sums[k].first);
      CHECK(nothing.sums[k].second == 0);
      CHECK(first.sums[k].second + second.sums[k].second ==
            Approx(whole.sums[k].second).epsilon(1e-4));
    }
    CHECK(whole.sums[0].first == "loss");
    const double loss = (*made)->Loss(all, nullptr).item<double>();
    CHECK(whole.sums[0].second == Approx(loss).epsilon(1e-5));
    AigwValues outputs{};  // of a network whose outputs are all 0: the errors are known
    for (const ops::Parameter& p : (*made)->Parameters()) {
      if (p.name.find(".fc2.") != std::string::npos) p.tensor.detach().zero_();
    }
    for (int64_t i = 0; i < 6; ++i) {
      const float zeros[5] = {};
      const AigwValues said = ValuesFromTargets(settings, zeros);
      const AigwValues meant = ValuesFromTargets(settings, all.y.const_data_ptr<float>() + 5 * i);
      for (size_t k = 0; k < 5; ++k) outputs[k] += std::abs(said[k] - meant[k]);
    }
    const Evaluated zero = (*made)->Evaluate(all);
    for (size_t k = 0; k < 5; ++k) {
      CHECK(zero.sums[3 + k].second == Approx(outputs[k]).epsilon(1e-5));
    }
  }
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
