#include "comm/world_mpi.h"

#include <string>
#include <utility>

#include "comm/checked_communicator.h"
#include "comm/gpu.h"
#include "comm/hierarchical_communicator.h"
#include "comm/mpi_cohort.h"
#include "comm/mpi_communicator.h"
#include "comm/open_world.h"
#include "comm/thread_communicator.h"
#include "comm/words.h"
#include "core/check.h"
#include "core/exit_code.h"
#include "core/log.h"

namespace stemma::comm {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

void EndJobOnFailedCheck(const std::string&) {
  LeaveNow();  // the check has said why
  MpiRuntime::EndJob(kExitFailed);
}

}  // namespace

MpiWorld::MpiWorld(std::unique_ptr<MpiRuntime> runtime, Diagnostics diagnostics,
                   const CommSettings& settings)
    : WorldBase(std::move(diagnostics)),
      runtime_(std::move(runtime)),
      settings_(settings),
      deadline_(Milliseconds(settings.deadline_s)) {
  place_.rank = runtime_->rank();
  place_.ranks = runtime_->ranks();
  SetCheckFailureHook(&EndJobOnFailedCheck);
}

MpiWorld::~MpiWorld() {
  SetCheckFailureHook(nullptr);
  SetOpenBoard(nullptr);
  groups_.clear();
  data_.reset();  // these use the groups below
  control_.reset();
  cohort_.reset();
  SetOpenWorld("");
}

TimeLimit MpiWorld::LimitStart(const std::string& what) const {
  const auto longest = Milliseconds(settings_.init_timeout_s);
  return TimeLimit(longest, "rank " + std::to_string(place_.rank) + ": " + what +
                                " could not be made within " + std::to_string(longest.count()) +
                                " ms (comm.init_timeout_s): a rank is missing");
}

Status MpiWorld::Connect() {
  {
    const TimeLimit limit = LimitStart("communicators");
    STEMMA_ASSIGN_OR_RETURN(agreement_, MpiGroup::DuplicateWorld());
    STEMMA_ASSIGN_OR_RETURN(words_, MpiGroup::DuplicateWorld());
  }
  STEMMA_RETURN_IF_ERROR(runtime_->FindNode());
  const std::string host = runtime_->several_hosts() ? place_.host : "";
  cohort_ = std::make_unique<MpiCohort>(*agreement_, deadline_, "agreement", host);
  auto texts = std::make_unique<MpiCohort>(*words_, deadline_, "control texts", host);
  control_ = MakeControl(MakeMpiWords(*words_, deadline_), std::move(texts), settings_.control_lag);
  return {};
}

Status MpiWorld::FindLayout() {
  STEMMA_ASSIGN_OR_RETURN(const auto leaders,
                          cohort_->AllGather(std::to_string(runtime_->node_leader())));
  layout_ = LayoutOf(leaders);
  if (settings_.ranks_per_node > 0) {
    layout_ = EqualNodes(place_.ranks, static_cast<int>(settings_.ranks_per_node));
  }
  if (!settings_.fake_nodes.empty()) {
    STEMMA_ASSIGN_OR_RETURN(layout_, ParseLayout(settings_.fake_nodes, place_.ranks));
  }
  place_.node_rank = layout_.PlaceOf(place_.rank);
  place_.node_ranks = static_cast<int>(layout_.nodes[layout_.NodeOf(place_.rank)].size());
  return {};
}

Result<std::unique_ptr<Communicator>> MpiWorld::MakeHierarchy() {
  const int mine = layout_.NodeOf(place_.rank);
  STEMMA_ASSIGN_OR_RETURN(auto world, MpiGroup::DuplicateWorld());
  std::unique_ptr<Communicator> node;
  if (layout_.InRankOrder()) {
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::SplitWorld(mine));
    MpiCohort cohort(*group, deadline_, "node");
    auto made = NodeLinks::ConnectGroup(cohort, settings_, NodeSharedCommunicator::Driver::kHook,
                                        layout_.nodes[mine].front());
    STEMMA_RETURN_IF_ERROR(Agree(*cohort_, made.status()));
    node = std::move(*made);
    parts_.push_back(std::move(group));
  } else if (place_.rank == 0) {
    LogWarning(
        "ranks of a node are not neighbours: contributions travel between nodes unsummed, "
        "up to as many times the bytes as a node has ranks. Start with `mpirun --map-by "
        "slot` or under Slurm with --distribution=block",
        {{"nodes", layout_.Text()}});
  }
  HierarchicalCommunicator::Options options;
  options.deadline = deadline_;
  options.chunk_bytes = settings_.chunk_bytes;
  return std::unique_ptr<Communicator>(std::make_unique<HierarchicalCommunicator>(
      std::move(world), std::move(node), layout_, options));
}

