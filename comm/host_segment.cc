#include "comm/host_segment.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace stemma::comm {
namespace {

constexpr int64_t kAlignment = 4096;
// Smaller memory holds too few huge pages to be worth the kernel's work.
constexpr int64_t kHuge = int64_t{4} << 20;

class HostSegment final : public Segment {
 public:
  HostSegment(void* data, int64_t bytes) : data_(data), bytes_(bytes) {}
  ~HostSegment() override { std::free(data_); }
  HostSegment(const HostSegment&) = delete;
  void* data() override { return data_; }
  int64_t bytes() const override { return bytes_; }

 private:
  void* const data_;
  const int64_t bytes_;
};

}  // namespace

Result<std::unique_ptr<Segment>> AllocateHost(int64_t bytes, std::string_view what) {
  if (bytes < 0) return Status(Code::kInvalidArgument, std::string(what) + ": bytes below zero");
  const int64_t whole = (bytes / kAlignment + 1) * kAlignment;
  void* data = std::aligned_alloc(kAlignment, static_cast<size_t>(whole));
  if (data == nullptr) {
    return Status(Code::kIo,
                  std::string(what) + ": no memory for " + std::to_string(bytes) + " bytes");
  }
  // Before it is touched. A kernel without huge pages refuses, and nothing is lost.
  if (whole >= kHuge) madvise(data, static_cast<size_t>(whole), MADV_HUGEPAGE);
  std::memset(data, 0, static_cast<size_t>(whole));
  return std::unique_ptr<Segment>(new HostSegment(data, bytes));
}

}  // namespace stemma::comm
