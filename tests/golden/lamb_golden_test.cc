// LAMB and LARS against tests/golden/data/lamb_golden.json: every preset and every option, three
// steps each, in double and in float; the XOR network end to end; optax's documented example.
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "optim/optimizer.h"
#include "optim/presets.h"

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

OptimSettings SettingsOf(const std::string& preset) {
  OptimSettings s;
  REQUIRE_THAT(ApplyPreset(preset, &s), IsOk());
  s.lr = Golden()["hyper"]["lr"];
  s.weight_decay = Golden()["hyper"]["wd"];
  if (s.clip_scope == "local") s.clip_scope = "reduced";
  return s;
}

// The file's lettered variants leave biases out of decay and ratio; F has the eps of the others.
OptimSettings SettingsOf(char variant) {
  const char* const kPresets[] = {"paper",     "nus",       "apex",       "nvlamb",
                                  "timm-clip", "deepspeed", "cybertronai"};
  OptimSettings s = SettingsOf(kPresets[variant - 'A']);
  s.eps = Golden()["hyper"]["eps"];
  if (variant == 'B') s.max_grad_norm = 0;
  if (variant == 'G') {
    s.adapt = "decayed";
    s.exclude = "bias";
  }
  return s;
}

at::Tensor TensorOf(const json& values, at::ScalarType type) {
  return torch::tensor(values.get<std::vector<double>>(), at::kDouble).to(type);
}

std::vector<ops::Parameter> Start(at::ScalarType type, double scale = 1) {
  std::vector<ops::Parameter> parameters;
  for (const std::string& name : kNames) {
    at::Tensor tensor = TensorOf(Golden()["params0"][name], type) * scale;
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
  }
}

// What a step left behind, against the file's step; lars has no v, and its file no norms.
void CheckStep(FakeReducer& reducer, Optimizer& optimizer, const json& want, const Bars& bars) {
  const auto state = optimizer.State();
  const bool lamb = want.contains("global_grad_norm");
  if (lamb) {
    const StepReport& report = optimizer.report();
    CHECK(report.grad_norm == Approx(want["global_grad_norm"].get<double>()).epsilon(bars.norms));
    CHECK(report.clip_divisor == Approx(want["clip_div"].get<double>()).epsilon(bars.norms));
  }
  const auto ratios = optimizer.Ratios();
  REQUIRE_THAT(ratios.status(), IsOk());
  if (lamb) CheckRatios(*ratios, want["layers"], bars);
  for (const TensorRatio& got : *ratios) {
    const double ratio = want["layers"][kNames[got.parameter]]["ratio"];
    CHECK(got.ratio == Approx(ratio).epsilon(bars.norms));
  }
  for (size_t i = 0; i < kNames.size(); ++i) {
    INFO(kNames[i]);
    const json& layer = want["layers"][kNames[i]];
    CHECK(WorstAbsolute(reducer.parameter(i), layer["p"]) <= bars.p_absolute);
    if (state.empty()) continue;
    CHECK(WorstRelative(state[i].tensor, layer["m"]) <= bars.m);
    if (lamb) CHECK(WorstRelative(state[4 + i].tensor, layer["v"]) <= bars.v);
  }
}

void CheckSteps(const OptimSettings& settings, const json& steps, at::ScalarType type,
                const Bars& bars, size_t adapted, double scale = 1) {
  FakeReducer reducer(Start(type, scale));
  auto optimizer = MakeOk(settings, 3, reducer);
  for (size_t step = 0; step < 3; ++step) {
    INFO("step " << step + 1);
    for (size_t i = 0; i < kNames.size(); ++i) {
      reducer.gradient(i).flatten().copy_(TensorOf(Golden()["grads"][step][kNames[i]], type));
    }
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(static_cast<int64_t>(step), fence), IsOk());
    CHECK(optimizer->Ratios()->size() == adapted);
    CheckStep(reducer, *optimizer, steps[step], bars);
  }
}

void CheckVariant(char letter, at::ScalarType type, const Bars& bars) {
  INFO("variant " << letter);
  CheckSteps(SettingsOf(letter), Variant(letter), type, bars,
             letter == 'D' || letter == 'F' ? 4 : 2);
}

