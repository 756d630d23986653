#include "tools/sweep/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/exit_code.h"

namespace stemma::sweep {
namespace {

constexpr int kStopSignal = SIGUSR1;

// What the child does between fork() and exec, where nothing may allocate.
struct Becoming {
  const char* command;
  int log, nothing;
  pid_t parent;
  const cpu_set_t* cores;  // null: those of the parent
};

[[noreturn]] void Become(const Becoming& what) {
  (void)setpgid(0, 0);
  (void)prctl(PR_SET_PDEATHSIG, kStopSignal);
  if (getppid() != what.parent) _exit(kExitTryAgain);  // it died before that was asked for
  if (what.cores != nullptr) (void)sched_setaffinity(0, sizeof *what.cores, what.cores);
  (void)dup2(what.nothing, STDIN_FILENO);
  (void)dup2(what.log, STDOUT_FILENO);
  (void)dup2(what.log, STDERR_FILENO);
  execl("/bin/sh", "sh", "-c", what.command, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

Result<pid_t> StartChild(const std::string& command, const std::string& log,
                         const std::vector<int>& cores) {
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) {
    return Status(Code::kIo, "open " + log + ": " + std::generic_category().message(errno));
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const Becoming what = {command.c_str(), file, nothing, getpid(), cores.empty() ? nullptr : &set};
  const pid_t child = fork();
  if (child == 0) Become(what);
  const int failed = errno;
  (void)close(file);
  (void)close(nothing);
  if (child < 0) {
    return Status(Code::kIo, "fork: " + std::generic_category().message(failed));
  }
  (void)setpgid(child, child);
  return child;
}

std::optional<int> StatusOf(pid_t child) {
  int status = 0;
  const pid_t done = waitpid(child, &status, WNOHANG);
  if (done == 0 || (done < 0 && errno == EINTR)) return std::nullopt;
  return done < 0 ? -1 : status;
}

void AskToStop(pid_t child) { (void)kill(child, kStopSignal); }

std::vector<int> CoresOfPart(int64_t part, int64_t parts) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> all, own;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return own;  // more cores than a cpu_set holds
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<size_t>(core), &set)) all.push_back(core);
  }
  const auto count = static_cast<int64_t>(all.size());
  if (parts > count) return own;
  const int64_t first = part * count / parts, end = (part + 1) * count / parts;
  own.assign(all.begin() + first, all.begin() + end);
  return own;
}

}  // namespace stemma::sweep
