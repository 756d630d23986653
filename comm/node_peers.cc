#include "comm/node_peers.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <climits>
#include <string>
#include <utility>

#include "comm/process_life.h"

namespace stemma::comm {
namespace {

constexpr std::chrono::milliseconds kLookAroundEvery{50};
constexpr int kRestsPerClock = 16;  // reading the clock costs as much as a look

void RelaxCore() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Not private: the word lies in memory of several processes.
int64_t Futex(std::atomic<uint32_t>* word, int operation, uint32_t value, const timespec* limit) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), operation, value, limit, nullptr, 0);
}

std::string HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

// Where one rank sleeps. Rung by others, so alone on its cache line.
struct alignas(64) NodePeers::Bell {
  std::atomic<uint32_t> sleepers;
  std::atomic<uint32_t> word;  // counts the rings that sleepers should hear
  alignas(64) std::atomic<uint32_t> fence;
};

NodePeers::NodePeers(std::unique_ptr<NodeMemory> memory, const NodeWaiting& waiting)
    : memory_(std::move(memory)), waiting_(waiting) {
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  for (int r = 0; r < ranks(); ++r) bells_.push_back(reinterpret_cast<Bell*>(memory_->part(r)));
}

NodePeers::~NodePeers() {
  for (const Life& life : lives_) {
    if (life.pidfd >= 0) close(life.pidfd);
  }
}

Result<std::shared_ptr<NodePeers>> NodePeers::Create(Cohort& node, const NodeWaiting& waiting) {
  STEMMA_ASSIGN_OR_RETURN(auto memory, NodeMemory::Create(node, sizeof(Bell), "doorbells"));
  std::shared_ptr<NodePeers> peers(new NodePeers(std::move(memory), waiting));
  STEMMA_RETURN_IF_ERROR(Agree(node, peers->Meet(node)));
  STEMMA_RETURN_IF_ERROR(peers->ShareFences(node));
  return peers;
}

Status NodePeers::Meet(Cohort& node) {
  STEMMA_ASSIGN_OR_RETURN(const auto pids, node.AllGather(std::to_string(getpid())));
  for (const std::string& pid : pids) {
    Life life;
    life.pid = std::stoi(pid);
    life.own = life.pid == getpid();
    if (!life.own) life.pidfd = OpenEndOf(life.pid);
    if (!life.own && life.pidfd < 0) life.start = LookAt(life.pid).start;
    lives_.push_back(life);
  }
  return {};
}

Status NodePeers::ShareFences(Cohort& node) {
  const bool here = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
  STEMMA_ASSIGN_OR_RETURN(const int everywhere, node.Min(here ? 1 : 0));
  fences_shared_ = everywhere == 1;
  return {};
}

// Of every registered process that runs now; who does not run passes a fence when it is scheduled.
void NodePeers::FenceAll() {
  if (fences_shared_) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

void NodePeers::Ring() {
  if (fences_shared_) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part
  } else {
    bells_[rank()]->fence.fetch_add(1);  // a locked instruction, which is a fence everywhere
  }
  for (Bell* bell : bells_) {
    if (bell->sleepers.load(std::memory_order_relaxed) == 0) continue;
    bell->word.fetch_add(1);
    Futex(&bell->word, FUTEX_WAKE, INT_MAX, nullptr);
  }
}

bool NodePeers::Lives(const Life& life) const {
  if (life.own) return true;
  if (life.pidfd >= 0) {
    pollfd ended{life.pidfd, POLLIN, 0};
    return poll(&ended, 1, 0) <= 0;
  }
  const ProcessLife now = LookAt(life.pid);
  return now.alive && now.BeganAt(life.start);
}

Status NodePeers::FindLost() const {
  for (int r = 0; r < ranks(); ++r) {
    if (Lives(lives_[r])) continue;
    return {Code::kPeerLost, "rank " + std::to_string(NameOf(r)) + " on " + HostName() + " (pid " +
                                 std::to_string(lives_[r].pid) + ") has ended"};
  }
  return {};
}

NodePatience::NodePatience(NodePeers& peers, std::chrono::milliseconds deadline)
    : peers_(peers), deadline_(deadline) {}

void NodePatience::Unregister() {
  if (registered_) peers_.bells_[peers_.rank()]->sleepers.fetch_sub(1);
  registered_ = false;
}

void NodePatience::Prepare() {
  if (pace_ != kSleeping) return;
  NodePeers::Bell& bell = *peers_.bells_[peers_.rank()];
  if (!registered_) {
    bell.sleepers.fetch_add(1);
    peers_.FenceAll();
  }
  registered_ = true;
  word_ = bell.word.load();
}

void NodePatience::Again() {
  Unregister();
  pace_ = kSpinning;
  rests_ = 0;
  timed_awake_ = false;
}

NodePatience::Verdict NodePatience::Rest() {
  if (pace_ == kSpinning && ++rests_ % kRestsPerClock != 0 && !peers_.waiting_.crowded) {
    RelaxCore();
    return kLookAgain;
  }
  const Clock::time_point now = Clock::now();
  if (!timed_) begin_ = looked_around_ = now;
  if (!timed_awake_) awake_since_ = now;
  timed_ = timed_awake_ = true;
  if (now - begin_ > deadline_) return kLate;
  const std::chrono::microseconds spin(peers_.waiting_.spin_us);
  if (pace_ == kSleeping) {
    Sleep(std::min<Clock::duration>(kLookAroundEvery, begin_ + deadline_ - now));
  } else if (peers_.waiting_.crowded || now - awake_since_ > 2 * spin) {
    pace_ = kSleeping;  // after one more look, which Prepare precedes
  } else if (now - awake_since_ > spin) {
    pace_ = kYielding;
    sched_yield();
  }
  if (now - looked_around_ < kLookAroundEvery) return kLookAgain;
  looked_around_ = now;
  return kLookAround;
}

void NodePatience::Sleep(Clock::duration longest) {
  const auto ns =
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(longest).count());
  const timespec limit{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  Futex(&peers_.bells_[peers_.rank()]->word, FUTEX_WAIT, word_, &limit);
}

}  // namespace stemma::comm
