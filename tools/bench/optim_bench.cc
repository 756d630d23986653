// How near an optimizer's step comes to the memory's speed, on the state of ResNet-50.
//
//   optim_bench [REPETITIONS]
//   optim_bench serve            answers lines of its input, for a measurement in turns with peers
//
// Measures q[i] = a q[i] + b over as many bytes as the state first, then whole steps (the norm of
// the gradient included) of each optimizer in the same process and with the same threads, the best
// of the repetitions each. Bytes per parameter are counted as OPTIM section 9.2 counts them, plus 4
// for the norm: lamb 44, adamw 32, sgd 24, lars 24 where its norm's pass leaves p in the cache.
//
// `serve` first prints one line of JSON: the tensors, and how many of their elements are in groups
// whose second pass runs in the cache. Then it answers
//
//   inplace    with the bandwidth of one pass of q[i] = a q[i] + b, in bytes per second
//   lamb       with the seconds of one whole step (preset timm) and of its update without the norm
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/dtype.h"
#include "core/status.h"
#include "ops/reducer.h"
#include "ops/tensor_bytes.h"
#include "optim/optimizer.h"
#include "optim/presets.h"
#include "optim/space.h"

namespace stemma {
namespace {

using ops::ParameterRole;

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double BestSeconds(int repetitions, const std::function<void()>& body) {
  double best = 1e300;
  body();
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = Clock::now();
    body();
    best = std::min(best, Since(begin));
  }
  return best;
}

class ResNet50 {
 public:
  ResNet50() {
    Convolution("conv1", 64, 3, 7);
    int64_t in = 64;
    const int blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage) {
      const int64_t width = int64_t{64} << stage;
      for (int block = 0; block < blocks[stage]; ++block) {
        const std::string name =
            "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".";
        Convolution(name + "conv1", width, in, 1);
        Convolution(name + "conv2", width, width, 3);
        Convolution(name + "conv3", 4 * width, width, 1);
        if (block == 0) Convolution(name + "downsample", 4 * width, in, 1);
        in = 4 * width;
      }
    }
    Add("fc.weight", ParameterRole::kWeight, {1000, in});
    Add("fc.bias", ParameterRole::kBias, {1000});
  }
  std::vector<ops::Parameter> parameters;

 private:
  void Add(const std::string& name, ParameterRole role, std::vector<int64_t> shape) {
    parameters.push_back({name, role, torch::full(shape, 0.01).set_requires_grad(true)});
  }
  void Convolution(const std::string& name, int64_t out, int64_t in, int64_t kernel) {
    Add(name + ".weight", ParameterRole::kWeight, {out, in, kernel, kernel});
    Add(name + ".norm.weight", ParameterRole::kNormScale, {out});
    Add(name + ".norm.bias", ParameterRole::kNormShift, {out});
  }
};

// One in-place read-modify-write; its bytes are those of both directions.
void ModifyInPlace(const at::Tensor& array) {
  float* q = array.data_ptr<float>();
  at::parallel_for(0, array.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) q[i] = 0.999f * q[i] + 0.001f;
  });
}

double BytesOf(const at::Tensor& array) { return 2 * static_cast<double>(array.nbytes()); }

// Over memory as the state's, and as much of it.
Result<at::Tensor> InPlaceArray(comm::World& world, const ops::Reducer& reducer) {
  const int64_t count = 4 * reducer.spaces()[0].parameters.numel();
  STEMMA_ASSIGN_OR_RETURN(at::Tensor array,
                          ops::AllocateFlat(world, count, DType::kF32, "the in-place array"));
  return array.fill_(1);
}

double InPlaceBandwidth(int repetitions, const at::Tensor& array) {
  return BytesOf(array) / BestSeconds(repetitions, [&] { ModifyInPlace(array); });
}

Status Measure(const std::string& name, double bytes_each, int repetitions, double bandwidth,
               ops::Reducer& reducer) {
  optim::OptimSettings settings;
  settings.name = name;
  STEMMA_ASSIGN_OR_RETURN(auto optimizer, optim::Make(settings, 1000000, reducer));
  double count = 0;
  for (const auto& slot : reducer.plan().slots) count += static_cast<double>(slot.count);
  ops::NoFence fence;
  Status status;
  const double seconds = BestSeconds(repetitions, [&] {
    if (const Status step = optimizer->Step(0, fence); !step.ok()) status = step;
  });
  const double rate = bytes_each * count / seconds;
  std::printf("%-6s %7.2f ms  %3.0f B/parameter  %6.1f GB/s  %3.0f %% of in-place bandwidth\n",
              name.c_str(), 1e3 * seconds, bytes_each, rate / 1e9, 100 * rate / bandwidth);
  return status;
}

