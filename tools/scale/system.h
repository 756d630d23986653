// A machine as the simulator sees it: every number with its range and where it comes from. The four
// that ship are text inside the program; a machine of your own is a file of the same form, and
// `stemma scale predict --show-system NAME` prints one to begin with.
//
//   STEMMA_ASSIGN_OR_RETURN(System summit, FindSystem("summit"));
//   STEMMA_ASSIGN_OR_RETURN(System mine, ReadSystem(text, "mine.toml"));
//   Constant* bus = &summit.network_bus_gb_s;
//
// Units are in the names. Plain values. Failure: kInvalidArgument with file, line and key;
// kNotFound names the nearest machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/scale/collective.h"
#include "tools/scale/constant.h"

namespace stemma::scale {

// What a model's step takes on one rank of this machine: fixed + per_sample * batch, forward,
// backward and update together, and an epoch's other work: validation shared by the ranks, and what
// does not become shorter with more of them (checkpoint, restart of loaders).
struct ModelTimes {
  std::string model;
  Constant fixed_ms, per_sample_ms, validation_s, epoch_s;
};

struct System {
  std::string name, description;
  int64_t ranks_per_node = 1;
  int64_t validated_ranks = 1;  // the most ranks of which measurements are known
  std::string generation = "volta", link = "nvlink", nccl_name;
  std::shared_ptr<const NcclConstants> nccl;

  Constant intra_bus_gb_s, network_bus_gb_s, nvls_bus_gb_s;  // nvls 0: no such switch
  Constant channels;
  Constant contention;          // >= 1: how much longer calls take that overlap with backward
  Constant memory_gb_s;         // of the device, for the optimizer's pass
  Constant control_us;          // per step: the control word and what the host adds
  Constant jitter_normal;       // standard deviation of a rank's compute time, as a share of it
  Constant jitter_exponential;  // the same with an exponential tail
  Constant slow_node_share, slow_node_factor;  // nodes that are always slow, and by how much
  // Shared storage: BW(N) = min(N * client, cap / (1 + N / half)), hidden by prefetching, and a
  // wait per sample for every rank that reads at the same time, which prefetching did not hide.
  Constant client_gb_s, storage_cap_gb_s, storage_half_ranks, wait_us;
  Constant local_gb_s;    // a node's own disk, for staged input
  Constant decode_gb_s;   // input that a rank's cores can decode
  Constant cold_factor;   // how much longer the first epoch takes
  Constant write_gb_s;    // what the shared storage takes of captures
  Constant capture_gb_s;  // a rank's copy out of the training's way
  Constant start_s;       // from the launch to the first step

  std::vector<ModelTimes> times;

  const ModelTimes* TimesOf(const std::string& model) const;  // null: not known here
  Fabric MakeFabric() const;
  // All constants by name, those of `model` included.
  std::vector<std::pair<std::string, Constant*>> Constants(const std::string& model);
};

Result<System> ReadSystem(std::string_view toml, const std::string& name);
Result<System> FindSystem(const std::string& name);
std::vector<std::string> SystemNames();
Result<std::string> SystemText(const std::string& name);  // the TOML of one that ships

}  // namespace stemma::scale
