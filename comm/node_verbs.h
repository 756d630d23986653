// What each collective does with the pieces of one call in node memory: which bytes every rank has
// for whom, how they are cut, and the share of one rank. Behind comm/node_calls.h, which knows
// when.
//
// Every verb is cut alike. What rank r gives to rank d is one range of its memory (all_gather and
// broadcast have one range, for everybody); piece k of a call is the k-th window of every range.
// Ranges of memory that peers see (a Segment) are used where they lie. Others pass through staging
// memory, where the windows of a piece lie side by side; what a rank has for itself it reads where
// it is. If all ranks' memory is seen, the call is one piece.
//
//   all_reduce      range d: slice d of the span. Rank d sums it over all ranks, in rank order, and
//                   writes the sum into all memory that it sees. For the others it leaves the sum
//                   in its own staging memory, from where they fetch it
//   reduce_scatter  range d: the elements of rank d, who sums them into `mine`
//   all_gather      one range; everybody copies everybody's
//   broadcast       one range, of the root; everybody copies it
//   all_to_all      range d: the block for rank d, who copies it
//
// Calls of up to Sizes::inline_bytes travel in the posted call itself and every rank does the whole
// work: one wait instead of two. Bits do not depend on which way a call takes.
//
// Thread: one per rank. Pure but for the memory of the call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/node_call.h"
#include "comm/node_channel.h"
#include "comm/node_segments.h"

namespace stemma::comm {

class NodeVerbs {
 public:
  // Both outlive this object.
  NodeVerbs(const NodeChannel& channel, const NodeSegments& segments);

  // Decides where the call's data lie and fills in what the peers must know, all but the number.
  void Describe(NodeCall& call, NodePost& post) const;
  // OK, or kIncompatible naming who called what. REQUIRES: all ranks have posted `number`.
  Status Match(uint64_t number, const NodeCall& call) const;
  // Decides how the call is cut. REQUIRES: Match is OK
  void Cut(uint64_t number, NodeCall& call) const;

  void Stage(uint64_t number, const NodeCall& call, int64_t piece) const;  // for the others
  // The sums of a piece that others left in their staging memory.
  void Fetch(uint64_t number, const NodeCall& call, int64_t piece) const;
  // Has `rank` nothing to stage any more for this piece?
  bool IsStaged(uint64_t number, const NodeCall& call, int rank, int64_t piece) const;
  void Serve(uint64_t number, const NodeCall& call, int64_t piece);  // this rank's share
  void ServeInline(uint64_t number, const NodeCall& call);           // the whole work

  // all_reduce "bucket 4" f32[4096] sum: as people read it.
  std::string Text(const NodePost& post) const;

 private:
  int ranks() const { return channel_.ranks(); }
  int ranges(const NodeCall& call) const;
  int64_t RangeBegin(uint64_t number, const NodeCall& call, int rank, int range) const;
  int64_t RangeBytes(uint64_t number, const NodeCall& call, int rank, int range) const;
  int64_t LargestRange(uint64_t number, const NodeCall& call, int rank) const;
  int64_t StagedWindow(const NodeCall& call) const;
  int64_t InlineBytes(const NodeCall& call, int rank) const;
  bool FitsInline(const NodeCall& call) const;
  int64_t WindowBytes(uint64_t number, const NodeCall& call, int rank, int range,
                      int64_t piece) const;
  char* Source(uint64_t number, const NodeCall& call, int rank, int range, int64_t piece) const;
  void CopyFrom(uint64_t number, const NodeCall& call, int64_t piece) const;
  Status MatchBlocks(uint64_t number) const;

  const NodeChannel& channel_;
  const NodeSegments& segments_;
  const int rank_;
  std::vector<const void*> from_;  // of the ranks, while one piece is reduced
  std::vector<void*> to_;          // and one more
  std::vector<const void*> at_from_;
  std::vector<void*> at_to_;
};

}  // namespace stemma::comm
