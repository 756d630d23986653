#include "comm/world_base.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "comm/node_cohort.h"
#include "comm/recorded_communicator.h"
#include "comm/subset.h"

namespace stemma::comm {

Result<Communicator*> WorldBase::Subset(const std::vector<int>& ranks) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<int> members, AgreeOnMembers(*cohort_, ranks));
  const int place = PlaceIn(members, place_.rank);
  Result<std::unique_ptr<Communicator>> group = MakeGroup(members, place);
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, group.status()));
  if (place < 0) {
    groups_.push_back(MakeNonMember(place_.rank, members, data_->name(), on_gpu()));
  } else {
    groups_.push_back(std::make_unique<RecordedCommunicator>(std::move(*group), recorder(),
                                                             RecordedCommunicator::Ranks::kGroup));
  }
  return groups_.back().get();
}

Status WorldBase::Healthy() const {
  for (const auto& group : groups_) STEMMA_RETURN_IF_ERROR(group->Health());
  return data_->Health();
}

Status WorldBase::CloseData() {
  for (const auto& group : groups_) STEMMA_RETURN_IF_ERROR(group->Close());
  return data_->Close();
}

Result<std::unique_ptr<Communicator>> WorldBase::ConnectNode(Cohort& node,
                                                             const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(links_, NodeLinks::Connect(node, settings));
  node_data_ = links_.data.get();
  cohort_ = std::make_unique<NodeCohort>(*links_.agreement, "agreement");
  auto texts = std::make_unique<NodeCohort>(*links_.words, "control texts");
  control_ = MakeControl(MakeNodeWords(*links_.words), std::move(texts), settings.control_lag);
  return std::unique_ptr<Communicator>(std::move(links_.data));
}

Result<std::unique_ptr<Communicator>> WorldBase::NodeGroup(Cohort& members,
                                                           const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(
      auto group,
      NodeLinks::ConnectGroup(members, settings, NodeSharedCommunicator::Driver::kThread, 0));
  group->ServeAlso(*node_data_);
  return std::unique_ptr<Communicator>(std::move(group));
}

void WorldBase::CloseNode(const Status& closed) {
  if (links_.agreement == nullptr) return;
  links_.agreement->Abort(closed);
  links_.words->Abort(closed);
}

void WorldBase::PrintCause(const Status& cause) {
  if (!ClaimCause()) return;
  std::fprintf(stderr, "stemma: rank %d of %d on %s ends the job: %s: %s\n", place_.rank,
               place_.ranks, place_.host.c_str(), CodeName(cause.code()), cause.message().c_str());
  std::fflush(nullptr);
}

// It knows more about a lost rank than whoever waits for one, and will end this process.
void WorldBase::LetWatchdogSpeak(const Status& cause) const {
  if (cause.code() != Code::kPeerLost || diagnostics_.watchdog == nullptr) return;
  for (int i = 0; i < 30 && !diagnostics_.board->cause_claimed(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void WorldBase::SetData(std::unique_ptr<Communicator> data) {
  data_ = std::make_unique<RecordedCommunicator>(std::move(data), recorder());
}

Status World::CheckNobodyJoined(std::string_view call) const {
  if (joined_.empty()) return {};
  std::string names;
  for (int rank : joined_) names += (names.empty() ? "" : ",") + std::to_string(rank);
  return {
      Code::kInvalidArgument,
      std::string(call) + ": ranks {" + names +
          "} have no data left and only take part in the reducer's steps: make this call before "
          "or after the steps in which ranks join"};
}

std::string WorldBase::HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace stemma::comm
