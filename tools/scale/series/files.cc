#include "tools/scale/series/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace stemma::scale {
namespace {
namespace fs = std::filesystem;

Status Refused(const std::string& path, const std::string& why) {
  return {Code::kIo, path + ": " + why};
}

}  // namespace

Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Refused(path, error.message()) : Status();
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, path + ": " + std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return Refused(path, "cannot be read to its end");
  return text;
}

Status WriteFile(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return Refused(part, std::strerror(errno));
  std::error_code error;
  fs::rename(part, path, error);
  return error ? Refused(path, error.message()) : Status();
}

FolderLock::~FolderLock() {
  if (file_ >= 0) close(file_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

Result<FolderLock> FolderLock::Take(const std::string& folder) {
  const std::string path = folder + "/.lock";
  FolderLock lock;
  lock.file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.file_ < 0) return Refused(path, std::strerror(errno));
  if (flock(lock.file_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Refused(path, std::strerror(errno));
  return Status(Code::kInvalidArgument,
                folder + ": another process runs a series there; wait for it, or give --out");
}

}  // namespace stemma::scale
