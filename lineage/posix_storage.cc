#include "lineage/posix_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

#include "lineage/posix_reads.h"

namespace stemma::lineage {
namespace {

using internal::EndsEarly;
using internal::IsCached;
using internal::NewPosixReadable;
using internal::ReadSome;

constexpr uint64_t kDirectAlign = 4096;
constexpr size_t kListBytes = 32768;  // of one folder at a time; some 1,000 names

// Closes on every way out.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int OpenRetry(const std::string& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Status NotAFile(const char* call, const std::string& path) {
  return Status(Code::kIo, std::string(call) + " " + path + ": not a regular file");
}

class PosixFile final : public WritableFile {
 public:
  PosixFile(const PosixCalls& calls, std::string path, int fd, bool direct, bool required)
      : calls_(calls), path_(std::move(path)), fd_(fd), direct_(direct), required_(required) {}
  ~PosixFile() override {
    if (fd_ >= 0) ::close(fd_);
  }

  Status Append(std::string_view bytes) override {
    STEMMA_RETURN_IF_ERROR(state_);
    return state_ = Write(bytes);
  }

  // Where file system or kernel cannot, nothing is lost but time. An error of the disk stays with
  // the file, and fdatasync returns it.
  void StartSync() override {
    if (state_.ok()) (void)::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  // Never called again after a failure: the kernel may have dropped the dirty pages, and a second
  // call could succeed without them.
  Status Sync() override {
    STEMMA_RETURN_IF_ERROR(state_);
    if (calls_.sync(fd_) != 0) state_ = FromErrno("fsync", path_, errno);
    return state_;
  }

  Status Close() override {
    if (fd_ < 0) return state_;
    if (::close(std::exchange(fd_, -1)) != 0 && state_.ok()) {
      state_ = FromErrno("close", path_, errno);
    }
    const Status result = state_;
    state_ = Status(Code::kIo, "write " + path_ + ": the file is closed");
    return result;
  }

 private:
  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (direct_ && !Aligned(bytes)) STEMMA_RETURN_IF_ERROR(Buffered());
      const ssize_t n = calls_.write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EINVAL && direct_) {
        if (required_) return FromErrno("write (O_DIRECT)", path_, EINVAL);
        STEMMA_RETURN_IF_ERROR(Buffered());
        continue;
      }
      if (n < 0) return FromErrno("write", path_, errno);
      if (n == 0) return FromErrno("write", path_, EIO);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  static bool Aligned(std::string_view bytes) {
    return (reinterpret_cast<uintptr_t>(bytes.data()) | bytes.size()) % kDirectAlign == 0;
  }

  Status Buffered() {
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) {
      return FromErrno("fcntl", path_, errno);
    }
    direct_ = false;
    return {};
  }

  const PosixCalls calls_;
  const std::string path_;
  int fd_;
  bool direct_;
  const bool required_;
  Status state_;  // the first failure, kept: a file that failed once is lost
};

