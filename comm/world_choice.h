// Which backend a World uses, and what in the settings cannot be right. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "comm/settings.h"
#include "core/status.h"

namespace stemma::comm {

enum class Backend { kThreads, kNodeShared, kHierarchical, kMpi, kNccl };

// What can be decided before anybody is asked: unknown names, values out of range, and backends
// that do not go with the device. kInvalidArgument.
Status CheckSettings(const CommSettings& settings);

// `auto` is threads for one rank, node-shared for several on one host, hierarchical on several
// hosts, and nccl on GPUs. `mpi_runs`: a launcher started this process, or the program initialised
// MPI.
Result<Backend> ChooseBackend(const CommSettings& settings, int ranks, int hosts, bool mpi_runs);

// Which of the GPUs that this process sees is that of its host's rank `node_rank`. A single one is
// taken by whoever sees it: where the launcher deals out GPUs (Slurm's --gpus-per-task, a wrapper
// that sets CUDA_VISIBLE_DEVICES) each rank sees its own as number 0. kInvalidArgument: none left.
Result<int> ChooseGpu(int node_rank, int visible);

// `gpus`: host and GPU of every rank, in words. kInvalidArgument, with both ranks, for two on one:
// NCCL refuses that too, with fewer words.
Status RefuseSharedGpus(const std::vector<std::string>& gpus);

// "2 ranks on 1 host, backend node-shared, order rank"
std::string DescribeWorld(int ranks, int hosts, Backend backend);

}  // namespace stemma::comm
