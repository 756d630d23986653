#include "models/train/signals.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "core/exit_code.h"

namespace stemma::models {
namespace {

std::atomic<int> stop_signal{0};
std::atomic<int> capture_wished{0};
std::atomic<long> last_interrupt_s{-1};
std::atomic<void (*)()> on_quit{nullptr}, before_exit{nullptr};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<long>::is_always_lock_free);

long NowSeconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // async-signal-safe
  return static_cast<long>(now.tv_sec);
}

void OnInterrupt() {
  const long now = NowSeconds(), before = last_interrupt_s.exchange(now);
  if (before < 0 || now - before > 10) return;
  static const char kText[] = "\nsecond interrupt: leaving now, not saved\n";
  const ssize_t ignored = write(STDERR_FILENO, kText, sizeof kText - 1);
  static_cast<void>(ignored);
  if (auto* const hook = before_exit.load()) hook();
  _exit(kExitTryAgain);
}

void Handle(int signal_number) {
  if (signal_number == SIGUSR2) {
    capture_wished = 1;
    return;
  }
  if (signal_number == SIGQUIT) {
    const int before = errno;  // of whatever was interrupted
    if (auto* const hook = on_quit.load()) hook();
    errno = before;
    return;
  }
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal_number);
  if (signal_number == SIGINT) OnInterrupt();
}

const char* NameOf(int signal_number) {
  switch (signal_number) {
    case SIGUSR1:
      return "SIGUSR1";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    default:
      return "a signal";
  }
}

}  // namespace

void InstallSignalHandlers(const SignalHooks& hooks) {
  on_quit = hooks.on_quit;
  before_exit = hooks.before_exit;
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;  // a capture's write must not fail because somebody asked to stop
  for (const int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT}) {
    sigaction(number, &action, nullptr);
  }
}

SignalWishes TakeSignalWishes() {
  SignalWishes wishes;
  const int number = stop_signal.load();
  wishes.stop = number != 0;
  wishes.capture = capture_wished.exchange(0) != 0;
  if (wishes.stop) wishes.name = NameOf(number);
  return wishes;
}

bool StopSignalled() { return stop_signal.load() != 0; }

void ResetSignals() {
  stop_signal = 0;
  capture_wished = 0;
  last_interrupt_s = -1;
}

}  // namespace stemma::models
