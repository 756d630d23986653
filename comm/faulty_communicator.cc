#include "comm/faulty_communicator.h"

#include <string>
#include <thread>
#include <utility>

#include "comm/world_base.h"

namespace stemma::comm {
namespace {

using Clock = std::chrono::steady_clock;

// A call to which this rank does not come.
class NeverWork final : public Work::Impl {
 public:
  NeverWork(Communicator& inner, std::string text, std::chrono::milliseconds deadline)
      : inner_(inner), text_(std::move(text)), until_(Clock::now() + deadline) {}
  Status Wait() override {
    while (Clock::now() < until_) {
      STEMMA_RETURN_IF_ERROR(inner_.Health());
      STEMMA_RETURN_IF_ERROR(inner_.Progress());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {Code::kTimeout, text_ + ": this rank did not come"};
  }
  bool Done() const override { return Clock::now() >= until_; }

 private:
  Communicator& inner_;  // which outlives its Works here, unlike elsewhere: a test's world does
  const std::string text_;
  const Clock::time_point until_;
};

class FlipWork final : public Work::Impl {
 public:
  FlipWork(Work work, Span result, int64_t bit)
      : work_(std::move(work)), result_(result), bit_(bit) {}
  Status Wait() override {
    STEMMA_RETURN_IF_ERROR(work_.Wait());
    const int64_t byte = bit_ / 8;
    if (byte < static_cast<int64_t>(result_.bytes())) {
      static_cast<unsigned char*>(result_.data)[byte] ^= static_cast<unsigned char>(1u << bit_ % 8);
    }
    return {};
  }
  bool Done() const override { return work_.Done(); }

 private:
  Work work_;
  const Span result_;
  const int64_t bit_;
};

}  // namespace

struct FaultyCommunicator::Held {
  Launch launch;  // empty once made
  Result<Work> work = Work();
  void Make() {
    if (!launch) return;
    work = launch();
    launch = nullptr;
  }
};

class FaultyCommunicator::HeldWork final : public Work::Impl {
 public:
  explicit HeldWork(std::shared_ptr<Held> held) : held_(std::move(held)) {}
  Status Wait() override {
    held_->Make();
    STEMMA_RETURN_IF_ERROR(held_->work.status());
    return held_->work->Wait();
  }
  bool Done() const override {
    return !held_->launch && (!held_->work.ok() || held_->work->Done());
  }

 private:
  const std::shared_ptr<Held> held_;
};

FaultyCommunicator::FaultyCommunicator(std::unique_ptr<Communicator> inner,
                                       std::vector<Fault> faults,
                                       std::chrono::milliseconds deadline)
    : inner_(std::move(inner)), faults_(std::move(faults)), deadline_(deadline) {}

FaultyCommunicator::~FaultyCommunicator() = default;

int64_t FaultyCommunicator::calls() const { return calls_; }

Result<Work> FaultyCommunicator::Run(Launch launch, Span result, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(dead_);
  const int64_t number = calls_++;
  const std::string text = "call " + std::to_string(number) + " \"" + options.what + "\"";
  bool hold = false;
  int64_t flip = -1;
  for (const Fault& fault : faults_) {
    if (fault.call != number) continue;
    switch (fault.kind) {
      case Fault::kDelay:
        std::this_thread::sleep_for(fault.time);
        break;
      case Fault::kFail:
        return Status(fault.code, text + ": made to fail");
      case Fault::kNever: {
        const auto own = options.deadline;
        const auto deadline = own.count() > 0 ? own : deadline_;
        return Work(std::make_unique<NeverWork>(*inner_, text, deadline));
      }
      case Fault::kDie:
        dead_ = {Code::kPeerLost, text + ": this rank died"};
        return dead_;
      case Fault::kFlip:
        flip = fault.bit;
        break;
      case Fault::kSwap:
        hold = true;
        break;
    }
  }
  if (hold) {
    if (held_ != nullptr) held_->Make();
    held_ = std::make_shared<Held>();
    held_->launch = std::move(launch);
    return Work(std::make_unique<HeldWork>(held_));
  }
  Result<Work> work = launch();
  if (held_ != nullptr) held_->Make();
  held_ = nullptr;
  if (!work.ok() || flip < 0) return work;
  return Work(std::make_unique<FlipWork>(std::move(*work), result, flip));
}

Result<Work> FaultyCommunicator::AllReduce(Span inout, const CallOptions& options) {
  return Run([=] { return inner_->AllReduce(inout, options); }, inout, options);
}

Result<Work> FaultyCommunicator::AllGather(ConstSpan mine, Span all,
                                           const std::vector<int64_t>& counts,
                                           const CallOptions& options) {
  return Run([=] { return inner_->AllGather(mine, all, counts, options); }, all, options);
}

Result<Work> FaultyCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                               const std::vector<int64_t>& counts,
                                               const CallOptions& options) {
  return Run([=] { return inner_->ReduceScatter(in, mine, counts, options); }, mine, options);
}

Result<Work> FaultyCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                          const std::vector<int64_t>& receive,
                                          const CallOptions& options) {
  return Run([=] { return inner_->AllToAll(in, send, out, receive, options); }, out, options);
}

Result<Work> FaultyCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  return Run([=] { return inner_->Broadcast(inout, root, options); }, inout, options);
}

Result<Work> FaultyCommunicator::Barrier(const CallOptions& options) {
  return Run([=] { return inner_->Barrier(options); }, {}, options);
}

Result<std::unique_ptr<Segment>> FaultyCommunicator::Allocate(int64_t bytes,
                                                              std::string_view what) {
  STEMMA_RETURN_IF_ERROR(dead_);
  return inner_->Allocate(bytes, what);
}

Status FaultyCommunicator::Progress() {
  STEMMA_RETURN_IF_ERROR(dead_);
  return inner_->Progress();
}

Status FaultyCommunicator::Health() const {
  STEMMA_RETURN_IF_ERROR(dead_);
  return inner_->Health();
}

Status FaultyCommunicator::Close() {
  STEMMA_RETURN_IF_ERROR(dead_);
  if (held_ != nullptr) held_->Make();
  return inner_->Close();
}

FaultyCommunicator& InjectFaults(World& world, std::vector<Fault> faults,
                                 std::chrono::milliseconds deadline) {
  auto& data = static_cast<WorldBase&>(world).data_;
  auto faulty = std::make_unique<FaultyCommunicator>(std::move(data), std::move(faults), deadline);
  FaultyCommunicator& injected = *faulty;
  data = std::move(faulty);
  return injected;
}

}  // namespace stemma::comm
