// How far this process's steady clock is from rank 0's, so that traces of several nodes share one
// time axis. Ping-pong: of sixteen exchanges the fastest counts, and half of its time is the error.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/status.h"

namespace stemma::comm {

// Nanoseconds to add here; 0 when the difference is within the error, as between processes of one
// node, which read the same clock. Collective; rank 0 answers one rank after the other. A rank that
// does not come ends the process after `limit` (comm/time_limit.h).
Result<int64_t> OffsetToRank0(int rank, int ranks, std::chrono::milliseconds limit);

}  // namespace stemma::comm
