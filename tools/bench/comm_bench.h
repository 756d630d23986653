// `stemma bench comm`: how fast the world's data communicator moves bytes, call by call and size by
// size.
//
// Rounds visit every operation and size in turn, so that a disturbance hits all alike. In a round
// each call is preceded by a rewrite of all buffers and a barrier, neither timed; a call counts as
// long as on its slowest rank; a visit's result is checked after its last call. Printed are the
// median, p95 and best of all calls. Collective. Thread: the loop's.
#pragma once

#include "comm/world.h"
#include "core/status.h"
#include "tools/bench/options.h"

namespace stemma::bench {

Status RunCommBench(const CommFlags& flags, comm::World& world);

}  // namespace stemma::bench
