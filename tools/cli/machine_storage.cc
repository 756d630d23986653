#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "core/text.h"
#include "tools/cli/machine.h"

namespace stemma::cli {
namespace {
namespace fs = std::filesystem;

constexpr size_t kBlock = 4096;
constexpr int kSyncs = 5;
constexpr uint64_t kFreeBad = 100'000'000, kFreeNote = 5'000'000'000;

// The folder itself, or the nearest one above it that exists.
fs::path Existing(const std::string& dir) {
  std::error_code error;
  fs::path path = fs::absolute(dir, error);
  while (!fs::is_directory(path, error) && path.has_parent_path() && path != path.parent_path()) {
    path = path.parent_path();
  }
  return path;
}

std::string FileSystemName(const fs::path& path) {
  // Numbers from Linux's headers; the network ones are what matters here.
  static const std::map<uint64_t, const char*> kNames = {
      {0xef53, "ext4"},        {0x58465342, "xfs"},  {0x9123683e, "btrfs"},  {0x01021994, "tmpfs"},
      {0x794c7630, "overlay"}, {0x6969, "nfs"},      {0x0bd00bd0, "lustre"}, {0x47504653, "gpfs"},
      {0x19830326, "beegfs"},  {0x00c36400, "ceph"}, {0x65735546, "fuse"},   {0x2fc12fc1, "zfs"},
      {0xff534d42, "cifs"},    {0x01021997, "9p"}};
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) return "unknown";
  const auto type = static_cast<uint64_t>(info.f_type) & 0xffffffffu;
  const auto found = kNames.find(type);
  if (found != kNames.end()) return found->second;
  char text[32];
  std::snprintf(text, sizeof text, "type 0x%llx", static_cast<unsigned long long>(type));
  return text;
}

Fact Space(const fs::path& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) {
    return {"storage", "free", "unknown", Verdict::kNote, std::strerror(errno)};
  }
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  std::string text = HumanBytes(free);
  // File systems without a fixed number of inodes say 0.
  if (info.f_files > 0) text += ", " + std::to_string(info.f_favail) + " files";
  Fact fact = {"storage", "free", text, Verdict::kOk, ""};
  const bool no_inodes = info.f_files > 0 && info.f_favail < 1000;
  if (free < kFreeBad || no_inodes) {
    fact.verdict = Verdict::kBad;
    fact.cure = "no room for states: free some, or put lineage.store elsewhere";
  } else if (free < kFreeNote) {
    fact.verdict = Verdict::kNote;
    fact.cure = "each captured state needs its size again";
  }
  return fact;
}

// A file that has no name any more: nothing stays behind, whatever happens.
int OpenNameless(const fs::path& dir, int flags) {
  std::string name = (dir / ".stemma-doctor-XXXXXX").string();
  const int made = mkstemp(name.data());
  if (made < 0) return -1;
  const int file = flags == 0 ? made : open(name.c_str(), O_RDWR | flags);
  unlink(name.c_str());
  if (flags != 0) close(made);
  return file;
}

Fact SyncTime(const fs::path& dir) {
  const int file = OpenNameless(dir, 0);
  if (file < 0) {
    return {"storage", "writable", "no", Verdict::kBad,
            std::string(std::strerror(errno)) + ": choose a folder you may write to"};
  }
  std::array<double, kSyncs> seconds{};
  const std::string block(kBlock, 's');
  bool failed = false;
  for (double& time : seconds) {
    const auto begin = std::chrono::steady_clock::now();
    failed = failed || write(file, block.data(), block.size()) < 0 || fsync(file) != 0;
    time = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  close(file);
  if (failed) {
    return {"storage", "fsync", "fails", Verdict::kBad,
            "a state could not be made durable here: choose another folder"};
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[kSyncs / 2];
  const bool slow = median > 0.1;
  return {"storage", "fsync", HumanDuration(median) + " (median of 5, 4 KiB)",
          slow ? Verdict::kNote : Verdict::kOk,
          slow ? "slow: captures stay in the background, but become durable later" : ""};
}

Fact DirectIo(const fs::path& dir) {
  const int file = OpenNameless(dir, O_DIRECT);
  bool works = false;
  if (file >= 0) {
    const std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(kBlock, kBlock),
                                                            &std::free);
    std::memset(block.get(), 0, kBlock);
    works = write(file, block.get(), kBlock) == static_cast<ssize_t>(kBlock);
    close(file);
  }
  return {"storage", "O_DIRECT", works ? "works" : "not here",
          works ? Verdict::kOk : Verdict::kNote,
          works ? "" : "packs are written through the page cache; nothing to do"};
}

Fact SharedMemory() {
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0) {
    return {"storage", "/dev/shm", "absent", Verdict::kNote,
            "ranks of one host talk through it: mount a tmpfs there"};
  }
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  const bool small = free < 128'000'000;
  return {"storage", "/dev/shm", HumanBytes(free) + " free", small ? Verdict::kNote : Verdict::kOk,
          small ? "small for several ranks on this host; for Docker: --shm-size=1g" : ""};
}

}  // namespace

std::vector<Fact> InspectStorage(const std::string& dir) {
  const fs::path path = Existing(dir);
  std::error_code error;
  const bool there = fs::is_directory(dir, error);
  std::vector<Fact> facts;
  facts.push_back({"storage", "store",
                   dir + (there ? "" : " (not made yet; looking at " + path.string() + ")"),
                   Verdict::kFact, ""});
  const std::string name = FileSystemName(path);
  const bool memory = name == "tmpfs";
  facts.push_back({"storage", "file system", name, memory ? Verdict::kNote : Verdict::kOk,
                   memory ? "lives in memory: a reboot loses every state" : ""});
  facts.push_back(Space(path));
  facts.push_back(SyncTime(path));
  facts.push_back(DirectIo(path));
  facts.push_back(SharedMemory());
  return facts;
}

}  // namespace stemma::cli
