#include "models/train/threads.h"

#include <sched.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/cores.h"
#include "models/train/course.h"

namespace stemma::models {
namespace {

std::string OwnMask() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return "";  // more than a cpu_set
  return std::string(reinterpret_cast<const char*>(&cores), sizeof cores);
}

bool Overlap(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return true;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if ((a[i] & b[i]) != 0) return true;
  }
  return false;
}

Result<std::vector<RankCores>> CoresOfAll(ops::World& world) {
  Encoder mine;
  mine.String(world.host());
  mine.String(OwnMask());
  STEMMA_ASSIGN_OR_RETURN(const auto all, world.cohort().AllGather(mine.Take()));
  std::vector<RankCores> ranks;
  for (const std::string& bytes : all) {
    Decoder in(bytes);
    RankCores cores;
    cores.host = in.String();
    cores.mask = in.String();
    ranks.push_back(std::move(cores));
  }
  return ranks;
}

}  // namespace

int RanksSharing(const std::vector<RankCores>& ranks, int rank, int node_ranks) {
  const RankCores& own = ranks[static_cast<size_t>(rank)];
  int here = 0, sharing = 0;
  for (const RankCores& other : ranks) {
    if (other.host != own.host) continue;
    ++here;
    if (&other == &own || Overlap(other.mask, own.mask)) ++sharing;
  }
  return (node_ranks * sharing + here - 1) / here;
}

Status UseThreads(const RunSettings& settings, ops::World& world) {
  const int cores = CoresOfThisProcess();
  STEMMA_ASSIGN_OR_RETURN(const auto ranks, CoresOfAll(world));
  const int share =
      std::max(1, cores / RanksSharing(ranks, world.rank(), std::max(1, world.node_ranks())));
  STEMMA_ASSIGN_OR_RETURN(const int least, world.cohort().Min(share));
  const auto asked = static_cast<int>(settings.device.threads);
  const int wanted = asked > 0 ? asked : least;
  at::set_num_threads(wanted);
  if (wanted > cores) {
    std::fprintf(stderr,
                 "rank %d on %s: %d threads wanted, %d cores allowed; start with "
                 "mpirun --bind-to none, or set device.threads=%d\n",
                 world.rank(), world.host().c_str(), wanted, cores, cores);
  }
  const int64_t readers = LoaderThreads(settings, ShareOfCores(settings, world));
  if (settings.device.kind == "cuda" && readers > cores) {
    std::fprintf(stderr,
                 "rank %d on %s: %lld threads prepare data, %d cores allowed; start with "
                 "mpirun --bind-to none, or set train.loader_threads=%d\n",
                 world.rank(), world.host().c_str(), static_cast<long long>(readers), cores, cores);
  }
  return AgreeOn(world.cohort(), {{"LibTorch threads per rank", std::to_string(wanted)}});
}

int ShareOfCores(const RunSettings& settings, ops::World& world) {
  return settings.device.threads > 0 ? CoresPerRank(world.node_ranks()) : at::get_num_threads();
}

}  // namespace stemma::models
