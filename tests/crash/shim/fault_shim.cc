// Loaded before the C library (LD_PRELOAD), makes chosen system calls of any program fail: what a
// full disk, a broken one or a file system with fewer abilities answers, given to the real program.
//
//   STEMMA_FAULT_CALL    which: "write", "fsync,fdatasync", ... (the names below)
//   STEMMA_FAULT_PATH    only where the file's path contains this; "": everywhere
//   STEMMA_FAULT_NTH     from the n-th matching call of the process on, counted from 1; default 1
//   STEMMA_FAULT_ERROR   "ENOSPC", "EIO", ...; "SHORT": a write writes half and says so. A list
//                        "SHORT,EIO" is for that call and the ones after it, then all is well
//                        again; with "..." at its end the last one is for all that follow
//   STEMMA_FAULT_LOG     a file to which each injection adds a line "call path error"
//
// Calls: write fsync fdatasync fallocate rename mkdir remove create, and those that a store must
// not need: direct (O_DIRECT, at open or by fcntl), append (O_APPEND), link (also symbolic), lock
// (flock, fcntl, lockf). Without STEMMA_FAULT_CALL it does nothing. Thread-safe.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

namespace {

constexpr int kShort = -1;

struct Named {
  const char* name;
  int number;
};
constexpr Named kErrors[] = {
    {"SHORT", kShort},  {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},         {"EIO", EIO},
    {"EINVAL", EINVAL}, {"EPERM", EPERM},   {"EOPNOTSUPP", EOPNOTSUPP}, {"EXDEV", EXDEV},
    {"ENOLCK", ENOLCK}, {"EMFILE", EMFILE}, {"EROFS", EROFS},           {"EACCES", EACCES}};

std::vector<std::string> Split(const char* text) {
  std::vector<std::string> parts(1);
  for (; text != nullptr && *text != '\0'; ++text) {
    if (*text == ',') {
      parts.emplace_back();
    } else {
      parts.back() += *text;
    }
  }
  return parts;
}

std::string Variable(const char* name) {
  const char* const value = getenv(name);
  return value == nullptr ? "" : value;
}

// What is asked for; never destroyed, since calls come until the end of the process.
struct Plan {
  std::vector<std::string> calls = Split(getenv("STEMMA_FAULT_CALL"));
  std::string path = Variable("STEMMA_FAULT_PATH"), log = Variable("STEMMA_FAULT_LOG");
  long nth = Variable("STEMMA_FAULT_NTH").empty() ? 1 : atol(getenv("STEMMA_FAULT_NTH"));
  std::vector<int> errors;
  bool for_good = false;
  std::atomic<long> seen{0};

  Plan() {
    for (const std::string& word : Split(getenv("STEMMA_FAULT_ERROR"))) {
      if (word == "...") for_good = true;
      for (const Named& error : kErrors) {
        if (word == error.name) errors.push_back(error.number);
      }
    }
  }

  bool Wants(const char* call, const std::string& where) const {
    if (errors.empty() || where.find(path) == std::string::npos) return false;
    for (const std::string& one : calls) {
      if (one == call) return true;
    }
    return false;
  }

