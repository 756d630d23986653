#include "comm/node_calls.h"

#include <algorithm>
#include <utility>

namespace stemma::comm {
namespace {

constexpr int kQuickLooks = 20;
constexpr int64_t kQuickBytes = 64 << 10;

}  // namespace

NodeCalls::NodeCalls(std::shared_ptr<NodePeers> peers, std::unique_ptr<NodeChannel> channel,
                     std::shared_ptr<NodeSegments> segments)
    : peers_(std::move(peers)),
      channel_(std::move(channel)),
      segments_(std::move(segments)),
      verbs_(*channel_, *segments_) {
  for (int k = 0; k < 8; ++k) open_.push_back(std::make_unique<NodeCall>());
}

// --- The steps. ---

bool NodeCalls::PostNext() {
  if (posted_ == launched_ || !channel_->HasRoom(posted_)) return false;
  verbs_.Describe(at(posted_), channel_->slot(channel_->rank(), posted_));
  channel_->Post(posted_++);
  peers_->Ring();
  return true;
}

bool NodeCalls::TakeStage(uint64_t* users, uint64_t call, int64_t piece) {
  uint64_t& user = users[NodeChannel::StageOf(call, piece)];
  for (int r = 0; r < ranks(); ++r) {
    if (channel_->retired(r) < user) return false;
  }
  user = NodePosition(call, piece + 1);
  return true;
}

bool NodeCalls::StageNext() {
  if (stage_.call == posted_) return false;
  const NodeCall& call = at(stage_.call);
  if (stage_.piece == call.own_pieces) {  // 0 for memory that the peers see
    stage_.NextCall();
    return true;
  }
  if (!TakeStage(stage_users_, stage_.call, stage_.piece)) return false;
  Unlocked(call, [&, number = stage_.call, piece = stage_.piece] {
    verbs_.Stage(number, call, piece);
    channel_->SetStaged(NodePosition(number, piece + 1));
  });
  ++stage_.piece;
  peers_->Ring();
  return true;
}

// True when call serve_.call has been posted by all ranks and is the same on all.
bool NodeCalls::MatchNext(NodeCall& call) {
  if (call.matched) return true;
  for (int r = 0; r < ranks(); ++r) {
    if (!channel_->Posted(r, serve_.call)) return false;
  }
  const Status status = verbs_.Match(serve_.call, call);
  if (!status.ok()) {
    FailLocked(status);
    return false;
  }
  verbs_.Cut(serve_.call, call);
  call.matched = true;
  return true;
}

bool NodeCalls::ServeNext() {
  if (serve_.call == posted_) return false;
  NodeCall& call = at(serve_.call);
  if (!MatchNext(call)) return false;
  if (call.place == NodePlace::kInline) {
    verbs_.ServeInline(serve_.call, call);
    serve_.NextCall();
    return true;
  }
  for (int r = 0; r < ranks(); ++r) {
    if (!verbs_.IsStaged(serve_.call, call, r, serve_.piece)) return false;
  }
  const bool leaves_sums = call.any_staged && call.verb == NodeVerb::kReduce;
  if (leaves_sums && !TakeStage(sums_users_, serve_.call, serve_.piece)) return false;
  Unlocked(call, [&, number = serve_.call, piece = serve_.piece] {
    verbs_.Serve(number, call, piece);
    channel_->SetServed(NodePosition(number, piece + 1));
  });
  if (++serve_.piece == call.pieces) serve_.NextCall();
  peers_->Ring();
  return true;
}

bool NodeCalls::RetireNext() {
  const uint64_t number = retire_.call;
  if (number == launched_) return false;
  NodeCall& call = at(number);
  if (call.place == NodePlace::kInline) {
    if (serve_.call <= number) return false;
  } else {
    const int64_t piece = retire_.piece;
    if (!call.matched) return false;
    const uint64_t position = NodePosition(number, piece + 1);
    for (int r = 0; r < ranks(); ++r) {
      if (channel_->served(r) < position) return false;
    }
    if (call.verb == NodeVerb::kReduce && call.place == NodePlace::kStaged) {
      Unlocked(call, [&] { verbs_.Fetch(number, call, piece); });
    }
    ++retire_.piece;
  }
  if (retire_.piece == call.pieces) retire_.NextCall();
  channel_->SetRetired(NodePosition(retire_.call, retire_.piece));
  channel_->Warm(posted_, call.place == NodePlace::kInline ? call.count * call.element() : 0);
  // Who is as far ahead as the ring is long needs no news of every call.
  if (call.any_staged || retire_.call % (NodeChannel::kRing / 4) == 0) peers_->Ring();
  return true;
}

template <typename Body>
void NodeCalls::Unlocked(const NodeCall& call, Body body) {
  if (call.window <= kQuickBytes && !driven_) return body();  // over before anybody asks
  busy_ = true;
  mutex_.unlock();
  body();
  mutex_.lock();
  busy_ = false;
}

bool NodeCalls::Advance(bool serve) {
  bool moved = false;
  while (failure_.ok() && !busy_) {
    if (!PostNext() && !StageNext() && !(serve && (ServeNext() || RetireNext()))) break;
    moved = true;
  }
  return moved;
}

// --- What others call. ---

void NodeCalls::Widen() {
  std::vector<std::unique_ptr<NodeCall>> wider(2 * open_.size());
  for (uint64_t k = retire_.call; k < launched_; ++k) {
    wider[k % wider.size()] = std::move(open_[k % open_.size()]);
  }
  for (auto& place : wider) {
    if (place == nullptr) place = std::make_unique<NodeCall>();
  }
  open_ = std::move(wider);
}

Result<uint64_t> NodeCalls::Launch(const NodeRequest& request) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(failure_);
  if (launched_ - retire_.call == open_.size()) Widen();
  const uint64_t number = launched_++;
  at(number).Begin(request);
  if (driven_) launches_.notify_all();
  if (busy_) {
    PostNext();  // whoever is at work does the rest
  } else {
    Advance(false);
  }
  return number;
}

