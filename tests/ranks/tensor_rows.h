// Rows of the conformance checklist that speak of tensors, as functions of one rank:
// tests/conformance runs them on every backend. Each returns the first expectation that was not
// met. Values are small integers, so results are exact.
#pragma once

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::tests {

Status Row25OtherDevice(comm::Communicator& c);
Status Row28NoElements(comm::Communicator& c);
Status Row30NonContiguous(comm::Communicator& c);
Status Row31UnsupportedTypes(comm::Communicator& c);
Status Row36GatherEqual(comm::Communicator& c);
Status Row37GatherUnequal(comm::Communicator& c);
Status Row38GatherErrors(comm::Communicator& c);
Status Row39BroadcastEveryRoot(comm::Communicator& c);
Status Row40BroadcastInvalidRoot(comm::Communicator& c);
Status Row41BroadcastManyTensors(comm::Communicator& c);
Status Row42ReduceScatter(comm::Communicator& c);
Status Row43ReduceScatterErrors(comm::Communicator& c);
Status Row44ScatterGatherIsAllReduce(comm::Communicator& c);
// REQUIRES: two ranks or more; one divides everything.
Status Row45EqualSplitNotDivisible(comm::Communicator& c);
Status Row46AllToAllSplits(comm::Communicator& c);
Status Row47AllToAllErrors(comm::Communicator& c);
// The Work of AllReduceAsync keeps its tensor when the caller drops it.
Status AsyncHoldsItsTensor(comm::Communicator& c);

}  // namespace stemma::tests
