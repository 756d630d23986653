#include "comm/world_base.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <utility>

#include "comm/node_cohort.h"
#include "comm/subset.h"

namespace stemma::comm {

Result<Communicator*> WorldBase::Subset(const std::vector<int>& ranks) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<int> members, AgreeOnMembers(*cohort_, ranks));
  const int place = PlaceIn(members, place_.rank);
  Result<std::unique_ptr<Communicator>> group = MakeGroup(members, place);
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, group.status()));
  groups_.push_back(place >= 0 ? std::move(*group)
                               : MakeNonMember(place_.rank, members, data_->name(), on_gpu()));
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

Status WorldBase::ConnectNode(Cohort& node, const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(links_, NodeLinks::Connect(node, settings));
  node_data_ = links_.data.get();
  data_ = std::move(links_.data);
  cohort_ = std::make_unique<NodeCohort>(*links_.agreement, "agreement");
  auto texts = std::make_unique<NodeCohort>(*links_.words, "control texts");
  control_ = MakeControl(MakeNodeWords(*links_.words), std::move(texts), settings.control_lag);
  return {};
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

void WorldBase::PrintCause(const Status& cause) const {
  static std::atomic<bool> printed{false};
  if (printed.exchange(true)) return;
  std::fprintf(stderr, "stemma: rank %d of %d on %s ends the job: %s: %s\n", place_.rank,
               place_.ranks, place_.host.c_str(), CodeName(cause.code()), cause.message().c_str());
  std::fflush(nullptr);
}

std::string WorldBase::HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace stemma::comm