class Posix final : public Storage {
 public:
  explicit Posix(const PosixCalls& calls) : calls_(calls) {}

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                               const WriteOptions& options) override {
    Fd fd(OpenRetry(path, O_WRONLY | O_CREAT | O_EXCL, 0666));
    if (fd.get() < 0) return FromErrno("create", path, errno);
    bool direct = options.direct || options.direct_required;
    const Status ready = Prepare(fd.get(), path, options, &direct);
    if (!ready.ok()) {
      ::unlink(path.c_str());
      return ready;
    }
    return std::unique_ptr<WritableFile>(
        std::make_unique<PosixFile>(calls_, path, fd.release(), direct, options.direct_required));
  }

  Result<std::string> ReadAll(const std::string& path) override {
    return ReadBounded(path, std::numeric_limits<uint64_t>::max());
  }

  // Four calls, because a store of a thousand runs has some thousands of small files. O_NONBLOCK:
  // opening a pipe that lies where a file should must not wait for its writer.
  Result<std::string> ReadBounded(const std::string& path, uint64_t max) override {
    Fd fd(OpenRetry(path, O_RDONLY | O_NONBLOCK));
    if (fd.get() < 0) return FromErrno("open", path, errno);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return FromErrno("stat", path, errno);
    if (!S_ISREG(about.st_mode)) return NotAFile("open", path);
    const auto bytes = static_cast<uint64_t>(about.st_size);
    if (bytes > max) return TooLong(path, bytes, max);
    return ReadFd(fd.get(), path, 0, bytes);
  }

  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    Fd fd(OpenRetry(path, O_RDONLY));
    if (fd.get() < 0) return FromErrno("open", path, errno);
    STEMMA_ASSIGN_OR_RETURN(std::string out, ReadFd(fd.get(), path, offset, bytes));
    if (out.size() == bytes) return out;
    return EndsEarly(path, offset + out.size(), offset + bytes);
  }

  Result<std::unique_ptr<ReadableFile>> OpenToRead(const std::string& path) override {
    Fd fd(OpenRetry(path, O_RDONLY | O_NONBLOCK));
    if (fd.get() < 0) return FromErrno("open", path, errno);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return FromErrno("stat", path, errno);
    if (!S_ISREG(about.st_mode)) return NotAFile("open", path);
    return NewPosixReadable(calls_, path, fd.release());
  }

  Result<FileBytes> Map(const std::string& path) override {
    Fd fd(OpenRetry(path, O_RDONLY | O_NONBLOCK));
    if (fd.get() < 0) return FromErrno("open", path, errno);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return FromErrno("stat", path, errno);
    if (!S_ISREG(about.st_mode)) return NotAFile("open", path);
    const auto bytes = static_cast<size_t>(about.st_size);
    if (bytes == 0) return FileBytes{};
    if (calls_.is_remote(fd.get())) return Storage::Map(path);
    void* const at = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return Storage::Map(path);
    std::shared_ptr<const void> owner(at, [bytes](void* mapped) { ::munmap(mapped, bytes); });
    return FileBytes{{static_cast<const char*>(at), bytes}, std::move(owner)};
  }

  Result<uint64_t> SizeOf(const std::string& path) override {
    struct stat about;
    if (::stat(path.c_str(), &about) != 0) return FromErrno("stat", path, errno);
    if (!S_ISREG(about.st_mode)) return NotAFile("stat", path);
    return static_cast<uint64_t>(about.st_size);
  }

  Result<int64_t> ModifiedMs(const std::string& path) override {
    struct stat about;
    if (::stat(path.c_str(), &about) != 0) return FromErrno("stat", path, errno);
    return int64_t{about.st_mtim.tv_sec} * 1000 + about.st_mtim.tv_nsec / 1000000;
  }

  Result<std::vector<std::string>> List(const std::string& dir) override {
    Fd fd(OpenRetry(dir, O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return FromErrno("opendir", dir, errno);
    std::vector<std::string> names;
    alignas(dirent64) char entries[kListBytes];
    for (;;) {
      const ssize_t bytes = ::getdents64(fd.get(), entries, sizeof entries);
      if (bytes < 0) return FromErrno("readdir", dir, errno);
      if (bytes == 0) break;
      for (ssize_t at = 0; at < bytes;) {
        const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
        at += entry->d_reclen;
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Status MakeDir(const std::string& path) override {
    return ::mkdir(path.c_str(), 0777) == 0 ? Status() : FromErrno("mkdir", path, errno);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return FromErrno("rename", from + " to " + to, errno);
  }

  Status Remove(const std::string& path) override {
    return ::remove(path.c_str()) == 0 ? Status() : FromErrno("remove", path, errno);
  }

  Status SyncDir(const std::string& dir) override {
    Fd fd(OpenRetry(dir, O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return FromErrno("open", dir, errno);
    return ::fsync(fd.get()) == 0 ? Status() : FromErrno("fsync", dir, errno);
  }

  bool Exists(const std::string& path) override {
    struct stat about;
    return ::lstat(path.c_str(), &about) == 0;
  }

 private:
  Status Prepare(int fd, const std::string& path, const WriteOptions& options, bool* direct) {
    if (*direct && calls_.set_flags(fd, ::fcntl(fd, F_GETFL) | O_DIRECT) != 0) {
      if (options.direct_required) return FromErrno("fcntl (O_DIRECT)", path, errno);
      *direct = false;
    }
    if (options.reserve == 0) return {};
    // Keeps the size, so that a file that ends early has no zeros at its end. A file system without
    // the call gives no reservation; posix_fallocate would write zeros there.
    if (calls_.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(options.reserve)) != 0) {
      if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO) {
        return FromErrno("fallocate", path, errno);
      }
    }
    return {};
  }

  Result<std::string> ReadFd(int fd, const std::string& path, uint64_t offset, uint64_t bytes) {
    std::string out(bytes, '\0');
    STEMMA_ASSIGN_OR_RETURN(const uint64_t got,
                            ReadSome(calls_, fd, path, offset, bytes, out.data()));
    out.resize(got);
    return out;
  }

  const PosixCalls calls_;
};

int SetFlags(int fd, int flags) { return ::fcntl(fd, F_SETFL, flags); }

bool IsRemote(int fd) {
  constexpr uint32_t kRemote[] = {0x6969,       // NFS
                                  0xff534d42,   // CIFS
                                  0xfe534d42,   // SMB 2
                                  0x517b,       // SMB
                                  0x5346414f,   // AFS
                                  0x01021997,   // 9P
                                  0x65735546,   // FUSE
                                  0x00c36400,   // Ceph
                                  0x0bd00bd0,   // Lustre
                                  0x47504653,   // GPFS
                                  0x19830326};  // BeeGFS
  struct statfs about;
  if (::fstatfs(fd, &about) != 0) return true;
  const auto type = static_cast<uint32_t>(about.f_type);
  return std::find(std::begin(kRemote), std::end(kRemote), type) != std::end(kRemote);
}

}  // namespace

PosixCalls::PosixCalls()
    : write(::write),
      set_flags(SetFlags),
      fallocate(::fallocate),
      sync(::fdatasync),
      pread(::pread),
      is_cached(IsCached),
      is_remote(IsRemote) {}

Status FromErrno(const char* call, const std::string& path, int error) {
  const std::string text = std::string(call) + " " + path + ": ";
  if (error == EEXIST || error == ENOTEMPTY) {
    return Status(Code::kInvalidArgument,
                  text + (error == EEXIST ? "exists" : "exists and is not empty"));
  }
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kIo;
  return Status(code, text + std::generic_category().message(error));
}

std::unique_ptr<Storage> NewPosixStorage(const PosixCalls& calls) {
  return std::make_unique<Posix>(calls);
}

Storage& PosixStorage() {
  static Storage* const storage = new Posix(PosixCalls());
  return *storage;
}

}  // namespace stemma::lineage
