#include "comm/progress_thread.h"

#include <utility>

#include "comm/flight_recorder.h"

namespace stemma::comm {

struct ProgressThread::Item {
  Operation operation;
  Status result;
  int64_t ended_ns = 0;
  std::atomic<bool> done{false};
};

struct ProgressThread::State {
  std::atomic<bool> cancelled{false};
  mutable Mutex mutex;
  std::condition_variable_any changed;
  std::deque<std::shared_ptr<Item>> queue STEMMA_GUARDED_BY(mutex);
  Status failure STEMMA_GUARDED_BY(mutex);
  bool closing STEMMA_GUARDED_BY(mutex) = false;
};

class ProgressThread::Pending final : public Work::Impl {
 public:
  Pending(std::shared_ptr<State> state, std::shared_ptr<Item> item)
      : state_(std::move(state)), item_(std::move(item)) {}

  Status Wait() override {
    MutexLock lock(state_->mutex);
    while (!item_->done) state_->changed.wait(state_->mutex);
    return item_->result;
  }
  bool Done() const override { return item_->done; }
  int64_t EndedAt() const override { return item_->ended_ns; }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Item> item_;
};

ProgressThread::ProgressThread() : state_(std::make_shared<State>()) {
  thread_ = std::thread([state = state_] { Run(*state); });
}

ProgressThread::~ProgressThread() {
  Cancel({Code::kInvalidArgument, "the communicator is closed"});
  {
    MutexLock lock(state_->mutex);
    state_->closing = true;
  }
  state_->changed.notify_all();
  thread_.join();
}

Result<Work> ProgressThread::Launch(Operation operation) {
  auto item = std::make_shared<Item>();
  item->operation = std::move(operation);
  {
    MutexLock lock(state_->mutex);
    STEMMA_RETURN_IF_ERROR(state_->failure);
    state_->queue.push_back(item);
  }
  state_->changed.notify_all();
  return Work(std::make_unique<Pending>(state_, std::move(item)));
}

void ProgressThread::Cancel(const Status& cause) {
  MutexLock lock(state_->mutex);
  if (state_->failure.ok()) state_->failure = cause;
  state_->cancelled = true;
}

Status ProgressThread::Health() const {
  MutexLock lock(state_->mutex);
  return state_->failure;
}

void ProgressThread::Run(State& state) {
  state.mutex.lock();
  while (true) {
    while (state.queue.empty() && !state.closing) state.changed.wait(state.mutex);
    if (state.queue.empty()) break;
    const std::shared_ptr<Item> item = state.queue.front();
    state.queue.pop_front();
    Status result = state.failure;
    if (result.ok()) {
      state.mutex.unlock();
      result = item->operation(state.cancelled);
      state.mutex.lock();
      // What was cancelled reports why, not that it was.
      if (!result.ok() && state.failure.ok()) state.failure = result;
      if (!result.ok()) result = state.failure;
    }
    item->operation = nullptr;
    item->result = std::move(result);
    item->ended_ns = SteadyNanoseconds();
    item->done = true;
    state.changed.notify_all();
  }
  state.mutex.unlock();
}

}  // namespace stemma::comm
