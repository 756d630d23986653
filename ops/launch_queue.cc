#include "ops/launch_queue.h"

#include <numeric>
#include <utility>

#include "core/random.h"

namespace stemma::ops {

void LaunchQueue::Start(double scale) {
  scale_ = scale;
  next_ = 0;
  digest_ = 0;
  failure_ = {};
}

Status LaunchQueue::Launch(void* stream) {
  const Call& call = calls_[next_];
  digest_ = Key({digest_, next_++, static_cast<uint64_t>(call.span.count)});
  if (!failure_.ok()) return failure_;
  comm::CallOptions options;
  options.op = call.op;
  options.scale = call.op == comm::Op::kSum ? scale_ : 1;
  options.what = call.what;
  options.stream = stream;
  Result<comm::Work> work = call.counts.empty() ? communicator_.AllReduce(call.span, options)
                                                : ReduceScatter(call, options);
  if (work.ok()) {
    works_.push_back(*std::move(work));
  } else {
    failure_ = work.status();
  }
  return failure_;
}

// In place: what this rank gets lies where it belongs.
Result<comm::Work> LaunchQueue::ReduceScatter(const Call& call, const comm::CallOptions& options) {
  const auto rank = call.counts.begin() + communicator_.rank();
  const int64_t before = std::accumulate(call.counts.begin(), rank, int64_t{0});
  const auto skip = before * static_cast<int64_t>(SizeOf(call.span.dtype));
  const comm::Span mine = {static_cast<char*>(call.span.data) + skip, *rank, call.span.dtype};
  return communicator_.ReduceScatter({call.span.data, call.span.count, call.span.dtype}, mine,
                                     call.counts, options);
}

Status LaunchQueue::Wait() {
  for (comm::Work& work : works_) {
    Status status = work.Wait();
    if (failure_.ok()) failure_ = std::move(status);
  }
  works_.clear();
  return failure_;
}

}  // namespace stemma::ops
