#include "comm/node_calls.h"

#include <algorithm>
#include <utility>

namespace stemma::comm {

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

bool NodeCalls::StageNext() {
  if (stage_.call == posted_) return false;
  const NodeCall& call = at(stage_.call);
  if (stage_.piece == call.own_pieces) {  // 0 for memory that the peers see
    stage_.NextCall();
    return true;
  }
  const uint64_t stage = (stage_.call + static_cast<uint64_t>(stage_.piece)) % NodeChannel::kStages;
  if (staging_[stage]) return false;
  staging_[stage] = true;
  Unlocked([&, number = stage_.call, piece = stage_.piece] {
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
  Unlocked([&, number = serve_.call, piece = serve_.piece] {
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
    if (piece < call.own_pieces) {
      Unlocked([&] { verbs_.Unstage(number, call, piece); });
      staging_[(number + static_cast<uint64_t>(piece)) % NodeChannel::kStages] = false;
    }
    if (++retire_.piece < call.pieces) return true;
  }
  retire_.NextCall();
  channel_->SetCompleted(retire_.call);
  peers_->Ring();
  return true;
}

template <typename Body>
void NodeCalls::Unlocked(Body body) {
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

void NodeCalls::Append(NodeCall&& call) {
  if (launched_ - retire_.call == open_.size()) {
    std::vector<std::unique_ptr<NodeCall>> wider(2 * open_.size());
    for (uint64_t k = retire_.call; k < launched_; ++k) {
      wider[k % wider.size()] = std::move(open_[k % open_.size()]);
    }
    for (auto& place : wider) {
      if (place == nullptr) place = std::make_unique<NodeCall>();
    }
    open_ = std::move(wider);
  }
  at(launched_++) = std::move(call);
}

Result<uint64_t> NodeCalls::Launch(NodeCall&& call) {
  MutexLock lock(mutex_);
  STEMMA_RETURN_IF_ERROR(failure_);
  Append(std::move(call));
  const uint64_t number = launched_ - 1;
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

Status NodeCalls::WaitLocked(uint64_t number, std::chrono::milliseconds deadline) {
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
