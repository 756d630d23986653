// Any communicator, made to fail at chosen calls: for tests of what stands above it.
//
//   const auto worlds = World::Threads(3);
//   InjectFaults(*worlds[1], {Delay(7, milliseconds(200)), Fail(9, Code::kPeerLost)});
//   ... rank 1's world.data() now misbehaves ...
//
// Calls are counted on each rank from 0, over all verbs. What happens at call k:
//
//   Delay(k, time)  it is made that much later
//   Fail(k, code)   it is not made and returns `code`, as if the library below had refused
//   Never(k)        this rank does not come to it; its Work fails with kTimeout at the deadline, or
//                   with the reason of the communicator as soon as that has failed
//   Die(k)          this rank goes silent, as a thread cannot be killed: this call and all later
//                   ones fail here and are not made
//   Flip(k, bit)    one bit of what this rank receives is turned over, after the call has ended,
//                   counted from the lowest of the first byte; beyond the end nothing happens
//   Swap(k)         calls k and k + 1 are made in the other order; a rank that waits for k before
//                   it makes k + 1 cannot be made to swap them, so k is made then
//
// Testonly. Thread: as the communicator inside, which it owns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "comm/world.h"

namespace stemma::comm {

struct Fault {
  enum Kind : uint8_t { kDelay, kFail, kNever, kDie, kFlip, kSwap };
  Kind kind = kDelay;
  int64_t call = 0;
  std::chrono::milliseconds time{0};
  Code code = Code::kInternal;
  int64_t bit = 0;
};

inline Fault Delay(int64_t call, std::chrono::milliseconds time) {
  return {Fault::kDelay, call, time, Code::kInternal, 0};
}
inline Fault Fail(int64_t call, Code code) { return {Fault::kFail, call, {}, code, 0}; }
inline Fault Never(int64_t call) { return {Fault::kNever, call, {}, Code::kInternal, 0}; }
inline Fault Die(int64_t call) { return {Fault::kDie, call, {}, Code::kInternal, 0}; }
inline Fault Flip(int64_t call, int64_t bit) {
  return {Fault::kFlip, call, {}, Code::kInternal, bit};
}
inline Fault Swap(int64_t call) { return {Fault::kSwap, call, {}, Code::kInternal, 0}; }

class FaultyCommunicator final : public Communicator {
 public:
  // `deadline`: of Never, for calls that have none of their own.
  FaultyCommunicator(std::unique_ptr<Communicator> inner, std::vector<Fault> faults,
                     std::chrono::milliseconds deadline);
  ~FaultyCommunicator() override;

  int64_t calls() const;  // made so far: how many places there are for a fault

  int rank() const override { return inner_->rank(); }
  int ranks() const override { return inner_->ranks(); }
  std::string_view name() const override { return inner_->name(); }
  bool on_gpu() const override { return inner_->on_gpu(); }
  Result<Work> AllReduce(Span inout, const CallOptions& options) override;
  Result<Work> AllGather(ConstSpan mine, Span all, const std::vector<int64_t>& counts,
                         const CallOptions& options) override;
  Result<Work> ReduceScatter(ConstSpan in, Span mine, const std::vector<int64_t>& counts,
                             const CallOptions& options) override;
  Result<Work> AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                        const std::vector<int64_t>& receive, const CallOptions& options) override;
  Result<Work> Broadcast(Span inout, int root, const CallOptions& options) override;
  Result<Work> Barrier(const CallOptions& options) override;
  Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) override;
  Status Progress() override;
  void Abort(const Status& cause) override { inner_->Abort(cause); }
  Status Health() const override;
  Status Close() override;

 private:
  using Launch = std::function<Result<Work>()>;
  struct Held;  // a call that a later one overtakes
  class HeldWork;
  Result<Work> Run(Launch launch, Span result, const CallOptions& options);

  const std::unique_ptr<Communicator> inner_;
  const std::vector<Fault> faults_;
  const std::chrono::milliseconds deadline_;
  int64_t calls_ = 0;
  Status dead_;
  std::shared_ptr<Held> held_;  // shared with its Work
};

// Puts the faults between this world's data communicator and its users, and returns it.
FaultyCommunicator& InjectFaults(World& world, std::vector<Fault> faults,
                                 std::chrono::milliseconds deadline = std::chrono::seconds(150));

}  // namespace stemma::comm
