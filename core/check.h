// Three kinds of things go wrong, and each has one tool:
//
//   what can happen (user input, files, peers)       a Status, never a check
//   what cannot happen unless we made a mistake      STEMMA_CHECK(condition, "what was found")
//   the same, but too slow to test in production     STEMMA_DCHECK, on only without NDEBUG
//
// A failed check prints file, line and text and ends the *job*: through the hook that the program
// installs (comm's World ends all ranks), or std::abort where there is none. Any thread.
#pragma once

#include <string>

namespace stemma {

// Called once, with the whole message, before the process ends. It should not return; if it does,
// the process aborts. The last hook set wins; nullptr restores the default.
void SetCheckFailureHook(void (*hook)(const std::string& message));

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& text);

}  // namespace stemma

#define STEMMA_CHECK(condition, text)                                              \
  do {                                                                             \
    if (!(condition)) ::stemma::CheckFailed(__FILE__, __LINE__, #condition, text); \
  } while (false)

#ifdef NDEBUG
#define STEMMA_DCHECK(condition, text) \
  do {                                 \
  } while (false)
#else
#define STEMMA_DCHECK(condition, text) STEMMA_CHECK(condition, text)
#endif
