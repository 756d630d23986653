// [comm]: how ranks find and talk to each other. Plain data; see models/train/settings.h for how
// the sections become one list.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::comm {

// [diagnose]: when a job that does not move is spoken about, and ended (comm/watchdog.h).
struct DiagnoseSettings {
  double warn_s = 30;    // without progress of any rank: one warning with the verdict; 0: never
  double abort_s = 120;  // verdict, dumps, exit 75 on all ranks; 0: never
  std::string trace = "off";  // on | off: what a training does without a file TRACE
};

struct CommSettings {
  std::string backend = "auto";  // auto | mpi | threads | nccl
  std::string device = "cpu";    // cpu | cuda; set from device.kind
  double deadline_s = 150;       // every wait; the backstop
  double init_timeout_s = 60;    // until all ranks have said hello
  int64_t control_lag = 1;       // steps between posting and reading a control word: 0 or 1
  DiagnoseSettings diagnose;
};

}  // namespace stemma::comm
