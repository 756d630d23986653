// What every optimizer promises: the same bits whatever the threads, the order of tensors or a
// resume in between; a step that cannot be done changes nothing; state with names.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "optim/cuda_passes.h"
#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include "tests/support/fake_reducer.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using ops::ParameterRole;
using tests::FakeReducer;
using tests::HasCode;
using tests::IsOk;

void Fill(at::Tensor tensor, uint64_t key, double scale = 1) {
  Random draw(Key({key}), "optimizer_test");
  at::Tensor values = torch::empty({tensor.numel()}, at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = draw.Normal() * scale;
  tensor.copy_(values.view(tensor.sizes()));
}

ops::Parameter Tensor(const std::string& name, ParameterRole role, std::vector<int64_t> shape,
                      uint64_t key) {
  const at::Tensor tensor = torch::empty(shape);
  Fill(tensor, key);
  return {name, role, tensor};
}

// Below, at and above one chunk, and one that is not a whole number of chunks.
std::vector<ops::Parameter> Model() {
  return {Tensor("a", ParameterRole::kWeight, {5, 7}, 1), Tensor("b", ParameterRole::kBias, {5}, 2),
          Tensor("c", ParameterRole::kWeight, {64, 64}, 3),
          Tensor("d", ParameterRole::kNormScale, {64}, 4),
          Tensor("e", ParameterRole::kEmbedding, {300, 101}, 5)};
}

OptimSettings Named(const std::string& name) {
  OptimSettings s;
  s.name = name;
  s.lr = 0.01;
  s.schedule = "warmup_poly";
  s.warmup_steps = 2;
  if (name == "nesterov") s.name = "sgd", s.nesterov = true;
  return s;
}

std::unique_ptr<Optimizer> MakeOk(const OptimSettings& settings, FakeReducer& reducer) {
  auto made = Make(settings, 20, reducer);
  REQUIRE_THAT(made.status(), IsOk());
  return *std::move(made);
}

// The gradient of a step depends on the step and the parameter's name alone.
void FillGradients(FakeReducer& reducer, int64_t step) {
  for (size_t i = 0; i < reducer.parameters().size(); ++i) {
    const auto name = static_cast<uint64_t>(reducer.parameters()[i].name[0]);
    Fill(reducer.gradient(i), Key({name, static_cast<uint64_t>(step)}), 0.1);
  }
}

void Run(FakeReducer& reducer, Optimizer& optimizer, int64_t begin, int64_t end) {
  for (int64_t step = begin; step < end; ++step) {
    FillGradients(reducer, step);
    ops::NoFence fence;
    REQUIRE_THAT(optimizer.Step(step, fence), IsOk());
  }
}

// Parameters by name.
at::Tensor ByName(FakeReducer& reducer, const std::string& name) {
  for (const auto& p : reducer.parameters()) {
    if (p.name == name) return p.tensor;
  }
  return {};
}

void CheckSameParameters(FakeReducer& a, FakeReducer& b) {
  for (const auto& p : a.parameters()) {
    INFO(p.name);
    CHECK(p.tensor.equal(ByName(b, p.name)));
  }
}

const char* const kKinds[] = {"lamb", "lars", "adamw", "adam", "sgd", "nesterov"};

TEST_CASE("1, 2 and 3 threads give equal bits") {
  const int before = at::get_num_threads();
  for (const char* kind : kKinds) {
    INFO(kind);
    OptimSettings settings = Named(kind);
    settings.max_grad_norm = 0.5;
    FakeReducer one(Model());
    at::set_num_threads(1);
    auto optimizer = MakeOk(settings, one);
    Run(one, *optimizer, 0, 3);
    CHECK(optimizer->report().clip_divisor > 1);
    for (int threads : {2, 3}) {
      FakeReducer other(Model());
      at::set_num_threads(threads);
      auto same = MakeOk(settings, other);
      Run(other, *same, 0, 3);
      CHECK(same->report().grad_norm == optimizer->report().grad_norm);
      CheckSameParameters(one, other);
    }
  }
  at::set_num_threads(before);
}

TEST_CASE("the order of tensors and the size of buckets change no bit") {
  for (const char* kind : kKinds) {
    INFO(kind);
    FakeReducer forward(Model());
    auto parameters = Model();
    std::reverse(parameters.begin(), parameters.end());
    ops::OpsSettings small;
    small.bucket_mb = small.first_mb = small.last_mb = 0.001;
    FakeReducer backward(parameters, small);
    Run(forward, *MakeOk(Named(kind), forward), 0, 3);
    Run(backward, *MakeOk(Named(kind), backward), 0, 3);
    CheckSameParameters(forward, backward);
  }
}

TEST_CASE("resumed from its state, an optimizer continues bit for bit") {
  for (const char* kind : kKinds) {
    INFO(kind);
    FakeReducer straight(Model());
    auto reference = MakeOk(Named(kind), straight);
    Run(straight, *reference, 0, 3);
    FakeReducer resumed(straight.parameters());
    auto optimizer = MakeOk(Named(kind), resumed);
    const auto from = reference->State();
    auto to = optimizer->State();
    REQUIRE(from.size() == to.size());
    for (size_t i = 0; i < from.size(); ++i) {
      CHECK(from[i].slot + from[i].parameter == to[i].slot + to[i].parameter);
      to[i].tensor.copy_(from[i].tensor);
    }
    REQUIRE_THAT(optimizer->DecodeSmall(reference->EncodeSmall()), IsOk());
    CHECK(optimizer->EncodeSmall() == reference->EncodeSmall());
    Run(straight, *reference, 3, 6);
    Run(resumed, *optimizer, 3, 6);
    CheckSameParameters(straight, resumed);
  }
}

TEST_CASE("state has the parameter's shape, registration order, and stable memory") {
  FakeReducer reducer(Model());
  auto optimizer = MakeOk(Named("lamb"), reducer);
  const auto state = optimizer->State();
  REQUIRE(state.size() == 10);
  CHECK(state[0].slot == "optim/m");
  CHECK(state[5].slot == "optim/v");
  for (size_t i = 0; i < 10; ++i) {
    CHECK(state[i].parameter == reducer.parameters()[i % 5].name);
    CHECK(state[i].tensor.sizes() == reducer.parameters()[i % 5].tensor.sizes());
  }
  Run(reducer, *optimizer, 0, 2);
  CHECK(state[0].tensor.abs().sum().item<float>() > 0);
  CHECK(optimizer->State()[7].tensor.data_ptr() == state[7].tensor.data_ptr());
  OptimSettings bare = Named("sgd");
  CHECK(MakeOk(bare, reducer)->State()[0].slot == "optim/momentum");
  bare.momentum = 0;
  CHECK(MakeOk(bare, reducer)->State().empty());
  bare.name = "lars";
  CHECK(MakeOk(bare, reducer)->State().empty());
  bare.momentum = 0.9;
  CHECK(MakeOk(bare, reducer)->State()[0].slot == "optim/momentum");
}

struct CountingFence final : ops::Fence {
  Status Wait() override {
    ++waits;
    return status;
  }
  int waits = 0;
  Status status;
};

TEST_CASE("a gradient that is not finite changes nothing") {
  const float bad[] = {std::nanf(""), std::numeric_limits<float>::infinity()};
  for (float value : bad) {
    FakeReducer reducer(Model()), untouched(Model());
    OptimSettings settings = Named("lamb");
    auto optimizer = MakeOk(settings, reducer);
    const std::string small = optimizer->EncodeSmall();
    FillGradients(reducer, 0);
    reducer.gradient(2).flatten()[77] = value;
    CountingFence fence;
    CHECK_THAT(optimizer->Step(0, fence), HasCode(Code::kNotFinite, "\"c\" is not finite"));
    CHECK(fence.waits == 0);
    CHECK(optimizer->EncodeSmall() == small);
    CheckSameParameters(reducer, untouched);
    for (const auto& s : optimizer->State()) CHECK(s.tensor.abs().sum().item<float>() == 0);
  }
}

TEST_CASE("a skipped step is as if the batch had never been seen") {
  OptimSettings settings = Named("lamb");
  settings.schedule = "constant";
  settings.warmup_steps = 0;
  settings.on_nonfinite = "skip";
  FakeReducer skipping(Model()), clean(Model());
  auto optimizer = MakeOk(settings, skipping);
  auto reference = MakeOk(settings, clean);
  Run(clean, *reference, 1, 3);
  ops::NoFence fence;
  FillGradients(skipping, 0);
  skipping.gradient(0).fill_(std::nanf(""));
  REQUIRE_THAT(optimizer->Step(0, fence), IsOk());
  CHECK(optimizer->report().skipped);
  Run(skipping, *optimizer, 1, 3);
  CHECK_FALSE(optimizer->report().skipped);
  CheckSameParameters(skipping, clean);
  CHECK(optimizer->EncodeSmall() == reference->EncodeSmall());
  skipping.gradient(0).fill_(std::nanf(""));
  for (int64_t i = 0; i < kMaxSkips; ++i) REQUIRE_THAT(optimizer->Step(3, fence), IsOk());
  CHECK_THAT(optimizer->Step(3, fence), HasCode(Code::kNotFinite, "50 skipped steps"));
}

TEST_CASE("a fence that fails keeps the state, and one that waits comes before the first byte") {
  FakeReducer reducer(Model()), untouched(Model());
  auto optimizer = MakeOk(Named("sgd"), reducer);
  FillGradients(reducer, 0);
  CountingFence fence;
  fence.status = {Code::kIo, "the capture failed"};
  CHECK_THAT(optimizer->Step(0, fence), HasCode(Code::kIo, "the capture failed"));
  CheckSameParameters(reducer, untouched);
  fence.status = {};
  REQUIRE_THAT(optimizer->Step(0, fence), IsOk());
  CHECK(fence.waits == 2);
  CHECK_FALSE(reducer.parameter(0).equal(untouched.parameter(0)));
}

TEST_CASE("the zero-norm rule, and a gradient of zeros for three steps") {
  FakeReducer reducer({{"zero", ParameterRole::kWeight, torch::zeros({4})},
                       {"still", ParameterRole::kWeight, torch::ones({4})}});
  OptimSettings settings = Named("lamb");
  settings.adapt = "all";
  settings.weight_decay = 0;
  auto optimizer = MakeOk(settings, reducer);
  for (int64_t step = 0; step < 3; ++step) {
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(step, fence), IsOk());
    const auto ratios = optimizer->Ratios();
    REQUIRE_THAT(ratios.status(), IsOk());
    REQUIRE(ratios->size() == 2);
    for (const TensorRatio& ratio : *ratios) {
      CHECK(ratio.u_norm == 0);
      CHECK(ratio.ratio == 1);
    }
  }
  CHECK(reducer.parameter(0).equal(torch::zeros({4})));
  CHECK(reducer.parameter(1).equal(torch::ones({4})));
}

