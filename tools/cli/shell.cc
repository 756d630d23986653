#include "tools/cli/shell.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>

namespace stemma::cli {

Result<int> RunShell(const std::string& command, std::vector<std::string> environment) {
  const auto failed = [](const char* call, int error) {
    return Status(Code::kIo,
                  std::string(call) + " /bin/sh: " + std::generic_category().message(error));
  };
  std::string shell = "/bin/sh", dash_c = "-c", text = command;
  char* const arguments[] = {shell.data(), dash_c.data(), text.data(), nullptr};
  std::vector<char*> entries;
  for (std::string& entry : environment) entries.push_back(entry.data());
  entries.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int error = posix_spawn_file_actions_init(&actions)) return failed("spawn", error);
  pid_t child = 0;
  int error = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  if (error == 0) {
    error = posix_spawn(&child, shell.c_str(), &actions, nullptr, arguments, entries.data());
  }
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failed("spawn", error);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failed("wait for", errno);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace stemma::cli
