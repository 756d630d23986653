// The GPU of a rank, as the World needs it. Two implementations, chosen when Stemma is built: with
// --config=cuda the real one (gpu.cc over CUDA and NCCL), otherwise no_gpu.cc, which says how to
// get one. A GPU that was asked for and cannot be had is an error, never a silent step down to the
// CPU.
//
// Thread: the loop's.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

struct Gpu {
  int index = -1;
  std::string uuid;
};

// Makes the GPU of this host's rank `node_rank` (world_choice.h) the current one of this thread,
// before any other CUDA call could open a context on GPU 0. kInvalidArgument, with the driver's own
// words, where none is.
Result<Gpu> TakeGpu(int node_rank);

// Versions that must be the same on all ranks: CUDA runtime and driver, NCCL.
Result<Facts> GpuFacts();

// Collective: rank 0's NCCL identity travels through the cohort. The communicator uses the current
// GPU.
Result<std::unique_ptr<Communicator>> MakeGpuCommunicator(Cohort& cohort,
                                                          std::chrono::milliseconds deadline);

// Collective over the ranks of `parent`, which MakeGpuCommunicator made and which has nothing under
// way that a peer could wait for. A communicator of the `ranks` ranks with a place (0 or more), in
// that order; null on the others.
Result<std::unique_ptr<Communicator>> SplitGpuCommunicator(Communicator& parent, int place,
                                                           int ranks);

}  // namespace stemma::comm
