#include "core/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace stemma {
namespace {
std::atomic<void (*)(const std::string&)> failure_hook{nullptr};
}  // namespace

void SetCheckFailureHook(void (*hook)(const std::string& message)) { failure_hook = hook; }

void CheckFailed(const char* file, int line, const char* condition, const std::string& text) {
  const std::string message =
      std::string(file) + ":" + std::to_string(line) + ": check failed: " + condition + ": " + text;
  std::fprintf(stderr, "%s\n", message.c_str());
  if (auto* hook = failure_hook.exchange(nullptr); hook != nullptr) hook(message);
  std::abort();
}

}  // namespace stemma
