#include "tools/scale/series/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <thread>

namespace stemma::scale {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kGraceSeconds = 10;
constexpr size_t kTailLines = 12;
constexpr size_t kTailBytes = 65536;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Between fork and exec: nothing but calls that are safe there.
[[noreturn]] void BecomeChild(char* const* argv, int log, pid_t parent, int report) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  dup2(log, 1);
  dup2(log, 2);
  execvp(argv[0], argv);
  const int why = errno;
  if (write(report, &why, sizeof why) != sizeof why) _exit(126);
  _exit(127);
}

// Starts it; the pipe closes on exec, so what arrives through it is why exec failed.
Result<pid_t> Start(const std::vector<std::string>& words, const std::string& log_path) {
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (log < 0) return Status(Code::kIo, log_path + ": " + std::strerror(errno));
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    close(log);
    return Status(Code::kIo, std::string("no pipe: ") + std::strerror(errno));
  }
  std::vector<std::string> copies = words;
  std::vector<char*> argv;
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) BecomeChild(argv.data(), log, parent, report[1]);
  const int fork_error = errno;
  close(log);
  close(report[1]);
  int why = 0;
  const bool failed = child > 0 && read(report[0], &why, sizeof why) == sizeof why;
  close(report[0]);
  if (child < 0) return Status(Code::kIo, std::string("no fork: ") + std::strerror(fork_error));
  if (!failed) return child;
  waitpid(child, nullptr, 0);
  return Status(Code::kIo, "cannot start " + words[0] + ": " + std::strerror(why));
}

std::string EndText(int ended) {
  if (WIFSIGNALED(ended)) {
    const int number = WTERMSIG(ended);
    return "was ended by signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "left with " + std::to_string(WEXITSTATUS(ended));
}

}  // namespace

ChildEnd RunChild(const std::vector<std::string>& words, const std::string& log_path,
                  double limit_s) {
  const auto begin = Clock::now();
  const std::string command = CommandLine(words);
  Result<pid_t> child = Start(words, log_path);
  if (!child.ok()) return {Status(child.status()).Within(command), 0};
  setpgid(*child, *child);  // whoever of the two comes first
  int ended = 0;
  bool asked = false, killed = false;
  for (auto pause = std::chrono::milliseconds(1);;) {
    const pid_t done = waitpid(*child, &ended, WNOHANG);
    if (done == *child) break;
    if (done < 0 && errno != EINTR) return {{Code::kInternal, command + ": lost"}, Since(begin)};
    const double spent = Since(begin);
    if (!asked && spent > limit_s) {
      kill(-*child, SIGTERM);
      asked = true;
    }
    if (asked && !killed && spent > limit_s + kGraceSeconds) {
      kill(-*child, SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(50));
  }
  const double seconds = Since(begin);
  if (asked) kill(-*child, SIGKILL);  // what the launcher left behind
  if (!asked && WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return {{}, seconds};
  const std::string what =
      asked
          ? "did not end within " + std::to_string(static_cast<long>(limit_s)) + " s and was ended"
          : EndText(ended);
  const std::string tail = LastLines(log_path, kTailLines);
  return {{asked ? Code::kTimeout : Code::kInternal,
           command + "\n  " + what + (tail.empty() ? "; it said nothing" : "; its last lines:\n") +
               tail + "  all of it: " + log_path},
          seconds};
}

std::string CommandLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n\"'\\$`*?<>|&;()[]{}#~!") == std::string::npos;
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

std::string LastLines(const std::string& path, size_t count) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const auto size = static_cast<size_t>(std::max<std::streamoff>(0, in.tellg()));
  in.seekg(static_cast<std::streamoff>(size > kTailBytes ? size - kTailBytes : 0));
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > count) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "    " + line + "\n";
  return text;
}

}  // namespace stemma::scale
