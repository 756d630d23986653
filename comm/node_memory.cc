#include "comm/node_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "core/bytes.h"

namespace stemma::comm {
namespace {

constexpr int64_t kPage = 4096;
// Address space after each mapping. Mappings lie side by side, and some processors (AMD's Zen guess
// the way of the first cache from bits 12 to 27 of an address) lose half of their speed where two
// addresses that are used together are a multiple of 256 MiB apart.
constexpr int64_t kGap = 17 * kPage;

Status SystemError(const std::string& what) {
  return {Code::kIo, what + ": " + std::strerror(errno)};
}

// A mapping, and the file behind it until all peers have opened it.
class Part {
 public:
  Part() = default;
  ~Part() {
    if (data_ != nullptr) munmap(data_, Mapped() + kGap);
    CloseFile();
  }
  Part(const Part&) = delete;

  Status Make(int64_t bytes, bool as_file, const std::string& what);
  Status Open(const std::string& path, uint64_t device, uint64_t inode, int64_t bytes);
  void CloseFile() {
    if (file_ >= 0) close(file_);
    file_ = -1;
  }
  void Discard() {
    if (bytes_ > 0) madvise(data_, Mapped(), MADV_REMOVE);
  }

  char* data() const { return static_cast<char*>(data_); }
  int64_t bytes() const { return bytes_; }
  int file() const { return file_; }

 private:
  size_t Mapped() const { return static_cast<size_t>((bytes_ + kPage - 1) / kPage * kPage); }
  Status Map(int flags);

