// The place where the ranks of one node leave word of themselves, from before MPI_Init until they
// end: one flight recorder each, and who speaks for all when something goes wrong.
//
//   std::unique_ptr<NodeBoard> board = NodeBoard::Join(PlaceOf(EnvironmentVariable));
//   FlightRecorder recorder(board->mine());
//   for (int slot = 0; slot < board->slots(); ++slot) FlightRecorder::ReadHost(board->slot(slot));
//
// It is a file in /dev/shm named after the job, which every rank of the node maps; it is there
// before MPI is, so that a rank that never comes is missed by name, and it can be read after its
// owner was killed. Once all have come, the first to know unlinks it: what is mapped stays until
// the last rank ends, and nothing is left behind. A job that dies earlier leaves the file, which a
// job of the same user removes that starts more than an hour later.
//
// Where /dev/shm cannot be used the board is private: a rank then knows only of itself,
// Arrivals() says why, and peers are missed by the launcher and by deadlines alone.
//
// Join: once per process. Reading and claiming: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/launch.h"

namespace stemma::comm {

// Who this process is to its launcher, before MPI says so.
struct BoardPlace {
  std::string job;  // the same on all ranks of a job and on no other; "": a world of one
  int rank = 0, ranks = 1;
  int slot = 0;        // 0, 1, ... among the ranks of this host
  int slots = 1;       // how many of them there are, or room enough
  bool exact = false;  // `slots` is their number
};
BoardPlace PlaceOf(const Environment& environment);

class NodeBoard {
 public:
  static std::unique_ptr<NodeBoard> Join(const BoardPlace& place);
  // For ranks that are threads, and where nothing can be shared.
  static std::unique_ptr<NodeBoard> Private(int slots, const std::string& note = "");
  ~NodeBoard();
  NodeBoard(const NodeBoard&) = delete;

  int slots() const { return slots_; }
  int own() const { return own_; }      // this rank's slot
  int ranks() const { return ranks_; }  // of the job, as far as the launcher says
  // With one host: a slot's number is a rank, so that those who have not come have a name.
  bool slots_are_ranks() const { return exact_ && slots_ == ranks_; }
  uint64_t pid_space() const { return pid_space_; }
  void* mine() const { return slot(own_); }
  void* slot(int index) const;
  bool shared() const { return !path_.empty(); }

  // No later rank will need the file. Idempotent.
  void Unlink();

  // True for the first on this node, once: who prints why the job ends.
  bool ClaimCause();
  bool cause_claimed() const;

  // "arrived on this host: ranks {0,2}, 1 of 3 are missing: ranks {1}": for a start that takes too
  // long.
  std::string Arrivals() const;

 private:
  struct Header;
  NodeBoard() = default;
  Header& header() const { return *static_cast<Header*>(memory_); }

  void* memory_ = nullptr;
  int64_t bytes_ = 0;
  int slots_ = 1, own_ = 0, ranks_ = 1;
  bool exact_ = false, unlinked_ = false;
  uint64_t pid_space_ = 0;
  std::string path_, note_;
};

}  // namespace stemma::comm
