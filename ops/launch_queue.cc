#include "ops/launch_queue.h"

#include <utility>

#include "core/random.h"
#include "ops/guard.h"

namespace stemma::ops {

void LaunchQueue::Start(double scale) {
  scale_ = scale;
  next_ = 0;
  digest_ = 0;
  failure_ = {};
  stuck_ = false;
  for (Call& call : calls_) call.bucket.what.resize(call.bucket.what.size() - note_.size());
  note_.clear();
}

void LaunchQueue::AddNote(const std::string& note) {
  for (Call& call : calls_) call.bucket.what += note;
  note_ += note;
}

Status LaunchQueue::Launch(void* stream) {
  Call& call = calls_[next_];
  digest_ = Key({digest_, next_++, static_cast<uint64_t>(call.bucket.gradients.numel())});
  if (!failure_.ok()) return failure_;
  call.bucket.scale = scale_;
  call.bucket.stream = stream;
  failure_ = Guard(call.bucket.what.c_str(), [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, call.hook->Run(call.bucket, communicator_));
    works_.push_back(std::move(work));
    return {};
  });
  stuck_ = !failure_.ok();
  return failure_;
}

Status LaunchQueue::Wait() {
  for (comm::Work& work : works_) {
    Status status = Guard("Wait", [&] { return work.Wait(); });
    if (failure_.ok()) failure_ = std::move(status);
  }
  works_.clear();
  return failure_;
}

}  // namespace stemma::ops