  void* data_ = nullptr;
  int64_t bytes_ = 0;
  int file_ = -1;
};

Status Part::Map(int flags) {
  if (bytes_ == 0) return {};
  void* at = mmap(nullptr, Mapped() + kGap, PROT_READ | PROT_WRITE, MAP_SHARED | flags, file_, 0);
  if (at == MAP_FAILED) return SystemError("cannot map " + std::to_string(bytes_) + " bytes");
  data_ = at;
  return {};
}

Status Part::Make(int64_t bytes, bool as_file, const std::string& what) {
  bytes_ = bytes;
  if (as_file) {
    file_ = memfd_create(("stemma " + what).substr(0, 200).c_str(), MFD_CLOEXEC);
    if (file_ < 0) return SystemError("memfd_create");
    if (ftruncate(file_, static_cast<off_t>(Mapped())) != 0) {
      return SystemError("ftruncate to " + std::to_string(bytes) + " bytes");
    }
  }
  STEMMA_RETURN_IF_ERROR(Map(as_file ? 0 : MAP_ANONYMOUS));
  // The owner touches every page, so that it lies in the owner's part of the machine's memory.
  for (size_t at = 0; at < static_cast<size_t>(bytes_); at += kPage) data()[at] = 0;
  return {};
}

Status Part::Open(const std::string& path, uint64_t device, uint64_t inode, int64_t bytes) {
  bytes_ = bytes;
  if (bytes == 0) return {};
  file_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat found {};
  const bool good = file_ >= 0 && fstat(file_, &found) == 0;
  if (!good || found.st_dev != device || found.st_ino != inode) {
    return {Code::kInvalidArgument,
            path + " of a peer cannot be opened (" + (good ? "another file" : strerror(errno)) +
                "): the ranks run in containers or as users of their own; set comm.backend=mpi, "
                "which needs no common memory"};
  }
  STEMMA_RETURN_IF_ERROR(Map(0));
  CloseFile();
  return {};
}

// The number in the first line of a file; -1 when there is none.
int64_t NumberIn(const char* path) {
  std::ifstream in(path);
  int64_t value = -1;
  return in >> value ? value : -1;
}

int64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  std::string key;
  int64_t kilobytes = 0;
  for (std::string line; in >> key >> kilobytes && std::getline(in, line);) {
    if (key == "MemAvailable:") return kilobytes << 10;
  }
  return -1;
}

struct Limit {
  int64_t left = -1;
  std::string name;
};

Limit TightestLimit() {
  Limit tightest{AvailableMemory(), "available memory (/proc/meminfo)"};
  const char* const cgroups[][2] = {{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
                                    {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
                                     "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limit_file, used_file] : cgroups) {
    const int64_t limit = NumberIn(limit_file), used = NumberIn(used_file);
    if (limit < 0 || used < 0) continue;  // "max", or no such cgroup
    const int64_t left = std::max<int64_t>(0, limit - used);
    // What is used holds page cache too, which makes room: count only what is surely too much.
    if (tightest.left < 0 || limit < tightest.left) {
      tightest = {std::max(left, limit / 2), std::string("the memory cgroup (") + limit_file + ")"};
    }
  }
  return tightest;
}

// Too much would be killed for it, without a word, when the pages are touched.
Status CheckFits(int64_t own, int64_t all) {
  const Limit limit = TightestLimit();
  if (limit.left < 0 || all <= limit.left) return {};
  return {Code::kIo, "no room for " + std::to_string(own) + " bytes, " + std::to_string(all) +
                         " on all ranks of the node: " + limit.name + " leaves " +
                         std::to_string(limit.left)};
}

// Tells processes apart where process numbers alone do not, in containers of their own, and where
// this number alone does not, after a fork.
uint64_t ProcessToken() {
  static const uint64_t token = [] {
    uint64_t random = 0;
    const bool good = getrandom(&random, sizeof random, 0) == sizeof random;
    return good ? random : static_cast<uint64_t>(getpid());
  }();
  return token + static_cast<uint64_t>(getpid()) * 0x9e3779b97f4a7c15u;
}

// What a rank tells the others about its part.
struct Offer {
  uint64_t process = 0;  // ProcessToken()
  int64_t pid = 0, bytes = 0, file = -1;
  uint64_t device = 0, inode = 0;
  uint64_t address = 0;  // of a shared_ptr, for ranks of the same process

  std::string Text() const {
    Encoder out;
    for (uint64_t word : {process, static_cast<uint64_t>(pid), static_cast<uint64_t>(bytes),
                          static_cast<uint64_t>(file), device, inode, address}) {
      out.U64(word);
    }
    return out.Take();
  }
  static Offer From(const std::string& text) {
    Decoder in(text);
    Offer offer;
    offer.process = in.U64();
    offer.pid = static_cast<int64_t>(in.U64());
    offer.bytes = static_cast<int64_t>(in.U64());
    offer.file = static_cast<int64_t>(in.U64());
    offer.device = in.U64();
    offer.inode = in.U64();
    offer.address = in.U64();
    return offer;
  }
};

Result<std::vector<Offer>> Exchange(Cohort& node, const Offer& mine) {
  STEMMA_ASSIGN_OR_RETURN(const auto texts, node.AllGather(mine.Text()));
  std::vector<Offer> offers;
  for (const std::string& text : texts) offers.push_back(Offer::From(text));
  return offers;
}

class MappedMemory final : public NodeMemory {
 public:
  explicit MappedMemory(int rank) : rank_(rank) {}

  int rank() const override { return rank_; }
  int ranks() const override { return static_cast<int>(parts_.size()); }
  char* part(int rank) const override { return parts_[rank]->data(); }
  int64_t bytes(int rank) const override { return parts_[rank]->bytes(); }
  void Discard() override { parts_[rank_]->Discard(); }

  Status Open(const std::vector<Offer>& offers, const std::shared_ptr<Part>& own, bool threads);

 private:
  const int rank_;
  // Shared between ranks that are threads: whichever ends last frees a part.
  std::vector<std::shared_ptr<Part>> parts_;
};

Status MappedMemory::Open(const std::vector<Offer>& offers, const std::shared_ptr<Part>& own,
                          bool threads) {
  for (size_t r = 0; r < offers.size(); ++r) {
    const Offer& offer = offers[r];
    if (static_cast<int>(r) == rank_) {
      parts_.push_back(own);
    } else if (threads) {
      parts_.push_back(*reinterpret_cast<const std::shared_ptr<Part>*>(offer.address));
    } else {
      parts_.push_back(std::make_shared<Part>());
      const std::string path =
          "/proc/" + std::to_string(offer.pid) + "/fd/" + std::to_string(offer.file);
      STEMMA_RETURN_IF_ERROR(parts_.back()->Open(path, offer.device, offer.inode, offer.bytes));
    }
  }
  return {};
}

// kInvalidArgument, the same on all ranks, when some ranks are threads and others are not.
Result<bool> AreThreads(const std::vector<Offer>& offers) {
  std::vector<uint64_t> processes;
  for (const Offer& offer : offers) processes.push_back(offer.process);
  std::sort(processes.begin(), processes.end());
  if (processes.front() == processes.back()) return true;
  if (std::adjacent_find(processes.begin(), processes.end()) == processes.end()) return false;
  return Status(Code::kInvalidArgument,
                "some ranks are threads of one process and others are not: start every rank as a "
                "process of its own");
}

}  // namespace

Result<std::unique_ptr<NodeMemory>> NodeMemory::Create(Cohort& node, int64_t bytes,
                                                       std::string_view what) {
  const std::string name(what);
  Offer mine;
  mine.process = ProcessToken();
  mine.pid = getpid();
  mine.bytes = bytes;
  STEMMA_ASSIGN_OR_RETURN(const auto wanted, Exchange(node, mine));
  int64_t total = 0;
  for (const Offer& offer : wanted) total += std::max<int64_t>(0, offer.bytes);
  STEMMA_ASSIGN_OR_RETURN(const bool threads, AreThreads(wanted));

  auto own = std::make_shared<Part>();
  Status made;
  if (bytes < 0) made = {Code::kInvalidArgument, "bytes below zero"};
  if (made.ok()) made = CheckFits(bytes, total);
  if (made.ok()) made = own->Make(bytes, !threads, name);
  struct stat file {};
  if (made.ok() && !threads && fstat(own->file(), &file) != 0) made = SystemError("fstat");
  STEMMA_RETURN_IF_ERROR(Agree(node, std::move(made).Within(name)));

  mine.file = own->file();
  mine.device = file.st_dev;
  mine.inode = file.st_ino;
  // On the heap, and left there when the ranks do not agree: a peer may still be reading it.
  auto* const handle = new std::shared_ptr<Part>(own);
  mine.address = reinterpret_cast<uint64_t>(handle);
  STEMMA_ASSIGN_OR_RETURN(const auto offers, Exchange(node, mine));
  auto memory = std::make_unique<MappedMemory>(node.rank());
  const Status opened = memory->Open(offers, own, threads).Within(name);
  STEMMA_RETURN_IF_ERROR(Agree(node, opened));  // now nobody needs the file or the handle any more
  delete handle;
  own->CloseFile();
  return std::unique_ptr<NodeMemory>(std::move(memory));
}

}  // namespace stemma::comm
