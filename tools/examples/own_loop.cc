// Data-parallel training for people who own their loop: a network, its data and the loop are yours,
// Stemma reduces the gradients. Learns sin(x) on [-3, 3].
//
//   mpirun -n 2 own_loop        (or own_loop alone: one rank)
#include <torch/torch.h>

#include <cstdio>

#include "comm/world.h"
#include "core/exit_code.h"
#include "ops/fence.h"
#include "ops/guard.h"
#include "ops/reducer.h"
#include "ops/tensor_collectives.h"
#include "optim/optimizer.h"

namespace {

constexpr int64_t kSteps = 300, kBatch = 64;  // samples of the global batch, over all ranks

// Which samples a rank draws follows from the step alone, so the result does not depend on the
// number of ranks (but for the order of sums).
at::Tensor MyInputs(const stemma::comm::World& world, int64_t step) {
  const at::Tensor all = at::frac((at::arange(kBatch) + step * kBatch) * 0.6180339887) * 6 - 3;
  return all.tensor_split(world.ranks())[static_cast<size_t>(world.rank())].unsqueeze(1);
}

stemma::Status Train(stemma::comm::World& world) {
  torch::manual_seed(1);
  torch::nn::Sequential net(torch::nn::Linear(1, 32), torch::nn::Tanh(), torch::nn::Linear(32, 1));
  std::vector<stemma::ops::Parameter> parameters;
  for (const auto& p : net->named_parameters()) {
    const bool is_bias = p.key().find("bias") != std::string::npos;
    using Role = stemma::ops::ParameterRole;
    parameters.push_back({p.key(), is_bias ? Role::kBias : Role::kWeight, p.value()});
  }
  STEMMA_ASSIGN_OR_RETURN(auto reducer, stemma::ops::Reducer::Create({}, world, parameters));
  stemma::optim::OptimSettings settings;
  settings.name = "adamw";
  settings.lr = 0.01;
  STEMMA_ASSIGN_OR_RETURN(auto optimizer, stemma::optim::Make(settings, kSteps, *reducer));
  stemma::ops::NoFence no_captures;

  at::Tensor loss;
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor x = MyInputs(world, step);
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({1, kBatch}));
    STEMMA_RETURN_IF_ERROR(stemma::ops::Guard("backward", [&]() -> stemma::Status {
      loss = (net->forward(x) - at::sin(x)).square().sum();  // a sum: divided by kBatch
      loss.backward();
      return {};  // LibTorch throws; Guard makes a Status of it
    }));
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    STEMMA_RETURN_IF_ERROR(optimizer->Step(step, no_captures));
  }
  loss = loss.detach();
  STEMMA_RETURN_IF_ERROR(stemma::ops::AllReduce(world, loss, stemma::comm::Op::kSum, 1.0 / kBatch));
  if (world.rank() == 0) {
    std::printf("%lld steps, %s: loss %.6f\n", static_cast<long long>(kSteps),
                world.description().c_str(), loss.item<double>());
  }
  return world.Close();
}

}  // namespace

int main() {
  auto world = stemma::comm::World::Open({}, {{"LibTorch", TORCH_VERSION}});
  const stemma::Status status = world.ok() ? Train(**world) : world.status();
  if (status.ok()) return stemma::kExitDone;
  if (world.ok()) (*world)->Abort(status, stemma::ExitCodeFor(status));  // ends the other ranks too
  std::fprintf(stderr, "own_loop: %s\n", status.message().c_str());
  return stemma::ExitCodeFor(status);
}