// The golden data has no norm above 10, so there the clamp does nothing.
TEST_CASE("phi clamps the norm, the ratio's clamp the ratio") {
  OptimSettings settings = Named("lamb");
  settings.phi_max = 10;
  FakeReducer large({{"w", ParameterRole::kWeight, torch::full({100}, 2.0)}});
  auto optimizer = MakeOk(settings, large);
  FillGradients(large, 0);
  ops::NoFence fence;
  REQUIRE_THAT(optimizer->Step(0, fence), IsOk());
  const TensorRatio clamped = optimizer->Ratios()->at(0);
  CHECK(clamped.p_norm == Approx(20));
  CHECK(clamped.ratio == Approx(10 / clamped.u_norm));
  settings.ratio_min = 5;
  optimizer = MakeOk(settings, large);
  REQUIRE_THAT(optimizer->Step(0, fence), IsOk());
  CHECK(optimizer->Ratios()->at(0).ratio == 5);
}

TEST_CASE("a large tensor beside small ones steps as it does alone") {
  // The updates of the first are kept for the second pass, those of the second computed again.
  const int64_t rows = GENERATE(1100, 4300);
  const auto large = [&] { return Tensor("large", ParameterRole::kWeight, {rows, 1000}, 6); };
  auto parameters = Model();
  parameters.insert(parameters.begin() + 2, large());
  FakeReducer together(parameters), alone({large()}), others(Model());
  OptimSettings settings = Named("lamb");
  Run(together, *MakeOk(settings, together), 0, 2);
  Run(alone, *MakeOk(settings, alone), 0, 2);
  Run(others, *MakeOk(settings, others), 0, 2);
  CheckSameParameters(alone, together);
  CheckSameParameters(others, together);
}

