// SGD, Adam and AdamW against torch::optim, which defines them, over 50 random steps.
#include <torch/optim.h>
#include <torch/types.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include "tests/support/fake_reducer.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using tests::FakeReducer;
using tests::IsOk;

const std::vector<std::vector<int64_t>> kShapes = {{3}, {17, 31}, {64, 65}, {2, 3, 5, 7}};

at::Tensor Draw(const std::vector<int64_t>& shape, uint64_t key, at::ScalarType type) {
  Random draw(Key({key}), "oracle");
  const at::Tensor values = torch::empty(shape, at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = draw.Normal();
  return values.to(type);
}

std::vector<ops::Parameter> Model(at::ScalarType type) {
  std::vector<ops::Parameter> parameters;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    parameters.push_back(
        {"p" + std::to_string(i), ops::ParameterRole::kWeight, Draw(kShapes[i], i, type)});
  }
  return parameters;
}

// The largest distance after 50 steps from the oracle that `make_oracle` builds.
template <typename MakeOracle>
double Distance(const OptimSettings& settings, at::ScalarType type, MakeOracle make_oracle) {
  FakeReducer reducer(Model(type));
  auto made = Make(settings, 50, reducer);
  REQUIRE_THAT(made.status(), IsOk());
  std::vector<at::Tensor> twins;
  for (const auto& p : reducer.parameters()) {
    twins.push_back(p.tensor.clone().set_requires_grad(true));
  }
  auto oracle = make_oracle(twins);
  double worst = 0;
  for (int64_t step = 0; step < 50; ++step) {
    for (size_t i = 0; i < twins.size(); ++i) {
      const at::Tensor g = Draw(kShapes[i], Key({static_cast<uint64_t>(step), i}), type);
      reducer.gradient(i).copy_(g);
      twins[i].mutable_grad() = g;
    }
    ops::NoFence fence;
    REQUIRE_THAT((*made)->Step(step, fence), IsOk());
    oracle->step();
  }
  for (size_t i = 0; i < twins.size(); ++i) {
    const at::Tensor error = (twins[i].detach() - reducer.parameter(i)).abs().max();
    worst = std::max(worst, error.item<double>());
  }
  return worst;
}

OptimSettings Base(const std::string& name) {
  OptimSettings s;
  s.name = name;
  s.lr = 0.01;
  s.weight_decay = 0.03;
  s.eps = 1e-8;
  return s;
}

template <typename Options>
Options AdamOptionsOf(const OptimSettings& s) {
  return Options(s.lr).betas({s.beta1, s.beta2}).eps(s.eps).weight_decay(s.weight_decay);
}

void CheckBoth(const std::string& name, double float_bar, double double_bar) {
  const OptimSettings s = Base(name);
  const auto oracle =
      [&](const std::vector<at::Tensor>& twins) -> std::unique_ptr<torch::optim::Optimizer> {
    using torch::optim::AdamOptions;
    using torch::optim::AdamWOptions;
    if (s.name == "adam") {
      return std::make_unique<torch::optim::Adam>(twins, AdamOptionsOf<AdamOptions>(s));
    }
    return std::make_unique<torch::optim::AdamW>(twins, AdamOptionsOf<AdamWOptions>(s));
  };
  CHECK(Distance(s, at::kFloat, oracle) < float_bar);
  CHECK(Distance(s, at::kDouble, oracle) < double_bar);
}

TEST_CASE("adam and adamw: where the decay goes, and which root eps is added to") {
  CheckBoth("adam", 1e-6, 1e-14);
  CheckBoth("adamw", 1e-6, 1e-14);
}

// The recurrence as Keras writes it, on doubles: m and v by hand, eps outside of the correction.
TEST_CASE("adam and adamw with bias_correction step_size are Keras's, element by element") {
  for (const std::string name : {"adam", "adamw"}) {
    OptimSettings s = Base(name);
    s.bias_correction = "step_size";
    s.eps = 1e-2;  // large, so that its place shows
    FakeReducer reducer(Model(at::kDouble));
    auto made = Make(s, 50, reducer);
    REQUIRE_THAT(made.status(), IsOk());
    const double start = reducer.parameter(0).data_ptr<double>()[1];
    double p = start, m = 0, v = 0;
    for (int64_t step = 0; step < 20; ++step) {
      const at::Tensor g = Draw(kShapes[0], Key({static_cast<uint64_t>(step)}), at::kDouble);
      reducer.gradient(0).copy_(g);
      ops::NoFence fence;
      REQUIRE_THAT((*made)->Step(step, fence), IsOk());
      const double d = g.data_ptr<double>()[1] + (name == "adam" ? s.weight_decay * p : 0);
      if (name == "adamw") p -= s.lr * s.weight_decay * p;
      m = s.beta1 * m + (1 - s.beta1) * d;
      v = s.beta2 * v + (1 - s.beta2) * d * d;
      const double t = static_cast<double>(step + 1);
      const double rate = s.lr * std::sqrt(1 - std::pow(s.beta2, t)) / (1 - std::pow(s.beta1, t));
      p -= rate * m / (std::sqrt(v) + s.eps);
      INFO(name << ", step " << step);
      CHECK(reducer.parameter(0).data_ptr<double>()[1] == Approx(p).epsilon(1e-13));
    }
    CHECK(std::abs(p - start) > s.lr);
  }
}

TEST_CASE("sgd: plain, momentum, nesterov") {
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      if (nesterov && momentum == 0) continue;
      OptimSettings s = Base("sgd");
      s.momentum = momentum;
      s.nesterov = nesterov;
      const auto oracle = [&](const std::vector<at::Tensor>& twins) {
        return std::make_unique<torch::optim::SGD>(
            twins,
            torch::optim::SGDOptions(s.lr).momentum(momentum).nesterov(nesterov).weight_decay(
                s.weight_decay));
      };
      INFO("momentum " << momentum << ", nesterov " << nesterov);
      CHECK(Distance(s, at::kFloat, oracle) < 1e-6);
      CHECK(Distance(s, at::kDouble, oracle) < 1e-14);
    }
  }
}

}  // namespace
}  // namespace stemma::optim
