#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "lineage/names.h"
#include "models/data/images/reading.h"
#include "models/data/stage.h"

namespace stemma::models {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kPiece = uint64_t{8} << 20;
constexpr int kTries = 2;           // of a file whose bytes came out wrong
constexpr int kFailuresInARow = 3;  // then the disk is to blame, and no file will do better
constexpr std::string_view kCopyEnd = ".stage", kPartMiddle = ".stage.", kPartEnd = ".part";
constexpr std::string_view kClock = "clock.";

// Whether a name in the folder is of ours and not whole: "<digest>.stage.<ulid>.part", or what the
// time was taken with, "clock.<ulid>.part". Somebody else's file is never touched.
bool IsPart(std::string_view name) {
  if (name.size() < kPartEnd.size() + lineage::kUlidText) return false;
  const size_t ulid = name.size() - kPartEnd.size() - lineage::kUlidText;
  if (name.substr(name.size() - kPartEnd.size()) != kPartEnd) return false;
  if (!lineage::IsUlid(name.substr(ulid, lineage::kUlidText))) return false;
  const std::string_view head = name.substr(0, ulid);
  const size_t digest = 2 * kXxh128Bytes;
  return head == kClock || (head.size() > digest && head.substr(digest) == kPartMiddle &&
                            FromHex(head.substr(0, digest)).size() == kXxh128Bytes);
}

enum class Outcome { kThere, kCopied, kBusy, kStopped };

class Copier {
 public:
  Copier(lineage::Storage& source, lineage::Storage& local, const StageSettings& settings,
         const std::vector<StageFile>& files, const std::function<bool(uint64_t, uint64_t)>& go_on)
      : source_(source), local_(local), settings_(settings), files_(files), go_on_(go_on) {
    for (const StageFile& file : files) all_ += file.bytes;
  }

  StageReport Run() {
    const Clock::time_point begun = Clock::now();
    const Status status = CopyAll();
    report_.left = static_cast<int64_t>(files_.size()) - report_.there - report_.copied;
    report_.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    if (report_.why.ok()) report_.why = status;
    return std::move(report_);
  }

 private:
  Status CopyAll();
  Result<Outcome> CopyOne(const StageFile& file);
  Result<std::vector<std::string>> LiveParts();
  Result<int64_t> NowMs();
  Status CheckRoom(uint64_t bytes) const;
  Result<Outcome> Fill(const StageFile& file, const std::string& part);
  bool Pause() const;
  bool GoesOn() const { return go_on_(std::min(done_ + piece_done_, all_), all_); }

