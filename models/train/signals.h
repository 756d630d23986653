// What people and schedulers ask of a running training by signal. Handlers only set flags; the loop
// reads them at a step's end and puts them into the control word, so that all ranks act on the same
// step (EXPERIENCE section 8).
//
//   SIGUSR1, SIGTERM, SIGINT   save and stop, exit 75
//   SIGUSR2                    save and go on
//   SIGQUIT                    print where all ranks are, go on
//   SIGINT a second time within 10 s: leave now, nothing saved. A second SIGTERM changes nothing:
//   schedulers and mpirun between them deliver it twice.
//
// Process-wide by nature: Install once, from the main thread, after MPI is up.
#pragma once

#include <string>

namespace stemma::models {

struct SignalWishes {
  bool stop = false;
  bool capture = false;  // cleared by being read
  std::string name;      // "SIGUSR1": the first signal that asked to stop
};

// What handlers call besides; async-signal-safe, null for nothing.
struct SignalHooks {
  void (*on_quit)() = nullptr;      // SIGQUIT
  void (*before_exit)() = nullptr;  // a second SIGINT
};

// Idempotent.
void InstallSignalHandlers(const SignalHooks& hooks = {});

// What has been asked since the start; a capture wish is handed out once.
SignalWishes TakeSignalWishes();

// Whether a signal has asked to stop. Takes nothing: TakeSignalWishes still says it.
bool StopSignalled();

// Forgets everything; for tests.
void ResetSignals();

}  // namespace stemma::models
