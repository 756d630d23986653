#include "comm/process_life.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace stemma::comm {
namespace {

// A look that failed for want of a descriptor or memory here says nothing about the process there.
ProcessLife Unseen(int error) {
  ProcessLife life;
  life.alive = error != ENOENT && error != ESRCH;
  return life;
}

}  // namespace

ProcessLife LookAt(int pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Unseen(errno);
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  const int error = errno;
  close(fd);
  if (size <= 0) return Unseen(size < 0 ? error : ESRCH);
  text[size] = '\0';
  // "pid (name) state ppid ...": the name may hold anything, also brackets; the start time is the
  // 22nd field, the 20th after the name.
  const char* after = std::strrchr(text, ')');
  if (after == nullptr) return Unseen(0);
  char state = '?';
  long long start = 0;
  const int read_fields = std::sscanf(
      after + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld",
      &state, &start);
  if (read_fields != 2) return Unseen(0);
  ProcessLife life;
  life.alive = state != 'Z' && state != 'X';
  life.stopped = state == 'T' || state == 't';
  life.start = start;
  return life;
}

uint64_t OwnPidSpace() {
  struct stat info {};
  return stat("/proc/self/ns/pid", &info) == 0 ? static_cast<uint64_t>(info.st_ino) : 0;
}

int OpenEndOf(int pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#else
  static_cast<void>(pid);
  return -1;
#endif
}

}  // namespace stemma::comm
