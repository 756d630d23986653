// For calls that cannot be given a deadline, such as MPI_Init: ends the process with kExitTryAgain,
// or the given code, and says what did not return, unless it is destroyed in time.
//
//   const TimeLimit limit(init_timeout, "MPI_Finalize did not return");
//
// Owner: the caller's stack, around the call. Its thread touches nothing but stderr.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/exit_code.h"

namespace stemma::comm {

class TimeLimit {
 public:
  // `what` is asked when the time is over; "" says nothing.
  TimeLimit(std::chrono::milliseconds limit, std::function<std::string()> what,
            int exit_code = kExitTryAgain);
  TimeLimit(std::chrono::milliseconds limit, const std::string& what, int exit_code = kExitTryAgain)
      : TimeLimit(
            limit, [what] { return what; }, exit_code) {}
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stemma::comm