void CheckPresets(at::ScalarType type, const Bars& bars) {
  CHECK(Golden()["presets"].size() == 11);
  for (const auto& item : Golden()["presets"].items()) {
    INFO("preset " << item.key());
    const OptimSettings settings = SettingsOf(item.key());
    const bool all = settings.adapt == "all" || item.key() == "author";
    CheckSteps(settings, item.value(), type, bars, all ? 4 : 2);
  }
}

OptimSettings WithOption(const std::string& option) {
  OptimSettings s = SettingsOf("paper");
  if (option == "decay l2") s.decay = "l2", s.max_grad_norm = 1;
  if (option == "decay decoupled") s.decay = "decoupled", s.max_grad_norm = 1, s.weight_decay = 0.5;
  if (option == "eps inside") s.eps_inside_sqrt = true, s.eps = 1e-3;
  if (option == "no averaging") s.grad_averaging = false;
  if (option == "clip by group") s.clip_scope = "group", s.max_grad_norm = 0.3;
  if (option == "list without decay") s.adapt = "list", s.weight_decay = 0;
  if (option == "norms above phi") s.phi_max = 10;
  return s;
}

void CheckOptionsAlone(at::ScalarType type, const Bars& bars) {
  for (const auto& item : Golden()["options"].items()) {
    INFO(item.key());
    const double scale = item.key() == "norms above phi" ? 10 : 1;
    Bars scaled = bars;
    scaled.p_absolute *= scale;
    // In float the decay, which is part of the gradient, cancels in m too: 5.3e-6.
    if (item.key() == "decay l2" && type == at::kFloat) scaled.m = 6e-6;
    CheckSteps(WithOption(item.key()), item.value(), type, scaled, 2, scale);
  }
}

// Rates 1, 0.5 and 0.25: what stands inside of the momentum shows where the rate changes.
OptimSettings LarsSettings(const std::string& name) {
  OptimSettings s;
  s.name = "lars";
  s.lr = 1;
  s.schedule = "steps";
  s.step_factors = "1:0.5,2:0.25";
  s.weight_decay = 1e-4;
  s.eps = 0;
  s.lars_variant = name == "inside" || name == "all" ? "inside" : "outside";
  if (name == "ratio_inside" || name == "larc") s.lars_variant = "ratio_inside";
  if (name == "larc") s.trust_coefficient = 0.5, s.eps = 1e-8, s.clip_to_lr = true;
  if (name == "nus") s.ratio_max = 0.0015, s.lars_clamp = 0.35;
  if (name == "all") s.adapt = "all";
  if (name == "no momentum") s.momentum = 0;
  return s;
}

void CheckLars(at::ScalarType type, const Bars& bars) {
  CHECK(Golden()["lars_rates"].size() == 7);
  for (const auto& item : Golden()["lars_rates"].items()) {
    INFO("lars, " << item.key());
    CheckSteps(LarsSettings(item.key()), item.value(), type, bars, item.key() == "all" ? 4 : 2);
  }
}

// Losses before each of 20 steps and after the last, of y = W2 tanh(W1 x + b1) + b2.
std::vector<double> XorLosses(at::ScalarType type) {
  FakeReducer reducer(Start(type));
  OptimSettings settings = SettingsOf("paper");
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

TEST_CASE("presets, options and lars in double") {
  const Bars bars = {1e-14, 1e-14, 1e-14, 1e-14};
  CheckPresets(at::kDouble, bars);
  CheckOptionsAlone(at::kDouble, bars);
  CheckLars(at::kDouble, bars);
}

TEST_CASE("presets, options and lars in float") {
  const Bars bars = {5e-7, 5e-6, 5e-7, 1e-6};
  CheckPresets(at::kFloat, bars);
  CheckOptionsAlone(at::kFloat, bars);
  CheckLars(at::kFloat, bars);
}

TEST_CASE("the XOR network's losses") {
  CHECK(WorstLoss(at::kDouble) <= 1e-12);
  CHECK(WorstLoss(at::kFloat) <= 2e-6);
}

TEST_CASE("optax's documented example: a ratio without any decay") {
  FakeReducer reducer(
      {{"x", ops::ParameterRole::kWeight, torch::tensor({1.0, 2.0, 3.0}, at::kDouble)}});
  OptimSettings settings = SettingsOf("optax");
  settings.lr = 0.003;
  settings.weight_decay = 0;
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