Result<std::unique_ptr<Communicator>> MpiWorld::MakeData() {
  if (backend_ == Backend::kNodeShared) {
    MpiCohort node(*agreement_, deadline_, "agreement");
    return ConnectNode(node, settings_);
  }
  if (backend_ == Backend::kNccl) {
    STEMMA_ASSIGN_OR_RETURN(auto data, MakeGpuCommunicator(*cohort_, deadline_));
    gpu_data_ = data.get();
    return data;
  }
  if (backend_ == Backend::kThreads) {
    auto calls = MakeThreadCalls(std::make_shared<ThreadGroup>(1, deadline_));
    return std::unique_ptr<Communicator>(std::make_unique<ThreadCommunicator>(std::move(calls), 0));
  }
  const TimeLimit limit = LimitStart("the data communicator");
  if (backend_ == Backend::kHierarchical) return MakeHierarchy();
  STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
  return std::unique_ptr<Communicator>(
      std::make_unique<MpiCommunicator>(std::move(group), deadline_));
}

Status MpiWorld::ConnectData(Backend backend) {
  backend_ = backend;
  STEMMA_ASSIGN_OR_RETURN(auto data, MakeData());
  if (settings_.check != "off") {
    const TimeLimit limit = LimitStart("the communicator of comm.check");
    STEMMA_ASSIGN_OR_RETURN(auto group, MpiGroup::DuplicateWorld());
    data = Check(std::move(group), std::move(data));
  }
  SetData(std::move(data));
  return {};
}

// `data`, whose ranks compare their calls over `group`.
std::unique_ptr<Communicator> MpiWorld::Check(std::unique_ptr<MpiGroup> group,
                                              std::unique_ptr<Communicator> data) {
  auto cohort = std::make_unique<MpiCohort>(*group, deadline_, "comm.check");
  parts_.push_back(std::move(group));
  return std::make_unique<CheckedCommunicator>(std::move(data), std::move(cohort));
}

Result<std::unique_ptr<Communicator>> MpiWorld::MakeGroup(const std::vector<int>& members,
                                                          int place) {
  const auto split = [&]() -> Result<std::unique_ptr<MpiGroup>> {
    const TimeLimit limit = LimitStart("a group of " + std::to_string(members.size()) + " ranks");
    return MpiGroup::SplitWorld(place >= 0 ? 0 : MpiGroup::kNone);
  };
  std::unique_ptr<MpiGroup> check;  // first: the rest has deadlines of its own, which are longer
  if (settings_.check != "off") {
    STEMMA_ASSIGN_OR_RETURN(check, split());
  }
  std::unique_ptr<Communicator> data;
  if (backend_ == Backend::kNccl) {
    STEMMA_ASSIGN_OR_RETURN(
        data, SplitGpuCommunicator(*gpu_data_, place, static_cast<int>(members.size())));
  } else {
    STEMMA_ASSIGN_OR_RETURN(auto group, split());
    if (place >= 0 && backend_ == Backend::kNodeShared) {
      MpiCohort cohort(*group, deadline_, "a group");
      STEMMA_ASSIGN_OR_RETURN(data, NodeGroup(cohort, settings_));
      parts_.push_back(std::move(group));
    } else if (place >= 0) {
      data = std::make_unique<MpiCommunicator>(std::move(group), deadline_);
    }
  }
  if (check != nullptr) data = Check(std::move(check), std::move(data));
  return data;
}

void MpiWorld::Abort(const Status& cause, int exit_code) {
  LetWatchdogSpeak(cause);
  PrintCause(cause);
  MpiRuntime::EndJob(exit_code);
}

Status MpiWorld::Close() {
  if (closed_) return *closed_;
  recorder().Enter(Phase::kEnd);
  const Status status = CloseAll();
  // From here on this process may end, or work by itself, and be no riddle to the others.
  if (status.ok()) recorder().Leave();
  closed_ = status.ok() ? Status(Code::kInvalidArgument, "the world is closed") : status;
  return status;
}

Status MpiWorld::CloseAll() {
  // A rank that failed alone must not enter MPI_Finalize, in which the others would wait for it.
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, Healthy()));
  STEMMA_RETURN_IF_ERROR(CloseData());  // completes what is under way, and only then ends it
  CloseNode({Code::kInvalidArgument, "the world is closed"});
  for (const auto& group : parts_) STEMMA_RETURN_IF_ERROR(group->Close());
  STEMMA_RETURN_IF_ERROR(words_->Close());
  STEMMA_RETURN_IF_ERROR(agreement_->Close());
  return runtime_->Finish();
}

}  // namespace stemma::comm
