// Built with --config=cuda only. The optimizers on a GPU against the same ones on the CPU, which
// the oracle and golden tests hold to their definitions. Where there is no GPU, each case that
// needs one prints "no GPU: not run" and ends.
#include <ATen/Context.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "optim/kernels_cuda.h"
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

constexpr int64_t kSteps = 20;
const at::Device kGpu(at::kCUDA, 0);

// One element, ends that are no multiple of four, one, two and three chunks.
const std::vector<std::vector<int64_t>> kShapes = {{1},      {3},          {17, 31}, {4096},
                                                   {64, 65}, {2, 3, 5, 7}, {91, 101}};

bool NoGpu() {
  if (at::globalContext().hasCUDA()) return false;
  WARN("no GPU: not run");
  return true;
}

at::Tensor Draw(size_t index, uint64_t key, at::ScalarType type) {
  Random draw(Key({key, index}), "cuda");
  const at::Tensor values = torch::empty(kShapes[index], at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = draw.Normal();
  return values.to(type);
}

// Every third tensor is a bias: no decay, and by default no trust ratio.
std::vector<ops::Parameter> Model(at::ScalarType type, at::Device device) {
  std::vector<ops::Parameter> parameters;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    const auto role = i % 3 == 1 ? ParameterRole::kBias : ParameterRole::kWeight;
    parameters.push_back({"p" + std::to_string(i), role, Draw(i, 1000, type).to(device)});
  }
  return parameters;
}

struct Run {
  FakeReducer reducer;
  std::unique_ptr<Optimizer> optimizer;

  Run(const OptimSettings& settings, at::ScalarType type, at::Device device)
      : reducer(Model(type, device)) {
    auto made = Make(settings, kSteps, reducer);
    REQUIRE_THAT(made.status(), IsOk());
    optimizer = *std::move(made);
  }

  void Step(int64_t step, at::ScalarType type) {
    for (size_t i = 0; i < kShapes.size(); ++i) {
      reducer.gradient(i).copy_(Draw(i, static_cast<uint64_t>(step), type));
    }
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->Step(step, fence), IsOk());
  }
};

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu() - b.cpu()).abs().max().item<double>();
}

void CompareReports(const Run& cpu, const Run& gpu, double bar) {
  const StepReport& want = cpu.optimizer->report();
  const StepReport& got = gpu.optimizer->report();
  CHECK(got.grad_norm == Approx(want.grad_norm).epsilon(bar));
  CHECK(got.clip_divisor == Approx(want.clip_divisor).epsilon(bar));
  const auto expected = cpu.optimizer->Ratios();
  const auto ratios = gpu.optimizer->Ratios();
  REQUIRE_THAT(ratios.status(), IsOk());
  REQUIRE(ratios->size() == expected->size());
  for (size_t i = 0; i < ratios->size(); ++i) {
    CHECK(ratios->at(i).parameter == expected->at(i).parameter);
    CHECK(ratios->at(i).ratio == Approx(expected->at(i).ratio).epsilon(bar * 10));
  }
}

void CompareRuns(const OptimSettings& settings, at::ScalarType type, double bar) {
  INFO(settings.name << ", adapt " << settings.adapt << ", bias_correction "
                     << settings.bias_correction << ", momentum " << settings.momentum << ", decay "
                     << settings.decay << ", " << settings.lars_variant << ", nesterov "
                     << settings.nesterov << ", clip " << settings.max_grad_norm << ", "
                     << c10::toString(type));
  Run cpu(settings, type, at::kCPU), gpu(settings, type, kGpu);
  for (int64_t step = 0; step < kSteps; ++step) {
    cpu.Step(step, type);
    gpu.Step(step, type);
  }
  CompareReports(cpu, gpu, bar);
  for (size_t i = 0; i < kShapes.size(); ++i) {
    CHECK(Distance(cpu.reducer.parameter(i), gpu.reducer.parameter(i)) < bar);
    CHECK_FALSE(gpu.reducer.parameter(i).cpu().equal(Draw(i, 1000, type)));
  }
  const auto want = cpu.optimizer->State(), got = gpu.optimizer->State();
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(got[i].slot << " of " << got[i].parameter);
    CHECK(Distance(want[i].tensor, got[i].tensor) < bar);
  }
}

