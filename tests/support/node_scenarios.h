// What node-shared memory promises beyond the contract of every communicator, as functions of one
// rank: run by ranks that are threads (tests/ranks) and processes (tests/mpi).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/node_shared_communicator.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::tests {

// The ways to set up a communicator that must give the same bits: who drives it, when it sleeps,
// and every threshold, small enough that short calls are cut into several pieces.
struct NodeSetup {
  comm::NodeWaiting waiting;
  comm::NodeSharedCommunicator::Options options;
};
std::vector<NodeSetup> NodeSetups();

Result<std::unique_ptr<comm::NodeSharedCommunicator>> OpenNode(Cohort& node,
                                                               const NodeSetup& setup);

// Every setup, every promise of communicator_contract.h.
Status KeepsTheContract(Cohort& node);
// Spans in a segment, outside and mixed over the ranks, aligned and not, at sizes around every
// threshold, in f32 and bf16: the bits of ((g0 + g1) + g2) ... in rank order.
Status GivesTheSameBitsFromAnyMemory(Cohort& node);
// The same for the verbs that move, in place and not.
Status MovesFromAnyMemory(Cohort& node);
// A rank that computes lets the others finish by Progress alone, and by its other waits.
Status ProgressServesPeers(Cohort& node);
// More calls under way than the ring holds; segments freed on some ranks while others use theirs.
Status OutgrowsTheRing(Cohort& node);
Status FreesSegments(Cohort& node);
// kIncompatible on every rank, naming who called what.
Status NamesMismatchedCalls(Cohort& node);
// kTimeout that names who did not come, on those who did; then on the late one too.
Status NamesLateRanks(Cohort& node);
// One rank aborts while the others sleep: they return its cause.
Status AbortWakesSleepers(Cohort& node);

}  // namespace stemma::tests
