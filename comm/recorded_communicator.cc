#include "comm/recorded_communicator.h"

#include <utility>

namespace stemma::comm {
namespace {

// While the host waits for a call of a group, the record says so.
class GroupWork final : public Work::Impl {
 public:
  GroupWork(Work work, FlightRecorder& recorder, std::string what)
      : work_(std::move(work)), recorder_(recorder), what_(std::move(what)) {}
  Status Wait() override {
    recorder_.BeginGroupCall(what_);
    Status status = work_.Wait();
    recorder_.EndGroupCall();
    return status;
  }
  bool Done() const override { return work_.Done(); }

 private:
  Work work_;
  FlightRecorder& recorder_;
  const std::string what_;
};

}  // namespace

template <typename Call>
Result<Work> RecordedCommunicator::Record(CallKind kind, uint64_t bytes, const CallOptions& options,
                                          Call&& call) {
  if (ranks_ == Ranks::kGroup) {
    std::string what = std::string(NameOf(kind)) + " of a group of " + std::to_string(ranks());
    if (!options.what.empty()) what += ", " + options.what;
    recorder_.BeginGroupCall(what);
    Result<Work> work = call();
    recorder_.EndGroupCall();
    if (!work.ok()) return work;
    return Work(std::make_unique<GroupWork>(std::move(*work), recorder_, std::move(what)));
  }
  const uint64_t id = recorder_.Enqueued(kind, bytes, options.what);
  Result<Work> work = call();
  if (work.ok()) {
    work->RecordEnd(&recorder_, id);
  } else {
    recorder_.Finished(id, false);
  }
  return work;
}

Result<Work> RecordedCommunicator::AllReduce(Span inout, const CallOptions& options) {
  return Record(CallKind::kAllReduce, inout.bytes(), options,
                [&] { return inner_->AllReduce(inout, options); });
}

Result<Work> RecordedCommunicator::AllGather(ConstSpan mine, Span all,
                                             const std::vector<int64_t>& counts,
                                             const CallOptions& options) {
  return Record(CallKind::kAllGather, all.bytes(), options,
                [&] { return inner_->AllGather(mine, all, counts, options); });
}

Result<Work> RecordedCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                                 const std::vector<int64_t>& counts,
                                                 const CallOptions& options) {
  return Record(CallKind::kReduceScatter, in.bytes(), options,
                [&] { return inner_->ReduceScatter(in, mine, counts, options); });
}

Result<Work> RecordedCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send,
                                            Span out, const std::vector<int64_t>& receive,
                                            const CallOptions& options) {
  return Record(CallKind::kAllToAll, in.bytes(), options,
                [&] { return inner_->AllToAll(in, send, out, receive, options); });
}

Result<Work> RecordedCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  return Record(CallKind::kBroadcast, inout.bytes(), options,
                [&] { return inner_->Broadcast(inout, root, options); });
}

Result<Work> RecordedCommunicator::Barrier(const CallOptions& options) {
  return Record(CallKind::kBarrier, 0, options, [&] { return inner_->Barrier(options); });
}

}  // namespace stemma::comm
