#include "lineage/posix_reads.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace stemma::lineage::internal {
namespace {

constexpr uint64_t kDirectAlign = 4096;  // what O_DIRECT wants multiples of, on any disk

class PosixReadable final : public ReadableFile {
 public:
  PosixReadable(const PosixCalls& calls, std::string path, int fd)
      : calls_(calls), path_(std::move(path)), fd_(fd) {}
  ~PosixReadable() override { ::close(fd_); }
  PosixReadable(const PosixReadable&) = delete;

  Status Read(uint64_t offset, uint64_t bytes, char* out) override {
    if (wishes_direct_) Choose(offset, bytes, out);
    auto got = ReadSome(calls_, fd_, path_, offset, bytes, out);
    if (!got.ok() && direct_) {  // a file system may find out only now that it cannot
      wishes_direct_ = false;
      SetDirect(false);
      got = ReadSome(calls_, fd_, path_, offset, bytes, out);
    }
    STEMMA_RETURN_IF_ERROR(got.status());
    return *got == bytes ? Status() : EndsEarly(path_, offset + *got, offset + bytes);
  }

  void GoDirect() override { wishes_direct_ = true; }

 private:
  void Choose(uint64_t offset, uint64_t bytes, const char* out) {
    const bool aligned = (offset | bytes | reinterpret_cast<uintptr_t>(out)) % kDirectAlign == 0;
    SetDirect(aligned && !calls_.is_cached(fd_, static_cast<off_t>(offset), bytes));
  }

  void SetDirect(bool direct) {
    if (direct == direct_) return;
    const int flags = ::fcntl(fd_, F_GETFL);
    const int wanted = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    if (flags >= 0 && calls_.set_flags(fd_, wanted) == 0) {
      direct_ = direct;
    } else {
      wishes_direct_ = false;
    }
  }

  const PosixCalls calls_;
  const std::string path_;
  const int fd_;
  bool wishes_direct_ = false, direct_ = false;
};

}  // namespace

Result<uint64_t> ReadSome(const PosixCalls& calls, int fd, const std::string& path, uint64_t offset,
                          uint64_t bytes, char* out) {
  uint64_t got = 0;
  while (got < bytes) {
    const ssize_t n = calls.pread(fd, out + got, bytes - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FromErrno("read", path, errno);
    if (n == 0) break;
    got += static_cast<uint64_t>(n);
  }
  return got;
}

Status EndsEarly(const std::string& path, uint64_t end, uint64_t wanted) {
  return Status(Code::kCorruption, path + " ends at byte " + std::to_string(end) + ", wanted " +
                                       std::to_string(wanted));
}

std::unique_ptr<ReadableFile> NewPosixReadable(const PosixCalls& calls, std::string path, int fd) {
  return std::make_unique<PosixReadable>(calls, std::move(path), fd);
}

bool IsCached(int fd, off_t offset, size_t bytes) {
  constexpr long kCachestat = 451;  // the same on all architectures; older headers lack it
  constexpr uint64_t kPage = 4096;  // where pages are larger, less counts as cached than is
  const uint64_t range[2] = {static_cast<uint64_t>(offset), bytes};
  uint64_t pages[5] = {};  // cached, dirty, in writeback, evicted, recently evicted
  if (::syscall(kCachestat, fd, range, pages, 0) != 0) return false;
  return pages[0] * kPage >= bytes;
}

}  // namespace stemma::lineage::internal
