#include "comm/node_board.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "comm/flight_recorder.h"
#include "comm/process_life.h"
#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"

namespace stemma::comm {
namespace {

constexpr char kFolder[] = "/dev/shm";
constexpr int64_t kHeaderBytes = 4096;
constexpr int64_t kHostBytes = 4096;  // of a slot, before its rings
constexpr int kRoom = 128;  // ranks of a host when the launcher does not say how many there are

int NumberOf(const Environment& environment, std::initializer_list<const char*> names, int other) {
  for (const char* name : names) {
    if (const auto text = environment(name)) return std::atoi(text->c_str());
  }
  return other;
}

// "stemma-0-": of this user.
std::string Prefix() { return "stemma-" + std::to_string(getuid()) + "-"; }

// Boards of jobs that were killed before all ranks had come. An hour is longer than any start.
void RemoveStale() {
  DIR* folder = opendir(kFolder);
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name.rfind(Prefix(), 0) != 0) continue;
    const std::string path = std::string(kFolder) + "/" + name;
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || info.st_uid != getuid()) continue;
    if (std::time(nullptr) - info.st_mtime > 3600) unlink(path.c_str());
  }
  closedir(folder);
}

std::string Failed(const std::string& call, int error) {
  return std::string("no shared board: ") + call + ": " + std::strerror(error);
}

}  // namespace

struct NodeBoard::Header {
  std::atomic<uint32_t> cause_claimed;
};

BoardPlace PlaceOf(const Environment& environment) {
  BoardPlace place;
  place.rank = NumberOf(environment, {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}, 0);
  place.ranks =
      NumberOf(environment, {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"}, 1);
  place.slot = NumberOf(environment, {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}, -1);
  place.slots = NumberOf(environment, {"OMPI_COMM_WORLD_LOCAL_SIZE"}, 0);
  place.exact = place.slots > 0;
  if (!place.exact) place.slots = kRoom;
  // The launcher's address tells this job from one that had the same number.
  std::string job;
  for (const char* name :
       {"PMIX_NAMESPACE", "PMIX_SERVER_URI3", "PMIX_SERVER_URI2", "OMPI_MCA_orte_hnp_uri",
        "PMIX_SERVER_TMPDIR", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"}) {
    if (const auto text = environment(name)) job += *text + "|";
  }
  if (!job.empty() && place.slot >= 0 && place.slot < place.slots) place.job = job;
  return place;
}

std::unique_ptr<NodeBoard> NodeBoard::Private(int slots, const std::string& note) {
  std::unique_ptr<NodeBoard> board(new NodeBoard);
  board->slots_ = slots;
  board->ranks_ = slots;
  board->exact_ = true;
  board->note_ = note;
  board->bytes_ = kHeaderBytes + slots * FlightRecorder::kBytes;
  board->memory_ = mmap(nullptr, static_cast<size_t>(board->bytes_), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  board->pid_space_ = OwnPidSpace();
  STEMMA_CHECK(board->memory_ != MAP_FAILED, "no memory for the flight recorder");
  return board;
}

std::unique_ptr<NodeBoard> NodeBoard::Join(const BoardPlace& place) {
  const auto alone = [&](const std::string& note) {
    std::unique_ptr<NodeBoard> board = Private(1, note);
    board->ranks_ = place.ranks;  // there are others, who cannot be seen
    return board;
  };
  if (place.job.empty()) return alone("the launcher gives the job no name");
  RemoveStale();
  std::unique_ptr<NodeBoard> board(new NodeBoard);
  board->slots_ = place.slots;
  board->own_ = place.slot;
  board->ranks_ = place.ranks;
  board->exact_ = place.exact;
  board->bytes_ = kHeaderBytes + place.slots * FlightRecorder::kBytes;
  board->path_ = std::string(kFolder) + "/" + Prefix() + Hex(Sha256(place.job)).substr(0, 24);
  const int fd = open(board->path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return alone(Failed("open " + board->path_, errno));
  // The file is as long as all slots. Reserved is what this rank writes, and what it reads of a
  // rank that has not come, so that a full /dev/shm is an error here and no SIGBUS later.
  int error = ftruncate(fd, board->bytes_) == 0 ? 0 : errno;
  if (error == 0) error = posix_fallocate(fd, 0, kHeaderBytes);
  for (int slot = 0; slot < place.slots && error == 0; ++slot) {
    error = posix_fallocate(fd, kHeaderBytes + slot * FlightRecorder::kBytes, kHostBytes);
  }
  const int64_t offset = kHeaderBytes + place.slot * FlightRecorder::kBytes;
  if (error == 0) error = posix_fallocate(fd, offset, FlightRecorder::kBytes);
  void* memory = MAP_FAILED;
  if (error == 0) {
    memory = mmap(nullptr, static_cast<size_t>(board->bytes_), PROT_READ | PROT_WRITE, MAP_SHARED,
                  fd, 0);
    if (memory == MAP_FAILED) error = errno;
  }
  close(fd);
  if (error != 0) return alone(Failed("reserve " + board->path_, error));
  board->memory_ = memory;
  board->pid_space_ = OwnPidSpace();
  return board;
}

NodeBoard::~NodeBoard() {
  Unlink();
  if (memory_ != nullptr) munmap(memory_, static_cast<size_t>(bytes_));
}

void* NodeBoard::slot(int index) const {
  return static_cast<char*>(memory_) + kHeaderBytes + index * FlightRecorder::kBytes;
}

void NodeBoard::Unlink() {
  if (path_.empty() || unlinked_ || memory_ == nullptr) return;
  unlinked_ = true;
  unlink(path_.c_str());
}

bool NodeBoard::ClaimCause() { return header().cause_claimed.exchange(1) == 0; }

bool NodeBoard::cause_claimed() const { return header().cause_claimed.load() != 0; }

std::string NodeBoard::Arrivals() const {
  std::vector<std::string> words;
  int came = 0;
  for (int i = 0; i < slots_; ++i) {
    const HostRecord host = FlightRecorder::ReadHost(slot(i));
    if (host.presence != Presence::kAbsent) ++came;
    words.push_back(host.presence == Presence::kAbsent ? "" : std::to_string(host.rank));
  }
  std::string arrived;
  for (const std::string& rank : words) {
    if (!rank.empty()) arrived += (arrived.empty() ? "" : ",") + rank;
  }
  if (!shared()) return "this host's other ranks are unknown (" + note_ + ")";
  std::string text = "arrived on this host: ranks {" + arrived + "}";
  if (exact_)
    text += ", " + std::to_string(slots_ - came) + " of " + std::to_string(slots_) + " are missing";
  // With one host a slot is a rank, and the missing can be named.
  if (!slots_are_ranks() || came == slots_) return text;
  std::string missing;
  for (int i = 0; i < slots_; ++i) {
    if (words[static_cast<size_t>(i)].empty()) {
      missing += (missing.empty() ? "" : ",") + std::to_string(i);
    }
  }
  return text + ": ranks {" + missing + "}";
}

}  // namespace stemma::comm
