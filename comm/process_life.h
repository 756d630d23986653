// Whether another process of this host still lives, as /proc tells it. No state; any thread.
#pragma once

#include <cstdint>

namespace stemma::comm {

struct ProcessLife {
  bool alive = false;    // neither gone nor a zombie, as far as could be seen
  bool stopped = false;  // by SIGSTOP or a debugger
  int64_t start = 0;     // clock ticks since boot; another number is another process; 0: not seen
  // False when `other` is known to be another process's start.
  bool BeganAt(int64_t other) const { return start == 0 || other == 0 || start == other; }
};

ProcessLife LookAt(int pid);

// The name space in which this process's number means something; another one is another container.
uint64_t OwnPidSpace();

// A descriptor that becomes readable when the process ends, or -1 where the kernel has none.
int OpenEndOf(int pid);

}  // namespace stemma::comm
