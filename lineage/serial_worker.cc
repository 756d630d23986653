#include "lineage/serial_worker.h"

#include <utility>

namespace stemma::lineage {

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
