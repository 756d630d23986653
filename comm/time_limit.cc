#include "comm/time_limit.h"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "core/mutex.h"

namespace stemma::comm {

struct TimeLimit::State {
  Mutex mutex;
  std::condition_variable_any changed;
  bool over STEMMA_GUARDED_BY(mutex) = false;
  std::thread thread;
};

TimeLimit::TimeLimit(std::chrono::milliseconds limit, std::function<std::string()> what,
                     int exit_code)
    : state_(std::make_unique<State>()) {
  state_->thread = std::thread([state = state_.get(), limit, what = std::move(what), exit_code] {
    const auto until = std::chrono::steady_clock::now() + limit;
    MutexLock lock(state->mutex);
    while (!state->over) {
      if (state->changed.wait_until(state->mutex, until) != std::cv_status::timeout) continue;
      if (state->over) break;
      const std::string text = what();
      if (!text.empty()) std::fprintf(stderr, "stemma: %s\n", text.c_str());
      std::fflush(stderr);
      std::_Exit(exit_code);
    }
  });
}

TimeLimit::~TimeLimit() {
  {
    MutexLock lock(state_->mutex);
    state_->over = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

}  // namespace stemma::comm
