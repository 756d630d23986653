#include "models/train/threads.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <string>

#include "core/cohort.h"
#include "core/cores.h"

namespace stemma::models {

Status UseThreads(const DeviceSection& device, ops::World& world) {
  const int cores = CoresOfThisProcess();
  const int64_t asked = device.threads;
  const int wanted = asked > 0 ? static_cast<int>(asked) : CoresPerRank(world.node_ranks());
  at::set_num_threads(wanted);
  if (wanted > cores) {
    std::fprintf(stderr,
                 "rank %d on %s: %d threads wanted, %d cores allowed; start with "
                 "mpirun --bind-to none, or set device.threads=%d\n",
                 world.rank(), world.host().c_str(), wanted, cores, cores);
  }
  return AgreeOn(world.cohort(), {{"LibTorch threads per rank", std::to_string(wanted)}});
}

}  // namespace stemma::models
