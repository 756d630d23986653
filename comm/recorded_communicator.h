// Any communicator, with every call noted in the flight recorder: when it was made, what it was,
// when it ended. The same results; a few dozen nanoseconds per call and no allocation, except for
// a group's calls, which take a text and a Work of their own.
//
//   auto data = std::make_unique<RecordedCommunicator>(std::move(inner), recorder);
//
// A call ends in the record when its Wait has returned, with the time that the backend gives for it
// (Work::Impl::EndedAt). A call that is refused at once is noted as failed. Interface and contract:
// comm/communicator.h. The recorder outlives it and its Works.
//
// Calls of a group (World::Subset) have no place in the sequence that all ranks share: of them the
// record says only that something moves, and in which one the host is now.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/flight_recorder.h"

namespace stemma::comm {

class RecordedCommunicator final : public Communicator {
 public:
  enum class Ranks { kAll, kGroup };
  RecordedCommunicator(std::unique_ptr<Communicator> inner, FlightRecorder& recorder,
                       Ranks ranks = Ranks::kAll)
      : inner_(std::move(inner)), recorder_(recorder), ranks_(ranks) {}

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

  Result<std::unique_ptr<Segment>> Allocate(int64_t bytes, std::string_view what) override {
    return inner_->Allocate(bytes, what);
  }
  Status Progress() override { return inner_->Progress(); }
  void Abort(const Status& cause) override { inner_->Abort(cause); }
  Status Health() const override { return inner_->Health(); }
  Status Close() override { return inner_->Close(); }

 private:
  template <typename Call>
  Result<Work> Record(CallKind kind, uint64_t bytes, const CallOptions& options, Call&& call);

  const std::unique_ptr<Communicator> inner_;
  FlightRecorder& recorder_;
  const Ranks ranks_;
};

}  // namespace stemma::comm
