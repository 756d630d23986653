// The communicators of one rank in memory of its node: one for data, one for agreement and one for
// the control word, so that they never meet. They share one NodePeers: whatever arrives wakes the
// rank, and who waits in agreement or control also makes progress for data, where a peer may be
// waiting first.
//
// Owner: the World.
#pragma once

#include <memory>

#include "comm/node_shared_communicator.h"
#include "comm/settings.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

struct NodeLinks {
  std::unique_ptr<NodeSharedCommunicator> agreement, words, data;

  // Collective over the ranks of the node. The errors of comm/node_memory.h, the same on all.
  static Result<NodeLinks> Connect(Cohort& node, const CommSettings& settings);
  // A communicator for data of some ranks of the node, over which it is collective. Driver::kThread
  // where the rank may be waiting in another communicator, which does not know this. `first_rank`:
  // what rank 0 of it is called in messages.
  static Result<std::unique_ptr<NodeSharedCommunicator>> ConnectGroup(
      Cohort& members, const CommSettings& settings, NodeSharedCommunicator::Driver driver,
      int first_rank);
};

}  // namespace stemma::comm
