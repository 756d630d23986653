// [comm]: how ranks find and talk to each other. Plain data; see models/train/settings.h for how
// the sections become one list.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::comm {

struct CommSettings {
  std::string backend = "auto";  // auto | mpi | threads | nccl
  std::string device = "cpu";    // cpu | cuda; set from device.kind
  std::string check = "off";     // off | full: ranks compare each call before it begins
  double deadline_s = 150;       // every wait; the backstop
  double init_timeout_s = 60;    // until all ranks have said hello
  int64_t control_lag = 1;       // steps between posting and reading a control word: 0 or 1
};

}  // namespace stemma::comm