Status NodeCalls::Wait(uint64_t number, std::chrono::milliseconds deadline) {
  MutexLock lock(mutex_);
  return WaitLocked(number, deadline);
}

// A short wait without giving the lock away or asking for the time: most calls end here.
bool NodeCalls::SpinFor(uint64_t number) {
  for (int look = 0; look < kQuickLooks && failure_.ok() && !busy_; ++look) {
    Advance(true);
    if (number < retire_.call) return true;
  }
  return number < retire_.call;
}

Status NodeCalls::WaitLocked(uint64_t number, std::chrono::milliseconds deadline) {
  if (SpinFor(number)) return {};
  NodePatience patience(*peers_, deadline);
  while (true) {
    patience.Prepare();
    if (Advance(true)) patience.Again();
    if (number < retire_.call) return {};
    if (!busy_ && PeerEnded()) continue;
    if (!busy_ && !failure_.ok()) return failure_;
    mutex_.unlock();
    if (idle_) idle_();
    const NodePatience::Verdict verdict = patience.Rest();
    mutex_.lock();
    if (verdict == NodePatience::kLookAgain || !failure_.ok()) continue;
    if (verdict == NodePatience::kLate && number >= retire_.call) {
      FailLocked(Late(deadline));
    } else {
      LookAround(number);
    }
  }
}

bool NodeCalls::Done(uint64_t number) const {
  MutexLock lock(mutex_);
  return number < retire_.call || !failure_.ok();
}

Status NodeCalls::Progress() {
  MutexLock lock(mutex_);
  Advance(true);
  return failure_;
}

void NodeCalls::Drive() {
  MutexLock lock(mutex_);
  driven_ = true;
  while (!stopping_ && failure_.ok()) {
    if (retire_.call == launched_) {
      launches_.wait(mutex_);
    } else {
      WaitLocked(launched_ - 1, std::chrono::hours(24 * 365)).ok();  // its caller has a deadline
    }
  }
}

void NodeCalls::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  launches_.notify_all();
}

Status NodeCalls::Health() const {
  MutexLock lock(mutex_);
  return failure_;
}

// --- Failures. ---

void NodeCalls::Fail(const Status& cause) {
  MutexLock lock(mutex_);
  FailLocked(cause);
}

void NodeCalls::FailLocked(const Status& cause) {
  if (!failure_.ok()) return;
  failure_ = cause;
  channel_->SetEnded(cause);
  peers_->Ring();
}

// A peer gave up: what can still be done was done just now, after it had left its reason.
bool NodeCalls::PeerEnded() {
  for (int r = 0; r < ranks(); ++r) {
    if (r == channel_->rank() || !channel_->ended(r) || !failure_.ok()) continue;
    const bool moved = Advance(true);
    if (moved || !failure_.ok()) return true;
    const Status theirs = channel_->EndedWith(r);
    FailLocked(
        {theirs.code(), "rank " + std::to_string(peers_->NameOf(r)) + ": " + theirs.message()});
    return true;
  }
  return false;
}

void NodeCalls::LookAround(uint64_t number) {
  const Status lost = peers_->FindLost();
  // What a rank did before it ended counts; and who left a reason ended because of another.
  if (lost.ok() || busy_ || Advance(true) || number < retire_.call || PeerEnded()) return;
  FailLocked(lost);
}

Status NodeCalls::Late(std::chrono::milliseconds deadline) {
  std::string come, done;
  int missing = 0, behind = 0;
  for (int r = 0; r < ranks(); ++r) {
    const std::string name = std::to_string(peers_->NameOf(r));
    if (!channel_->Posted(r, retire_.call)) {
      come += (missing++ > 0 ? "," : "") + name;
    } else if (channel_->served(r) < NodePosition(retire_.call, retire_.piece + 1)) {
      done += (behind++ > 0 ? "," : "") + name;
    }
  }
  const bool posted = missing == 0;
  std::string late = (posted ? behind : missing) == 1 ? "rank {" : "ranks {";
  late += posted ? done + "} came but did not do its share" : come + "} did not come";
  const bool own = channel_->Posted(channel_->rank(), retire_.call);
  const std::string text = own ? verbs_.Text(channel_->slot(channel_->rank(), retire_.call))
                               : "call " + std::to_string(retire_.call);
  return {Code::kTimeout,
          text + ": " + late + " within " + std::to_string(deadline.count()) + " ms"};
}

}  // namespace stemma::comm
