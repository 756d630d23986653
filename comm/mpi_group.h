// The MPI calls that Stemma makes once it runs, each with a deadline. One MpiGroup is one duplicate
// of MPI_COMM_WORLD, or of a part of it, whose errors are returned instead of ending the process;
// data, agreement and control word each have their own, so that they never meet. MPI's types stay
// in the .cc file.
//
//   STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
//   STEMMA_RETURN_IF_ERROR(group->Barrier({deadline, "start of the run"}));
//
// MPI moves bytes here; the only values it ever combines are the integers of Min and PostOr.
// Lengths are 64-bit: what MPI's int counts cannot say is cut into pieces.
//
// A wait that passes its deadline is kTimeout and names `what`. MPI cannot take back an operation
// that has begun, so a group that failed is never freed, its own buffers stay where MPI may still
// write to them, and every later call returns the first failure. Memory of the caller should stay
// until the process ends.
//
// Thread: one at a time per group, except Fail (any).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

struct Waiting {
  std::chrono::milliseconds deadline{0};
  std::string what;
  const std::atomic<bool>* cancelled = nullptr;  // looked at while waiting
  // Between tests: yield the core only (bytes are moving), or sleep (a peer is still computing).
  bool eager = false;
};

using Words = std::array<uint64_t, 8>;

class MpiGroup {
 public:
  static constexpr int64_t kPieceBytesMax = int64_t{1} << 30;

  // Collective, blocks. `piece_bytes_max`: at most the default; tests take small ones, so that
  // cutting is tried without gigabytes. The same on all ranks.
  static Result<std::unique_ptr<MpiGroup>> DuplicateWorld(int64_t piece_bytes_max = kPieceBytesMax);
  // Collective over the world, blocks: a group of the ranks of one colour (0 or more), in the order
  // of their ranks in the world. Null for colour kNone.
  static constexpr int kNone = -1;
  static Result<std::unique_ptr<MpiGroup>> SplitWorld(int color);
  ~MpiGroup();  // local; quiet
  MpiGroup(const MpiGroup&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

  Status Barrier(const Waiting& waiting);
  Result<int> Min(int mine, const Waiting& waiting);
  Status Broadcast(void* data, int64_t bytes, int root, const Waiting& waiting);
  // Every rank's `bytes` bytes, in rank order, into `all`. ranks() * bytes <= kPieceBytesMax.
  Status GatherEqual(const void* mine, int64_t bytes, void* all, const Waiting& waiting);
  // `all` holds this rank's bytes in their place already; the counts are the same on all ranks.
  Status GatherInPlace(void* all, const std::vector<int64_t>& bytes, const Waiting& waiting);
  // Slice j of `all` goes to rank j; `received` gets the peers' slices of this rank, in rank order
  // and without its own. All together at most kPieceBytesMax.
  Status ExchangeSlices(const void* all, const std::vector<int64_t>& slices, void* received,
                        const Waiting& waiting);

  // Any bytes to any ranks: send[r] goes to rank r, receive[r] comes from it and has the length
  // that rank r sends, or 0 on both sides. What a rank would send itself is left to the caller.
  // kIncompatible when a peer sends less than expected.
  struct Block {
    char* data = nullptr;  // only read where it is sent
    int64_t bytes = 0;
  };
  Status Exchange(const std::vector<Block>& send, const std::vector<Block>& receive,
                  const Waiting& waiting);

  // Messages one by one, for who overlaps them. What rank a sends to rank b on a lane is received
  // in that order. Each posted message has a number; await it once. At most kPieceBytesMax long.
  // Await is kIncompatible when the peer sent less than was to be received.
  enum Lane { kForth = 2, kBack = 3 };
  Result<int64_t> Send(const void* data, int64_t bytes, int to, Lane lane);
  Result<int64_t> Receive(void* data, int64_t bytes, int from, Lane lane);
  Result<bool> Ended(int64_t message);
  Status Await(int64_t message, const Waiting& waiting);

  // The bitwise OR of eight words, left alone while other work goes on. Several may be under way;
  // they end in the order in which they were posted.
  Status PostOr(const Words& words);
  Result<Words> WaitOr(const Waiting& waiting);

  // From now on every call returns `cause`, unless an earlier failure is there.
  void Fail(const Status& cause);
  Status Health() const;
  // Frees the communicator after a run that went well. Collective. Idempotent.
  Status Close();

 private:
  struct Comm;     // MPI_Comm
  struct Request;  // MPI_Request, and what it should bring
  struct Posted;
  struct Buffers;  // what MPI reads and writes until an operation has ended

  MpiGroup(std::unique_ptr<Comm> comm, int64_t piece_bytes_max);
  static Result<std::unique_ptr<MpiGroup>> Own(std::unique_ptr<Comm> comm,
                                               int64_t piece_bytes_max = kPieceBytesMax);
  Status Finish(Request& request, const Waiting& waiting);
  Result<bool> HasEnded(Request& request);
  Status CheckReceived(const Request& ended, const Waiting& waiting);
  template <typename Test>  // Result<bool>: whether the operation has ended
  Status Until(Test test, const Waiting& waiting);
  Status Call(int rc, const char* call);
  Status BroadcastAll(char* data, const std::vector<int64_t>& bytes, const Waiting& waiting);

  std::unique_ptr<Comm> comm_;
  const int64_t piece_bytes_max_;
  int rank_ = 0;
  int ranks_ = 1;
  std::deque<std::unique_ptr<Posted>> or_requests_;
  std::map<int64_t, std::unique_ptr<Request>> messages_;
  int64_t next_message_ = 0;
  std::unique_ptr<Buffers> buffers_;
  std::atomic<bool> failed_{false};
  mutable Mutex mutex_;
  Status failure_ STEMMA_GUARDED_BY(mutex_);
};

}  // namespace stemma::comm
