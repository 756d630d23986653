#include "tools/sweep/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace stemma::sweep {
namespace {

Status Failed(const std::string& command, const char* call, int error) {
  return {Code::kIo,
          std::string(call) + " for '" + command + "': " + std::generic_category().message(error)};
}

struct FileCloser {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }
};

// Starts it; its end of the pipe is closed here.
Result<pid_t> Spawn(const std::string& command, int input, const int (&output)[2]) {
  std::string shell = "/bin/sh", dash_c = "-c", text = command;
  char* const arguments[] = {shell.data(), dash_c.data(), text.data(), nullptr};
  posix_spawn_file_actions_t actions;
  if (const int error = posix_spawn_file_actions_init(&actions)) {
    return Failed(command, "spawn", error);
  }
  pid_t child = 0;
  int error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  if (error == 0) {
    error = posix_spawn(&child, shell.c_str(), &actions, nullptr, arguments, environ);
  }
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Failed(command, "spawn", error);
  return child;
}

}  // namespace

// The question lies in a file, so that nobody waits for the other's pipe.
Result<std::string> AskCommand(const std::string& command, const std::string& input) {
  const std::unique_ptr<std::FILE, FileCloser> question(std::tmpfile());
  if (!question) return Failed(command, "temporary file", errno);
  const bool written = std::fwrite(input.data(), 1, input.size(), question.get()) == input.size() &&
                       std::fflush(question.get()) == 0;
  if (!written) return Failed(command, "write", errno);
  std::rewind(question.get());
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) return Failed(command, "pipe", errno);
  const Result<pid_t> child = Spawn(command, fileno(question.get()), output);
  (void)close(output[1]);
  std::string answer;
  char piece[4096];
  for (ssize_t got = 1; child.ok() && got != 0;) {
    got = read(output[0], piece, sizeof piece);
    if (got > 0) answer.append(piece, static_cast<size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  (void)close(output[0]);
  STEMMA_RETURN_IF_ERROR(child.status());
  int status = 0;
  while (waitpid(*child, &status, 0) < 0) {
    if (errno != EINTR) return Failed(command, "wait", errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return answer;
  return Status(
      Code::kInvalidArgument,
      "'" + command + "' " +
          (WIFEXITED(status) ? "left with " + std::to_string(WEXITSTATUS(status))
                             : "was ended by signal " + std::to_string(WTERMSIG(status))));
}

}  // namespace stemma::sweep
