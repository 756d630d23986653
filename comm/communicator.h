// Moves spans of bytes between the ranks of one group. Every backend (MPI, NCCL, ranks as threads)
// implements this interface and keeps one contract:
//
//  * All ranks make the same calls in the same order, each from one thread at a time. Operations of
//    one communicator complete in that order.
//  * Mistakes that a rank can see alone (bad root, dtype that cannot be summed, null data with a
//    count) fail before anything is sent, as kInvalidArgument, on that rank; wrap such a call in
//    Agree when others could wait for it.
//  * A peer that is gone is kPeerLost, a deadline that passes is kTimeout; both name `what`, and
//    the communicator is unusable afterwards (every later call returns the first failure).
//  * Zero elements succeed at once. Counts may exceed 2^31.
//  * Floating-point sums on CPU backends are ((g0 + g1) + g2) + ... in rank order, f16 and bf16
//    accumulated in f32, then multiplied once by the scale: bits depend on the number of ranks and
//    on nothing else. All ranks receive the same bits on every backend.
//  * Average of integers is refused. Min and Max propagate NaN on CPU backends; NCCL
//    drops it where another rank has a number.
//  * ReduceScatter followed by AllGather has the bits of AllReduce (CPU backends).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"

namespace stemma::comm {

class FlightRecorder;

enum class Op : uint8_t { kSum = 1, kAverage, kMin, kMax, kProduct };
std::string_view NameOf(Op op);

struct Span {
  void* data = nullptr;
  int64_t count = 0;
  DType dtype = DType::kU8;
  size_t bytes() const { return static_cast<size_t>(count) * SizeOf(dtype); }
};

struct ConstSpan {
  const void* data = nullptr;
  int64_t count = 0;
  DType dtype = DType::kU8;
  size_t bytes() const { return static_cast<size_t>(count) * SizeOf(dtype); }
};

struct CallOptions {
  Op op = Op::kSum;
  double scale = 1;  // multiplies the reduced result once; the same on all ranks
  std::chrono::milliseconds deadline{0};  // 0: the communicator's default
  std::string what;                       // "bucket 4": for error texts
  std::string shape;       // "[3,224,224]": for error texts; compared between ranks where calls are
  void* stream = nullptr;  // cudaStream_t whose work the call must follow; host: null
};

// One operation under way. Move-only. The spans given to the call stay alive and untouched until
// Wait() has returned. Destroying an unfinished Work waits for it.
class Work {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual Status Wait() = 0;  // host memory: readable on return. Device: current stream waits
    virtual bool Done() const = 0;
    // After Wait: when it ended, in nanoseconds of the steady clock; 0: not known better than now.
    virtual int64_t EndedAt() const { return 0; }
  };
  Work() = default;  // nothing under way: Wait() succeeds
  explicit Work(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Work(Work&&) noexcept = default;
  Work& operator=(Work&& other) noexcept;
  ~Work();

  Status Wait();  // idempotent
  // Wait will tell `recorder`, which outlives it, that `call` has ended.
  void RecordEnd(FlightRecorder* recorder, uint64_t call);
  bool Done() const { return impl_ == nullptr || impl_->Done(); }  // a hint; never steer by it

 private:
  std::unique_ptr<Impl> impl_;
  FlightRecorder* recorder_ = nullptr;
  uint64_t call_ = 0;
  Status result_;
};

// Memory that this backend reduces fastest: aligned to 4096 bytes, zeroed, freed with the Segment.
class Segment {
 public:
  virtual ~Segment() = default;
  virtual void* data() = 0;
  virtual int64_t bytes() const = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  // "node-shared", "hierarchical", "mpi", "threads", "nccl"
  virtual std::string_view name() const = 0;
  virtual bool on_gpu() const { return false; }  // where spans and Segments lie

  // In place over `inout`.
  virtual Result<Work> AllReduce(Span inout, const CallOptions& options) = 0;
  // `all` receives counts[0] + counts[1] + ... elements in rank order; counts may be 0 and are the
  // same vector on all ranks. `mine.count` is counts[rank()]; it may be its own place
  // within `all`, and no other part of it.
  virtual Result<Work> AllGather(ConstSpan mine, Span all, const std::vector<int64_t>& counts,
                                 const CallOptions& options) = 0;
  // Reduces `in`, which holds counts[0] + counts[1] + ... elements, and leaves the part of rank r,
  // counts[r] elements, in `mine` of rank r. `mine` may be its own place within `in`; the rest of
  // `in` is unspecified afterwards then, and untouched otherwise. Sum and Average only.
  virtual Result<Work> ReduceScatter(ConstSpan in, Span mine, const std::vector<int64_t>& counts,
                                     const CallOptions& options) = 0;
  // The r-th block of `in`, send[r] elements, goes to rank r; `out` receives receive[r] elements
  // from rank r, in rank order. send[r] here is receive[rank()] there. Spans may not overlap.
  virtual Result<Work> AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                const std::vector<int64_t>& receive,
                                const CallOptions& options) = 0;
  virtual Result<Work> Broadcast(Span inout, int root, const CallOptions& options) = 0;
  virtual Result<Work> Barrier(const CallOptions& options) = 0;

  virtual Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) = 0;

  // Does what can be done for pending operations without waiting for anybody. Backends that have a
  // thread of their own for that have nothing to do here. The thread that makes the calls.
  virtual Status Progress() { return {}; }

  // Makes every pending and later operation fail with `cause`, on this rank. Any thread.
  virtual void Abort(const Status& cause) = 0;
  // The first failure, or OK.
  virtual Status Health() const = 0;
  // Collective and last, after a run that went well: completes what is under way and frees what the
  // ranks share. Later calls are kInvalidArgument. A backend that shares nothing needs no own one.
  virtual Status Close();
};

}  // namespace stemma::comm
