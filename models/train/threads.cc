#include "models/train/threads.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <string>

#include "core/cohort.h"
#include "core/cores.h"
#include "models/train/course.h"

namespace stemma::models {

Status UseThreads(const RunSettings& settings, ops::World& world) {
  const int cores = CoresOfThisProcess();
  const int64_t asked = settings.device.threads;
  const int wanted = asked > 0 ? static_cast<int>(asked) : CoresPerRank(world.node_ranks());
  at::set_num_threads(wanted);
  if (wanted > cores) {
    std::fprintf(stderr,
                 "rank %d on %s: %d threads wanted, %d cores allowed; start with "
                 "mpirun --bind-to none, or set device.threads=%d\n",
                 world.rank(), world.host().c_str(), wanted, cores, cores);
  }
  const int64_t readers = LoaderThreads(settings, CoresPerRank(world.node_ranks()));
  if (settings.device.kind == "cuda" && readers > cores) {
    std::fprintf(stderr,
                 "rank %d on %s: %lld threads prepare data, %d cores allowed; start with "
                 "mpirun --bind-to none, or set train.loader_threads=%d\n",
                 world.rank(), world.host().c_str(), static_cast<long long>(readers), cores, cores);
  }
  return AgreeOn(world.cohort(), {{"LibTorch threads per rank", std::to_string(wanted)}});
}

}  // namespace stemma::models
