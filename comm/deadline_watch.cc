#include "comm/deadline_watch.h"

#include <utility>

namespace stemma::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPeriod = std::chrono::milliseconds(10);

}  // namespace

DeadlineWatch::DeadlineWatch(std::function<void()> setup, std::function<Status()> health,
                             std::function<void(const Status&)> fail)
    : setup_(std::move(setup)), health_(std::move(health)), fail_(std::move(fail)) {
  thread_ = std::thread([this] { Run(); });
}

DeadlineWatch::~DeadlineWatch() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DeadlineWatch::Add(Operation operation) {
  {
    MutexLock lock(mutex_);
    operations_.push_back(std::move(operation));
  }
  changed_.notify_all();
}

Status DeadlineWatch::Drain() {
  MutexLock lock(mutex_);
  while (!operations_.empty() && failure_.ok()) changed_.wait(mutex_);
  return failure_;
}

// `since`: when the oldest operation could begin, or nothing yet.
Status DeadlineWatch::Look(Operation& oldest, Clock::time_point* since, bool* over) {
  STEMMA_RETURN_IF_ERROR(health_());
  STEMMA_ASSIGN_OR_RETURN(*over, oldest.ended());
  if (*over) return {};
  if (*since == Clock::time_point()) {
    STEMMA_ASSIGN_OR_RETURN(const bool begun, oldest.begun());
    if (begun) *since = Clock::now();
    return {};
  }
  if (Clock::now() - *since < oldest.limit) return {};
  return {Code::kTimeout, oldest.what + ": not done after " + std::to_string(oldest.limit.count()) +
                              " ms; a rank did not come, hangs or is gone (comm.deadline_s is the "
                              "limit)"};
}

void DeadlineWatch::Run() {
  setup_();
  Clock::time_point since;
  mutex_.lock();
  while (!closing_) {
    if (operations_.empty() || !failure_.ok()) {
      changed_.wait(mutex_);
      continue;
    }
    Operation& oldest = operations_.front();  // stays where it is: others only append
    mutex_.unlock();
    bool over = false;
    Status looked = Look(oldest, &since, &over);
    if (!looked.ok()) fail_(looked);
    mutex_.lock();
    if (!looked.ok()) failure_ = std::move(looked);
    if (over) {
      operations_.pop_front();
      since = {};
    }
    if (over || !failure_.ok()) {
      changed_.notify_all();
    } else if (!closing_) {
      changed_.wait_for(mutex_, kPeriod);
    }
  }
  mutex_.unlock();
}

}  // namespace stemma::comm