Status Run(int repetitions) {
  const auto worlds = comm::World::Threads(1);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          ops::Reducer::Create({}, *worlds[0], ResNet50().parameters));
  const ops::FlatSpace& space = reducer->spaces()[0];
  space.gradients.fill_(0.001);
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor array, InPlaceArray(*worlds[0], *reducer));
  const double bandwidth = InPlaceBandwidth(repetitions, array);
  std::printf("%zu tensors, %d threads, in-place bandwidth %.1f GB/s\n",
              reducer->plan().slots.size(), at::get_num_threads(), bandwidth / 1e9);
  STEMMA_RETURN_IF_ERROR(Measure("lamb", 44, repetitions, bandwidth, *reducer));
  STEMMA_RETURN_IF_ERROR(Measure("adamw", 32, repetitions, bandwidth, *reducer));
  STEMMA_RETURN_IF_ERROR(Measure("sgd", 24, repetitions, bandwidth, *reducer));
  return Measure("lars", 24, repetitions, bandwidth, *reducer);
}

// An optimizer asks for the fence between the norm and the update.
struct TimedFence final : ops::Fence {
  Status Wait() override {
    asked = Clock::now();
    return {};
  }
  Clock::time_point asked;
};

std::string ShapeOf(const at::Tensor& tensor) {
  std::string text;
  for (int64_t size : tensor.sizes()) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text + "]";
}

Status SayTensors(const optim::OptimSettings& settings, ops::Reducer& reducer) {
  STEMMA_ASSIGN_OR_RETURN(const auto spaces, optim::MakeSpaces(settings, reducer));
  int64_t all = 0, cached = 0;
  for (const optim::Group& group : spaces[0].groups) {
    for (int64_t t = group.first_tensor; t < group.end_tensor; ++t) {
      const int64_t count = spaces[0].tensors[static_cast<size_t>(t)].count;
      all += count;
      cached += group.cached ? count : 0;
    }
  }
  std::string shapes, decayed;
  for (const ops::Parameter& parameter : reducer.parameters()) {
    const bool weight = parameter.role == ParameterRole::kWeight;
    shapes += (shapes.empty() ? "" : ", ") + ShapeOf(parameter.tensor);
    decayed += (decayed.empty() ? "" : ", ") + std::string(weight ? "true" : "false");
  }
  std::printf("{\"parameters\": %lld, \"cached\": %lld, \"shapes\": [%s], \"decayed\": [%s]}\n",
              static_cast<long long>(all), static_cast<long long>(cached), shapes.c_str(),
              decayed.c_str());
  return {};
}

Status Serve() {
  const auto worlds = comm::World::Threads(1);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          ops::Reducer::Create({}, *worlds[0], ResNet50().parameters));
  const ops::FlatSpace& space = reducer->spaces()[0];
  space.gradients.fill_(0.001);
  optim::OptimSettings settings;
  STEMMA_RETURN_IF_ERROR(optim::ApplyPreset("timm", &settings));
  STEMMA_ASSIGN_OR_RETURN(auto optimizer, optim::Make(settings, 1000000, *reducer));
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor array, InPlaceArray(*worlds[0], *reducer));
  STEMMA_RETURN_IF_ERROR(SayTensors(settings, *reducer));
  std::fflush(stdout);
  TimedFence fence;
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = Clock::now();
    if (line == "inplace") {
      ModifyInPlace(array);
      std::printf("%.9g\n", BytesOf(array) / Since(begin));
    } else if (line == "lamb") {
      STEMMA_RETURN_IF_ERROR(optimizer->Step(0, fence));
      const double update = Since(fence.asked);
      std::printf("%.9g %.9g\n", Since(begin), update);
    } else {
      return {Code::kInvalidArgument, "'" + line + "': expected inplace or lamb"};
    }
    std::fflush(stdout);
  }
  return {};
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  const std::string argument = argc > 1 ? argv[1] : "20";
  const stemma::Status status =
      argument == "serve" ? stemma::Serve() : stemma::Run(std::max(std::atoi(argument.c_str()), 1));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