  lineage::Storage& source_;
  lineage::Storage& local_;
  const StageSettings& settings_;
  const std::vector<StageFile>& files_;
  const std::function<bool(uint64_t, uint64_t)>& go_on_;
  uint64_t all_ = 0, done_ = 0, piece_done_ = 0;  // bytes
  StageReport report_;
};

Status Copier::CopyAll() {
  if (!local_.Exists(settings_.dir)) {
    const Status made = local_.MakeDir(settings_.dir);
    if (!made.ok() && !local_.Exists(settings_.dir)) return made;  // another rank's is as good
  }
  STEMMA_RETURN_IF_ERROR(LiveParts().status());
  std::deque<const StageFile*> pending;
  for (const StageFile& file : files_) pending.push_back(&file);
  size_t busy_in_a_row = 0;
  int failures = 0;
  while (!pending.empty()) {
    const StageFile* const file = pending.front();
    pending.pop_front();
    const Result<Outcome> outcome = CopyOne(*file);
    if (!outcome.ok()) {
      if (lineage::IsNoSpace(outcome.status()) || ++failures == kFailuresInARow) {
        return outcome.status();
      }
      if (report_.why.ok()) report_.why = outcome.status();
      continue;
    }
    if (*outcome == Outcome::kStopped) {
      report_.stopped = true;
      return {};
    }
    if (*outcome != Outcome::kBusy) {
      ++(*outcome == Outcome::kThere ? report_.there : report_.copied);
      done_ += file->bytes;
      busy_in_a_row = 0;
      failures = 0;
      continue;
    }
    pending.push_back(file);
    if (++busy_in_a_row < pending.size()) continue;
    busy_in_a_row = 0;
    report_.stopped = !Pause();
    if (report_.stopped) return {};
  }
  return {};
}

bool Copier::Pause() const {
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(settings_.look_s));
  while (Clock::now() < end) {
    if (!GoesOn()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return GoesOn();
}

// By the clock of the disk, which is what ages of its files are measured with.
Result<int64_t> Copier::NowMs() {
  const std::string path =
      settings_.dir + "/" + std::string(kClock) + lineage::NewUlid() + std::string(kPartEnd);
  STEMMA_RETURN_IF_ERROR(lineage::WriteSynced(local_, path, ""));
  const auto now = local_.ModifiedMs(path);
  (void)local_.Remove(path);
  return now;
}

// The names of what others write now; those of the dead are removed.
Result<std::vector<std::string>> Copier::LiveParts() {
  STEMMA_ASSIGN_OR_RETURN(const auto names, local_.List(settings_.dir));
  std::vector<std::string> live;
  if (std::none_of(names.begin(), names.end(), IsPart)) return live;
  STEMMA_ASSIGN_OR_RETURN(const int64_t now, NowMs());
  for (const std::string& name : names) {
    if (!IsPart(name)) continue;
    const std::string path = settings_.dir + "/" + name;
    const auto modified = local_.ModifiedMs(path);
    if (!modified.ok()) continue;  // it was renamed or removed meanwhile
    if (static_cast<double>(now - *modified) / 1e3 < settings_.dead_s) {
      live.push_back(name);
    } else {
      (void)local_.Remove(path);
    }
  }
  return live;
}

Status Copier::CheckRoom(uint64_t bytes) const {
  STEMMA_ASSIGN_OR_RETURN(const FreeSpace free, settings_.free_space(settings_.dir));
  const char* const no_space = ": No space left on device";  // what IsNoSpace knows
  if (free.bytes < bytes || free.bytes - bytes < settings_.keep_free) {
    return {Code::kIo, settings_.dir + no_space + " (" + HumanBytes(free.bytes) + " free, " +
                           HumanBytes(settings_.keep_free) + " of them for others)"};
  }
  if (free.inodes <= settings_.keep_inodes) {
    return {Code::kIo, settings_.dir + no_space + " (" + std::to_string(free.inodes) +
                           " inodes free, " + std::to_string(settings_.keep_inodes) +
                           " of them for others)"};
  }
  return {};
}

Result<Outcome> Copier::CopyOne(const StageFile& file) {
  if (!GoesOn()) return Outcome::kStopped;
  const std::string copy = CopyPath(settings_.dir, file);
  const auto bytes = local_.SizeOf(copy);
  if (bytes.ok() && *bytes == file.bytes) return Outcome::kThere;
  STEMMA_ASSIGN_OR_RETURN(const auto live, LiveParts());
  const std::string mine = lineage::BaseOf(copy) + ".";
  for (const std::string& part : live) {
    if (part.substr(0, mine.size()) == mine) return Outcome::kBusy;
  }
  STEMMA_RETURN_IF_ERROR(CheckRoom(file.bytes));
  for (int tries = 1;; ++tries) {
    const std::string part = copy + "." + lineage::NewUlid() + std::string(kPartEnd);
    Result<Outcome> filled = Fill(file, part);
    piece_done_ = 0;
    if (filled.ok() && *filled == Outcome::kCopied) {
      const Status renamed = local_.Rename(part, copy);
      if (renamed.ok()) {
        report_.bytes += file.bytes;
        return Outcome::kCopied;
      }
      // Whoever took us for dead has removed the part, and copies the file.
      filled = renamed.code() == Code::kNotFound ? Result<Outcome>(Outcome::kBusy)
                                                 : Result<Outcome>(renamed);
    }
    (void)local_.Remove(part);
    const bool wrong = !filled.ok() && filled.status().code() == Code::kCorruption;
    if (!wrong || tries == kTries) return filled;
  }
}

Result<Outcome> Copier::Fill(const StageFile& file, const std::string& part) {
  STEMMA_ASSIGN_OR_RETURN(const auto from, source_.OpenToRead(file.path));
  lineage::WriteOptions options;
  options.reserve = file.bytes;
  STEMMA_ASSIGN_OR_RETURN(const auto to, local_.Create(part, options));
  Xxh128Stream digest;
  std::string piece;
  for (uint64_t at = 0; at < file.bytes; at += piece.size()) {
    piece_done_ = at;
    if (!GoesOn()) return Outcome::kStopped;
    piece.resize(std::min(kPiece, file.bytes - at));
    STEMMA_RETURN_IF_ERROR(
        ReadPatiently([&] { return from->Read(at, piece.size(), piece.data()); }));
    digest.Update(piece);
    STEMMA_RETURN_IF_ERROR(to->Append(piece));
  }
  if (digest.Finish() != file.digest) {
    return Status(Code::kCorruption,
                  file.path +
                      ": its bytes are not those that were indexed; `stemma data check` "
                      "says what is damaged");
  }
  STEMMA_RETURN_IF_ERROR(to->Sync());
  STEMMA_RETURN_IF_ERROR(to->Close());
  return Outcome::kCopied;
}

}  // namespace

std::string CopyPath(const std::string& dir, const StageFile& file) {
  return dir + "/" + Hex(file.digest) + std::string(kCopyEnd);
}

Result<FreeSpace> FreeSpaceOf(const std::string& dir) {
  struct statvfs about {};
  if (::statvfs(dir.c_str(), &about) != 0) {
    return Status(Code::kIo, "statvfs " + dir + ": " + std::generic_category().message(errno));
  }
  FreeSpace free;
  free.bytes = static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
  free.inodes = about.f_files > 0 ? static_cast<uint64_t>(about.f_favail)
                                  : std::numeric_limits<uint64_t>::max();
  return free;
}

StageReport CopyFiles(lineage::Storage& source, lineage::Storage& local,
                      const StageSettings& settings, const std::vector<StageFile>& files,
                      const std::function<bool(uint64_t, uint64_t)>& go_on) {
  return Copier(source, local, settings, files, go_on).Run();
}

BackgroundCopy::BackgroundCopy(lineage::Storage& source, lineage::Storage& local,
                               StageSettings settings, std::vector<StageFile> files)
    : thread_([this, &source, &local, settings = std::move(settings), files = std::move(files)] {
        report_ = CopyFiles(source, local, settings, files,
                            [this](uint64_t, uint64_t) { return !stopping_; });
        if (report_.stopped) return;
        Log(report_.left > 0 ? LogLevel::kWarning : LogLevel::kInfo,
            report_.left > 0 ? "some files are read from the source, not from this node's disk"
                             : "all files are on this node's disk",
            {{"folder", settings.dir},
             {"copied", report_.copied},
             {"there", report_.there},
             {"left", report_.left},
             {"bytes", report_.bytes},
             {"seconds", report_.seconds},
             {"why", report_.why.ok() ? "" : report_.why.message()}});
      }) {}

BackgroundCopy::~BackgroundCopy() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

StageReport BackgroundCopy::Wait() {
  thread_.join();
  return report_;
}

Result<bool> FirstOfHost(Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const auto hosts, cohort.AllGather(cohort.host()));
  const auto mine = static_cast<size_t>(cohort.rank());
  return std::find(hosts.begin(), hosts.end(), hosts[mine]) - hosts.begin() == cohort.rank();
}

}  // namespace stemma::models
