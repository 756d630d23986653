#include "comm/world_group.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "comm/node_cohort.h"

namespace stemma::comm {
namespace {

std::string TextOf(const std::vector<std::vector<int>>& groups) {
  std::string text;
  for (const std::vector<int>& ranks : groups) {
    text += text.empty() ? "{" : " {";
    for (size_t i = 0; i < ranks.size(); ++i) text += (i ? "," : "") + std::to_string(ranks[i]);
    text += "}";
  }
  return text;
}

// The communicators of one group on one of its ranks.
struct Links {
  Communicator* data = nullptr;
  Communicator* agreement = nullptr;
  Communicator* words = nullptr;
};

class GroupWorld final : public World {
 public:
  GroupWorld(World& whole, const Links& links, std::string description, int64_t control_lag)
      : whole_(whole),
        data_(*links.data),
        cohort_(*links.agreement, "agreement of the group"),
        control_(MakeControl(MakeNodeWords(*links.words),
                             std::make_unique<NodeCohort>(*links.words, "control texts"),
                             control_lag)),
        description_(std::move(description)) {}

  int rank() const override { return data_.rank(); }
  int ranks() const override { return data_.ranks(); }
  int node_rank() const override { return whole_.node_rank(); }
  int node_ranks() const override { return whole_.node_ranks(); }
  const std::string& host() const override { return whole_.host(); }
  bool on_gpu() const override { return false; }
  int gpu_index() const override { return whole_.gpu_index(); }

  Communicator& data() override { return data_; }
  Cohort& cohort() override { return cohort_; }
  Control& control() override { return *control_; }
  Result<Communicator*> Subset(const std::vector<int>&) override {
    return Status(Code::kInvalidArgument,
                  "a group of ranks is not divided further: call Subset or SplitWorld of the whole "
                  "world, on all its ranks");
  }
  const std::string& description() const override { return description_; }

  FlightRecorder& recorder() override { return whole_.recorder(); }
  void ReportInto(const std::string& folder) override { whole_.ReportInto(folder); }
  void SetTrace(bool on) override { whole_.SetTrace(on); }
  bool PeerGone() const override { return whole_.PeerGone(); }
  bool ClaimCause() override { return whole_.ClaimCause(); }
  [[noreturn]] void Abort(const Status& cause, int exit_code) override {
    whole_.Abort(cause, exit_code);
    std::abort();  // not reached; the compiler cannot know it of a virtual call
  }
  Status Close() override { return Agree(cohort_, data_.Health()); }

 private:
  World& whole_;
  Communicator& data_;
  NodeCohort cohort_;
  const std::unique_ptr<Control> control_;
  const std::string description_;
};

Status CheckGroups(World& whole, const std::vector<std::vector<int>>& groups) {
  STEMMA_RETURN_IF_ERROR(AgreeOn(whole.cohort(), {{"groups of ranks", TextOf(groups)}}));
  if (whole.on_gpu()) {
    return {Code::kInvalidArgument,
            "ranks on GPUs cannot be divided into groups: start a job for each training"};
  }
  std::set<int> seen;
  for (const std::vector<int>& ranks : groups) {
    for (const int rank : std::set<int>(ranks.begin(), ranks.end())) {
      if (seen.insert(rank).second) continue;
      return {Code::kInvalidArgument, "rank " + std::to_string(rank) + " is in two of the groups " +
                                          TextOf(groups) + ": a rank trains one thing at a time"};
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<World>> SplitWorld(World& whole, const std::vector<std::vector<int>>& groups,
                                          const CommSettings& settings) {
  STEMMA_RETURN_IF_ERROR(CheckGroups(whole, groups));
  std::unique_ptr<World> mine;
  for (const std::vector<int>& ranks : groups) {
    Links links;
    STEMMA_ASSIGN_OR_RETURN(links.data, whole.Subset(ranks));
    STEMMA_ASSIGN_OR_RETURN(links.agreement, whole.Subset(ranks));
    STEMMA_ASSIGN_OR_RETURN(links.words, whole.Subset(ranks));
    if (links.data->rank() < 0) continue;
    std::vector<int> members = ranks;
    std::sort(members.begin(), members.end());
    mine = std::make_unique<GroupWorld>(
        whole, links, RanksText(members) + " of " + whole.description(), settings.control_lag);
  }
  return mine;
}

}  // namespace stemma::comm