OptimSettings Base(const std::string& name) {
  OptimSettings settings;
  settings.name = name;
  settings.lr = 0.01;
  settings.weight_decay = 0.03;
  return settings;
}

std::vector<OptimSettings> Kinds() {
  std::vector<OptimSettings> kinds = {Base("lamb"), Base("adam"), Base("adamw"), Base("sgd")};
  kinds.push_back(Base("sgd"));
  kinds.back().momentum = 0;
  kinds.push_back(Base("sgd"));
  kinds.back().nesterov = true;
  kinds.push_back(Base("lamb"));
  kinds.back().adapt = "all";
  kinds.back().phi_max = 10;
  kinds.back().ratio_min = 0.01;
  kinds.back().ratio_max = 1;
  kinds.push_back(Base("lamb"));
  kinds.back().bias_correction = "step_size";
  kinds.push_back(Base("lamb"));
  kinds.back().decay = "l2";
  kinds.back().eps_inside_sqrt = true;
  kinds.back().grad_averaging = false;
  kinds.push_back(Base("lamb"));
  kinds.back().decay = "decoupled";
  kinds.back().clip_scope = "group";
  for (const char* variant : {"inside", "ratio_inside", "outside"}) {
    kinds.push_back(Base("lars"));
    kinds.back().lars_variant = variant;
    kinds.back().schedule = "warmup_linear";
    kinds.back().lars_clamp = 2;
  }
  kinds.push_back(Base("lars"));
  kinds.back().momentum = 0;
  kinds.back().clip_to_lr = true;
  const size_t unclipped = kinds.size();
  for (size_t i = 0; i < unclipped; ++i) {
    kinds.push_back(kinds[i]);
    kinds.back().max_grad_norm = 1;
  }
  return kinds;
}

TEST_CASE("every kind does on a GPU what it does on the CPU") {
  if (NoGpu()) return;
  for (const OptimSettings& settings : Kinds()) {
    CompareRuns(settings, at::kFloat, 1e-6);
    CompareRuns(settings, at::kDouble, 1e-12);
  }
}

TEST_CASE("the same steps on a GPU give the same bits: no sum depends on scheduling") {
  if (NoGpu()) return;
  OptimSettings settings = Base("lamb");
  settings.max_grad_norm = 1;
  Run once(settings, at::kFloat, kGpu), again(settings, at::kFloat, kGpu);
  for (int64_t step = 0; step < kSteps; ++step) {
    once.Step(step, at::kFloat);
    again.Step(step, at::kFloat);
    CHECK(once.optimizer->report().grad_norm == again.optimizer->report().grad_norm);
  }
  for (size_t i = 0; i < kShapes.size(); ++i) {
    CHECK(once.reducer.parameter(i).equal(again.reducer.parameter(i)));
  }
}

TEST_CASE("an infinite gradient on a GPU is named and changes nothing") {
  if (NoGpu()) return;
  Run run(Base("lamb"), at::kFloat, kGpu);
  run.Step(0, at::kFloat);
  const at::Tensor before = run.reducer.parameter(6).clone();
  run.reducer.gradient(6).view(-1)[9000] = std::numeric_limits<float>::infinity();
  ops::NoFence fence;
  CHECK_THAT(run.optimizer->Step(1, fence),
             HasCode(Code::kNotFinite, "the gradient of \"p6\" is not finite"));
  CHECK(run.reducer.parameter(6).equal(before));
}

TEST_CASE("a launch without a GPU is a code with a text, not a crash") {
  if (at::globalContext().hasCUDA()) return;
  CudaSpace<float> space;
  CHECK(CudaChunkSquares(space, nullptr) == 0);  // nothing to launch
  space.chunk_count = space.tensor_count = 1;
  for (const int rc : {CudaChunkSquares(space, nullptr), CudaLambFirst(space, {}, {}, nullptr),
                       CudaLarsFirst(space, nullptr), CudaAdam(space, {}, 0, false, nullptr),
                       CudaSgd(space, {}, nullptr)}) {
    CHECK(rc != 0);
    CHECK_FALSE(std::string(CudaErrorText(rc)).empty());
  }
}

}  // namespace
}  // namespace stemma::optim
