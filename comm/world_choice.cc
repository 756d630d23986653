#include "comm/world_choice.h"

#include <algorithm>
#include <iterator>

namespace stemma::comm {
namespace {

Status Refuse(const std::string& why) { return {Code::kInvalidArgument, why}; }

std::string Counted(int number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

// Longer than any job, and short enough for the clocks' 64-bit nanoseconds. NaN fails as well.
constexpr double kSecondsMax = 1e7;

Status CheckSeconds(const char* name, double seconds, bool zero_is_never) {
  if (seconds <= kSecondsMax && (zero_is_never ? seconds >= 0 : seconds > 0)) return {};
  return Refuse(std::string(name) +
                (zero_is_never ? " must be 0 (never) or above 0" : " must be above 0") +
                ", at most 10000000 seconds");
}

Status CheckTimes(const CommSettings& settings) {
  STEMMA_RETURN_IF_ERROR(CheckSeconds("comm.deadline_s", settings.deadline_s, false));
  STEMMA_RETURN_IF_ERROR(CheckSeconds("comm.init_timeout_s", settings.init_timeout_s, false));
  STEMMA_RETURN_IF_ERROR(CheckSeconds("diagnose.warn_s", settings.diagnose.warn_s, true));
  return CheckSeconds("diagnose.abort_s", settings.diagnose.abort_s, true);
}

Status CheckNodes(const CommSettings& settings) {
  if (settings.ranks_per_node < 0 || settings.ranks_per_node > 65536) {
    return Refuse("comm.ranks_per_node must be from 0 to 65536");
  }
  if (!settings.fake_nodes.empty() && settings.ranks_per_node > 0) {
    return Refuse("comm.fake_nodes and comm.ranks_per_node both say who shares a node: set one");
  }
  const bool cuda = settings.device == "cuda";
  if (cuda && (!settings.fake_nodes.empty() || settings.ranks_per_node > 0)) {
    return Refuse("comm.fake_nodes and comm.ranks_per_node are for CPUs: set device.kind=cpu");
  }
  return {};
}

}  // namespace

Status CheckSettings(const CommSettings& settings) {
  const char* const backends[] = {"auto", "node-shared", "hierarchical", "mpi", "threads", "nccl"};
  const auto* const end = std::end(backends);
  if (std::find(std::begin(backends), end, settings.backend) == end) {
    return Refuse("comm.backend=" + settings.backend +
                  " is not known; known are auto, node-shared, hierarchical, mpi, threads, nccl");
  }
  if (settings.device != "cpu" && settings.device != "cuda") {
    return Refuse("device.kind=" + settings.device + " is not known; known are cpu, cuda");
  }
  const bool cuda = settings.device == "cuda";
  if (cuda && settings.backend != "auto" && settings.backend != "nccl") {
    return Refuse("comm.backend=" + settings.backend +
                  " moves host memory and device.kind=cuda is asked for: set comm.backend=nccl or "
                  "auto, or device.kind=cpu");
  }
  if (!cuda && settings.backend == "nccl") {
    return Refuse(
        "comm.backend=nccl moves GPU memory: set device.kind=cuda, or "
        "comm.backend=auto");
  }
  if (settings.check != "off" && settings.check != "full") {
    return Refuse("comm.check=" + settings.check + " is not known; known are off, full");
  }
  if (settings.progress != "auto" && settings.progress != "hook" && settings.progress != "thread") {
    return Refuse("comm.progress=" + settings.progress +
                  " is not known; known are auto, hook, thread");
  }
  if (settings.node_small_bytes < 0 || settings.node_small_bytes > 65536) {
    return Refuse("comm.node_small_bytes must be from 0 to 65536");
  }
  if (settings.spin_us < 0) return Refuse("comm.spin_us must not be below 0");
  if (settings.chunk_bytes < 1024 || settings.chunk_bytes > 64 << 20) {
    return Refuse("comm.chunk_bytes must be from 1024 to 67108864");
  }
  STEMMA_RETURN_IF_ERROR(CheckNodes(settings));
  STEMMA_RETURN_IF_ERROR(CheckTimes(settings));
  if (settings.control_lag != 0 && settings.control_lag != 1) {
    return Refuse("comm.control_lag must be 0 or 1");
  }
  return {};
}

Result<Backend> ChooseBackend(const CommSettings& settings, int ranks, int hosts, bool mpi_runs) {
  if (settings.device == "cuda") return Backend::kNccl;
  if ((settings.backend == "mpi" || settings.backend == "hierarchical") && !mpi_runs) {
    return Refuse("comm.backend=" + settings.backend +
                  " needs a launcher: start with `mpirun -n 1`, or set comm.backend=auto");
  }
  if (settings.backend == "threads" && ranks > 1) {
    return Refuse("comm.backend=threads is a world of one, but " + std::to_string(ranks) +
                  " ranks were started: set comm.backend=auto or mpi");
  }
  if (settings.backend == "node-shared" && hosts > 1) {
    return Refuse("comm.backend=node-shared is memory of one host, but the ranks are on " +
                  std::to_string(hosts) + " hosts: set comm.backend=auto, hierarchical or mpi");
  }
  if (settings.backend == "node-shared") return Backend::kNodeShared;
  if (settings.backend == "mpi") return Backend::kMpi;
  if (settings.backend == "hierarchical" || hosts > 1) return Backend::kHierarchical;
  return ranks > 1 ? Backend::kNodeShared : Backend::kThreads;
}

Result<int> ChooseGpu(int node_rank, int visible) {
  if (visible == 1) return 0;
  if (node_rank < visible) return node_rank;
  return Refuse("rank " + std::to_string(node_rank) +
                " of this host has no GPU of its own: " + std::to_string(visible) +
                " visible; start at most that many ranks per host, or show each rank the one that "
                "is its own");
}

Status RefuseSharedGpus(const std::vector<std::string>& gpus) {
  for (size_t a = 0; a < gpus.size(); ++a) {
    for (size_t b = a + 1; b < gpus.size(); ++b) {
      if (gpus[a] != gpus[b]) continue;
      return Refuse("ranks " + std::to_string(a) + " and " + std::to_string(b) +
                    " share one GPU (host " + gpus[a] +
                    "), which NCCL cannot do: give each rank its own GPU, start fewer ranks, or "
                    "set device.kind=cpu");
    }
  }
  return {};
}

std::string DescribeWorld(int ranks, int hosts, Backend backend) {
  const std::string name = backend == Backend::kNccl           ? "nccl, order of NCCL"
                           : backend == Backend::kMpi          ? "mpi, order rank"
                           : backend == Backend::kHierarchical ? "hierarchical, order rank"
                           : backend == Backend::kNodeShared   ? "node-shared, order rank"
                                                               : "threads, order rank";
  return Counted(ranks, "rank") + " on " + Counted(hosts, "host") + ", backend " + name;
}

}  // namespace stemma::comm