TEST_CASE("lars: a tensor or gradient of zeros has ratio 1, and a rate of 0 moves nothing") {
  FakeReducer reducer({{"zero", ParameterRole::kWeight, torch::zeros({4})},
                       {"still", ParameterRole::kWeight, torch::ones({4})}});
  OptimSettings settings = Named("lars");
  settings.clip_to_lr = true;
  settings.warmup_origin = 0;
  auto optimizer = MakeOk(settings, reducer);
  reducer.gradient(0).fill_(1);
  ops::NoFence fence;
  REQUIRE_THAT(optimizer->Step(0, fence), IsOk());
  CHECK(optimizer->report().lr == 0);
  CHECK(reducer.parameter(0).equal(torch::zeros({4})));
  CHECK(reducer.parameter(1).equal(torch::ones({4})));
  REQUIRE_THAT(optimizer->Step(2, fence), IsOk());
  const auto ratios = optimizer->Ratios();
  REQUIRE_THAT(ratios.status(), IsOk());
  for (const TensorRatio& ratio : *ratios) CHECK(ratio.ratio == 1);
  CHECK(reducer.parameter(0)[0].item<float>() < 0);
}

TEST_CASE("who is adapted is said at the start") {
  FakeReducer reducer(Model());
  OptimSettings settings = Named("lamb");
  CHECK(MakeOk(settings, reducer)->Describe() == "lamb, 3 of 5 tensors adapted, 3 decayed");
  settings.exclude += ",embedding";
  CHECK(MakeOk(settings, reducer)->Describe() == "lamb, 2 of 5 tensors adapted, 2 decayed");
  settings.adapt = "all";
  CHECK(MakeOk(settings, reducer)->Describe() == "lamb, 5 of 5 tensors adapted, 2 decayed");
  settings.adapt = "list";
  settings.adapt_roles = "norm_scale";
  CHECK(MakeOk(settings, reducer)->Describe() == "lamb, 1 of 5 tensors adapted, 2 decayed");
  settings.adapt = "decayed";
  settings.weight_decay = 0;
  CHECK_THAT(MakeOk(settings, reducer)->Describe(), Catch::Contains("no trust ratio anywhere"));
  settings.name = "lars";
  CHECK(MakeOk(settings, reducer)->Describe() == "lars, ratio_inside, 2 of 5 tensors adapted");
}

