// The steady clock, for time stamps of collective calls: two belong to a call of 400 ns, and asking
// the kernel's clock takes up to 60 ns of that.
#pragma once

#include <cstdint>

namespace stemma::comm {

// CLOCK_MONOTONIC, which all processes of a host share, to within a microsecond. Where the kernel
// itself counts the processor's ticks, they are counted here too, from a reading of the clock that
// is at most some milliseconds old; elsewhere this is that clock. May step back by that microsecond
// between two threads, or when it is read anew. Thread: any.
int64_t SteadyNanoseconds();

}  // namespace stemma::comm
