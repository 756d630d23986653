#include "comm/communicator.h"

#include "comm/flight_recorder.h"

namespace stemma::comm {

std::string_view NameOf(Op op) {
  switch (op) {
    case Op::kSum:
      return "sum";
    case Op::kAverage:
      return "average";
    case Op::kMin:
      return "min";
    case Op::kMax:
      return "max";
    case Op::kProduct:
      return "product";
  }
  return "?";
}

Work& Work::operator=(Work&& other) noexcept {
  if (this != &other) {
    Wait().ok();  // what this one covered may be freed once it is replaced
    impl_ = std::move(other.impl_);
    recorder_ = other.recorder_;
    call_ = other.call_;
    result_ = std::move(other.result_);
  }
  return *this;
}

Work::~Work() { Wait().ok(); }

Status Work::Wait() {
  if (impl_ != nullptr) {
    result_ = impl_->Wait();
    if (recorder_ != nullptr) recorder_->Finished(call_, result_.ok(), impl_->EndedAt());
    impl_.reset();
  }
  return result_;
}

void Work::RecordEnd(FlightRecorder* recorder, uint64_t call) {
  if (impl_ == nullptr) return recorder->Finished(call, true);  // nothing to wait for
  recorder_ = recorder;
  call_ = call;
}

Status Communicator::Close() {
  CallOptions options;
  options.what = "end of the world";
  STEMMA_ASSIGN_OR_RETURN(Work last, Barrier(options));
  STEMMA_RETURN_IF_ERROR(last.Wait());
  Abort({Code::kInvalidArgument, "the world is closed"});
  return {};
}

}  // namespace stemma::comm
