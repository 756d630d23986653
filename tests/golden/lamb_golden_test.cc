// LAMB against tests/golden/data/lamb_golden.json: seven published variants, three steps each, in
// double and in float; the XOR network end to end; optax's documented example.
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include "tests/support/fake_reducer.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using nlohmann::json;
using tests::FakeReducer;
using tests::IsOk;

const std::vector<std::string> kNames = {"W1", "b1", "W2", "b2"};

const json& Golden() {
  static const json golden = [] {
    std::ifstream file("tests/golden/data/lamb_golden.json");
    return json::parse(file);
  }();
  return golden;
}

const json& Variant(char letter) {
  for (const auto& item : Golden()["lamb"].items()) {
    if (item.key()[0] == letter) return item.value();
  }
  FAIL("no variant " << letter);
  return Golden();
}

OptimSettings SettingsOf(char variant) {
  OptimSettings s;
  s.name = "lamb";
  s.lr = Golden()["hyper"]["lr"];
  s.eps = Golden()["hyper"]["eps"];
  s.weight_decay = Golden()["hyper"]["wd"];
  if (variant == 'B' || variant == 'G') s.bias_correction = "none";
  if (variant == 'C' || variant == 'D' || variant == 'E') s.max_grad_norm = 1;
  if (variant == 'D') s.adapt = "all";
  if (variant == 'E') s.ratio_max = 1;
  if (variant == 'G') s.phi_max = 10;
  if (variant == 'F') {
    s.bias_correction = "step_size";
    s.exclude = "";
    s.ratio_min = 0.01;
    s.ratio_max = 10;
  }
  return s;
}

at::Tensor TensorOf(const json& values, at::ScalarType type) {
  return torch::tensor(values.get<std::vector<double>>(), at::kDouble).to(type);
}

std::vector<ops::Parameter> Start(at::ScalarType type) {
  std::vector<ops::Parameter> parameters;
  for (const std::string& name : kNames) {
    at::Tensor tensor = TensorOf(Golden()["params0"][name], type);
    if (name == "W1") tensor = tensor.view({2, 2});
    if (name == "W2") tensor = tensor.view({1, 2});
    const auto role = name[0] == 'b' ? ops::ParameterRole::kBias : ops::ParameterRole::kWeight;
    parameters.push_back({name, role, tensor});
  }
  return parameters;
}

std::unique_ptr<Optimizer> MakeOk(const OptimSettings& settings, int64_t steps, FakeReducer& r) {
  auto made = Make(settings, steps, r);
  REQUIRE_THAT(made.status(), IsOk());
  return *std::move(made);
}

double WorstAbsolute(const at::Tensor& got, const json& expected) {
  const at::Tensor flat = got.to(at::kDouble).flatten();
  double worst = 0;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const double want = expected[static_cast<size_t>(i)];
    worst = std::max(worst, std::abs(flat[i].item<double>() - want));
  }
  return worst;
}

double WorstRelative(const at::Tensor& got, const json& expected) {
  const at::Tensor flat = got.to(at::kDouble).flatten();
  double worst = 0;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const double want = expected[static_cast<size_t>(i)];
    const double error = std::abs(flat[i].item<double>() - want);
    worst = std::max(worst, want == 0 ? error : error / std::abs(want));
  }
  return worst;
}

struct Bars {
  double p_absolute, m, v, norms;
};

// The ratios, by registration index, that the file gives for step `step`.
void CheckRatios(const std::vector<TensorRatio>& ratios, const json& layers, const Bars& bars) {
  for (const TensorRatio& got : ratios) {
    const json& want = layers[kNames[got.parameter]];
    INFO(kNames[got.parameter]);
    CHECK(got.p_norm == Approx(want["p_norm"].get<double>()).epsilon(bars.norms).margin(1e-300));
    CHECK(got.u_norm == Approx(want["u_norm"].get<double>()).epsilon(bars.norms).margin(1e-300));
    CHECK(got.ratio == Approx(want["ratio"].get<double>()).epsilon(bars.norms));
  }
}