TEST_CASE("what is not supported says what to do") {
  FakeReducer half({{"w", ParameterRole::kWeight, torch::ones({4}).to(at::kBFloat16)}});
  CHECK_THAT(Make(Named("lamb"), 20, half).status(),
             HasCode(Code::kInvalidArgument, "\"w\" is bf16"));
  FakeReducer meta({{"w", ParameterRole::kWeight, torch::ones({4}).to(at::kMeta)}});
  CHECK_THAT(Make(Named("lamb"), 20, meta).status(),
             HasCode(Code::kInvalidArgument, "\"w\" is on meta: optimizers update"));
#ifdef STEMMA_CUDA
  CHECK_THAT(CudaPassesBuilt(), IsOk());
#else
  CHECK_THAT(CudaPassesBuilt(), HasCode(Code::kInvalidArgument, "build with --config=cuda"));
#endif
  FakeReducer reducer(Model());
  auto lamb = MakeOk(Named("lamb"), reducer);
  auto adam = MakeOk(Named("adam"), reducer);
  CHECK_THAT(adam->DecodeSmall(lamb->EncodeSmall()),
             HasCode(Code::kIncompatible, "optim.name = \"lamb\""));
  CHECK_THAT(lamb->DecodeSmall(lamb->EncodeSmall().substr(0, 9)), HasCode(Code::kCorruption));
  CHECK_THAT(lamb->DecodeSmall(""), HasCode(Code::kCorruption));
}

TEST_CASE("f32 and f64 parameters in one model") {
  const at::Tensor start = torch::ones({3}, at::kDouble);
  FakeReducer reducer(
      {{"f", ParameterRole::kWeight, start.to(at::kFloat)}, {"d", ParameterRole::kWeight, start}});
  auto optimizer = MakeOk(Named("lamb"), reducer);
  reducer.gradient(0).fill_(0.5);
  reducer.gradient(1).fill_(0.5);
  ops::NoFence fence;
  REQUIRE_THAT(optimizer->Step(1, fence), IsOk());
  CHECK(optimizer->report().grad_norm == Approx(std::sqrt(1.5)));
  CHECK(reducer.parameter(0).to(at::kDouble).allclose(reducer.parameter(1), 1e-6));
  CHECK_FALSE(reducer.parameter(1).equal(start));
}

}  // namespace
}  // namespace stemma::optim
