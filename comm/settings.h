// [comm]: how ranks find and talk to each other. Plain data; see models/train/settings.h for how
// the sections become one list.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::comm {

// [diagnose]: when a job that does not move is spoken about, and ended (comm/watchdog.h).
struct DiagnoseSettings {
  double warn_s = 30;         // no rank of this node moves: one warning with the verdict; 0: never
  double abort_s = 120;       // verdict, dumps, exit 75 on all ranks; 0: never
  std::string trace = "off";  // on | off: what a training does without a file TRACE
};

struct CommSettings {
  std::string backend = "auto";     // auto | node-shared | hierarchical | mpi | threads | nccl
  std::string device = "cpu";       // cpu | cuda; set from device.kind
  std::string check = "off";        // off | full: ranks compare each call before it begins
  double deadline_s = 150;          // every wait; the backstop
  double init_timeout_s = 60;       // until all ranks have said hello
  std::string progress = "auto";    // auto | hook | thread: who does a rank's share, node-shared
  int64_t node_small_bytes = 512;   // up to here a node-shared call travels in its post
  int64_t spin_us = 50;             // awake while waiting for a rank of the node, then asleep
  int64_t chunk_bytes = 256 << 10;  // of a sum that walks from node to node
  std::string fake_nodes;           // "0,1|2,3": which ranks share a node, for tests
  int64_t ranks_per_node = 0;       // the same for nodes of that many neighbours; 0: as they are
  int64_t control_lag = 1;          // steps between posting and reading a control word: 0 or 1
  DiagnoseSettings diagnose;
};

}  // namespace stemma::comm