void CheckVariant(char letter, at::ScalarType type, const Bars& bars) {
  FakeReducer reducer(Start(type));
  auto optimizer = MakeOk(SettingsOf(letter), 3, reducer);
  const auto state = optimizer->State();
  for (size_t step = 0; step < 3; ++step) {
    INFO("variant " << letter << ", step " << step + 1);
    const json& want = Variant(letter)[step];
    for (size_t i = 0; i < kNames.size(); ++i) {
      reducer.gradient(i).flatten().copy_(TensorOf(Golden()["grads"][step][kNames[i]], type));
    }
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(static_cast<int64_t>(step), fence), IsOk());
    const StepReport& report = optimizer->report();
    CHECK(report.grad_norm == Approx(want["global_grad_norm"].get<double>()).epsilon(bars.norms));
    CHECK(report.clip_divisor == Approx(want["clip_div"].get<double>()).epsilon(bars.norms));
    const auto ratios = optimizer->Ratios();
    REQUIRE_THAT(ratios.status(), IsOk());
    CHECK(ratios->size() == (letter == 'D' || letter == 'F' ? 4 : 2));
    CheckRatios(*ratios, want["layers"], bars);
    for (size_t i = 0; i < kNames.size(); ++i) {
      INFO(kNames[i]);
      const json& layer = want["layers"][kNames[i]];
      CHECK(WorstAbsolute(reducer.parameter(i), layer["p"]) <= bars.p_absolute);
      CHECK(WorstRelative(state[i].tensor, layer["m"]) <= bars.m);
      CHECK(WorstRelative(state[4 + i].tensor, layer["v"]) <= bars.v);
    }
  }
}

// Losses before each of 20 steps and after the last, of y = W2 tanh(W1 x + b1) + b2.
std::vector<double> XorLosses(at::ScalarType type) {
  FakeReducer reducer(Start(type));
  OptimSettings settings = SettingsOf('A');
  settings.lr = 0.05;
  auto optimizer = MakeOk(settings, 20, reducer);
  const at::Tensor x = torch::tensor({0, 0, 0, 1, 1, 0, 1, 1}, type).view({4, 2});
  const at::Tensor target = torch::tensor({0, 1, 1, 0}, type).view({4, 1});
  std::vector<double> losses;
  for (int step = 0; step <= 20; ++step) {
    const at::Tensor w1 = reducer.parameter(0), w2 = reducer.parameter(2);
    const at::Tensor h = (x.matmul(w1.t()) + reducer.parameter(1)).tanh();
    const at::Tensor d = h.matmul(w2.t()) + reducer.parameter(3) - target;
    losses.push_back((d * d).mean().item<double>() / 2);
    if (step == 20) break;
    const at::Tensor dy = d / 4;
    const at::Tensor da = dy.matmul(w2) * (1 - h * h);
    reducer.gradient(0).copy_(da.t().matmul(x));
    reducer.gradient(1).copy_(da.sum(0));
    reducer.gradient(2).copy_(dy.t().matmul(h));
    reducer.gradient(3).copy_(dy.sum(0));
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(step, fence), IsOk());
  }
  return losses;
}

double WorstLoss(at::ScalarType type) {
  const auto losses = XorLosses(type);
  const json& want = Golden()["mlp_xor"]["losses"];
  double worst = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    worst = std::max(worst, std::abs(losses[i] - want[i].get<double>()));
  }
  return worst;
}

// A wrong denominator, correction, order of clip or exclusion shows here.
TEST_CASE("lamb in double: every variant to rounding") {
  for (char letter : {'A', 'B', 'C', 'D', 'E', 'F', 'G'}) {
    CheckVariant(letter, at::kDouble, {1e-14, 1e-14, 1e-14, 1e-14});
  }
}

// 1 - beta computed in float would be off by 1.3e-5 in v.
TEST_CASE("lamb in float: every variant") {
  for (char letter : {'A', 'B', 'C', 'D', 'E', 'F', 'G'}) {
    CheckVariant(letter, at::kFloat, {5e-7, 5e-6, 5e-7, 1e-6});
  }
}

TEST_CASE("the XOR network's losses") {
  CHECK(WorstLoss(at::kDouble) <= 1e-12);
  CHECK(WorstLoss(at::kFloat) <= 2e-6);
}

TEST_CASE("optax's documented example: a ratio without any decay") {
  FakeReducer reducer(
      {{"x", ops::ParameterRole::kWeight, torch::tensor({1.0, 2.0, 3.0}, at::kDouble)}});
  OptimSettings settings = SettingsOf('A');
  settings.lr = 0.003;
  settings.weight_decay = 0;
  settings.adapt = "all";
  auto optimizer = MakeOk(settings, 5, reducer);
  for (int step = 0; step < 5; ++step) {
    reducer.gradient(0).copy_(reducer.parameter(0) * 2);
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(step, fence), IsOk());
    const double want = Golden()["optax_doc"]["values"][static_cast<size_t>(step)];
    const at::Tensor x = reducer.parameter(0);
    CHECK((x * x).sum().item<double>() == Approx(want).epsilon(1e-13));
  }
}

}  // namespace
}  // namespace stemma::optim
