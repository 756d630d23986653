#include "lineage/serial_worker.h"

#include <pthread.h>
#include <sched.h>

#include <utility>

namespace stemma::lineage {
namespace {

// On waking up it does not take the core of whoever posted, which would hold a training up for a
// time slice, but waits for its turn.
void WakeUpBehindOthers() {
  int policy = 0;
  sched_param parameters = {};
  if (pthread_getschedparam(pthread_self(), &policy, &parameters) != 0) return;
  if (policy == SCHED_OTHER) (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters);
}

}  // namespace

SerialWorker::SerialWorker() : thread_([this] { Loop(); }) {}

SerialWorker::~SerialWorker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    queue_.clear();
  }
  news_.notify_one();
  thread_.join();
}

void SerialWorker::Post(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) return;
    queue_.push_back(std::move(work));
  }
  news_.notify_one();
}

void SerialWorker::Loop() {
  WakeUpBehindOthers();
  for (;;) {
    std::unique_lock<std::mutex> lock(mutex_);
    news_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
  }
}

}  // namespace stemma::lineage
