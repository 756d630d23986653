#include "ops/launch_queue.h"

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
  Result<comm::Work> work = communicator_.AllReduce(call.span, options);
  if (work.ok()) {
    works_.push_back(*std::move(work));
  } else {
    failure_ = work.status();
  }
  return failure_;
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
