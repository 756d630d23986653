// Where LibTorch's exceptions end: everything that ops/ and optim/ offer returns a Status.
//
//   return Guard("BeginStep", [&]() -> Status { flat.zero_(); return {}; });
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

#include "core/status.h"

namespace stemma::ops {

// What `body` returns, or kInternal with `where` and the text of what it threw (without LibTorch's
// stack trace). Any thread.
template <typename Body>
Status Guard(const char* where, Body&& body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    return {Code::kInternal, std::string(where) + ": " + error.what_without_backtrace()};
  } catch (const std::exception& error) {
    return {Code::kInternal, std::string(where) + ": " + error.what()};
  }
}

}  // namespace stemma::ops