  void Say(const char* call, const std::string& where, int error) const {
    if (log.empty()) return;
    const long fd = syscall(SYS_openat, AT_FDCWD, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    const std::string line = std::string(call) + " " + where + " " +
                             (error == kShort ? "SHORT" : strerror(error)) + "\n";
    if (fd < 0 || syscall(SYS_write, fd, line.data(), line.size()) < 0) abort();
    syscall(SYS_close, fd);
  }

  // 0: go on; kShort; else the error.
  int Decide(const char* call, const std::string& where) {
    if (!Wants(call, where)) return 0;
    const long after = ++seen - nth;
    if (after < 0) return 0;
    const bool last = after >= static_cast<long>(errors.size());
    if (last && !for_good) return 0;
    const int error = last ? errors.back() : errors[static_cast<size_t>(after)];
    Say(call, where, error);
    return error;
  }
};

int Decide(const char* call, const std::string& where) {
  static Plan* const plan = new Plan();
  const int before = errno;
  const int error = plan->Decide(call, where);
  errno = error > 0 ? error : before;
  return error;
}

std::string PathOf(int fd) {
  const int before = errno;
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t bytes = readlink(link.c_str(), path, sizeof path);
  errno = before;
  return bytes < 0 ? "" : std::string(path, static_cast<size_t>(bytes));
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
#define STEMMA_NEXT(name) static const auto next = Next<decltype(&::name)>(#name)

// Whether any of what `flags` ask for is refused.
bool Refused(const char* path, int flags) {
  if ((flags & O_CREAT) != 0 && Decide("create", path) > 0) return true;
  if ((flags & O_APPEND) != 0 && Decide("append", path) > 0) return true;
  return (flags & O_DIRECT) != 0 && Decide("direct", path) > 0;
}

bool RefusedControl(int fd, int command, long argument) {
  if (command == F_SETFL && (argument & O_DIRECT) != 0) return Decide("direct", PathOf(fd)) > 0;
  const bool locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||
                     command == F_OFD_SETLKW;
  return locks && Decide("lock", PathOf(fd)) > 0;
}

mode_t ModeOf(int flags, va_list rest) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(rest, unsigned)) : 0;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t count) {
  STEMMA_NEXT(write);
  const int error = fd > 2 ? Decide("write", PathOf(fd)) : 0;
  if (error > 0) return -1;
  return next(fd, bytes, error == kShort && count > 1 ? count / 2 : count);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  STEMMA_NEXT(pwrite);
  const int error = Decide("write", PathOf(fd));
  if (error > 0) return -1;
  return next(fd, bytes, error == kShort && count > 1 ? count / 2 : count, offset);
}
int fsync(int fd) {
  STEMMA_NEXT(fsync);
  return Decide("fsync", PathOf(fd)) > 0 ? -1 : next(fd);
}
int fdatasync(int fd) {
  STEMMA_NEXT(fdatasync);
  return Decide("fdatasync", PathOf(fd)) > 0 ? -1 : next(fd);
}
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  STEMMA_NEXT(fallocate);
  return Decide("fallocate", PathOf(fd)) > 0 ? -1 : next(fd, mode, offset, bytes);
}
int rename(const char* from, const char* to) noexcept {
  STEMMA_NEXT(rename);
  return Decide("rename", std::string(from) + " " + to) > 0 ? -1 : next(from, to);
}
int mkdir(const char* path, mode_t mode) noexcept {
  STEMMA_NEXT(mkdir);
  return Decide("mkdir", path) > 0 ? -1 : next(path, mode);
}
int remove(const char* path) noexcept {
  STEMMA_NEXT(remove);
  return Decide("remove", path) > 0 ? -1 : next(path);
}
int link(const char* from, const char* to) noexcept {
  STEMMA_NEXT(link);
  return Decide("link", to) > 0 ? -1 : next(from, to);
}
int linkat(int from_dir, const char* from, int to_dir, const char* to, int flags) noexcept {
  STEMMA_NEXT(linkat);
  return Decide("link", to) > 0 ? -1 : next(from_dir, from, to_dir, to, flags);
}
int symlink(const char* from, const char* to) noexcept {
  STEMMA_NEXT(symlink);
  return Decide("link", to) > 0 ? -1 : next(from, to);
}
int flock(int fd, int operation) noexcept {
  STEMMA_NEXT(flock);
  return Decide("lock", PathOf(fd)) > 0 ? -1 : next(fd, operation);
}
int lockf(int fd, int command, off_t bytes) {
  STEMMA_NEXT(lockf);
  return Decide("lock", PathOf(fd)) > 0 ? -1 : next(fd, command, bytes);
}

int open(const char* path, int flags, ...) {
  STEMMA_NEXT(open);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Refused(path, flags) ? -1 : next(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  STEMMA_NEXT(open64);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Refused(path, flags) ? -1 : next(path, flags, mode);
}
int openat(int dir, const char* path, int flags, ...) {
  STEMMA_NEXT(openat);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Refused(path, flags) ? -1 : next(dir, path, flags, mode);
}
int fcntl(int fd, int command, ...) {
  STEMMA_NEXT(fcntl);
  va_list rest;
  va_start(rest, command);
  const long argument = va_arg(rest, long);
  va_end(rest);
  return RefusedControl(fd, command, argument) ? -1 : next(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
  STEMMA_NEXT(fcntl64);
  va_list rest;
  va_start(rest, command);
  const long argument = va_arg(rest, long);
  va_end(rest);
  return RefusedControl(fd, command, argument) ? -1 : next(fd, command, argument);
}

}  // extern "C"
