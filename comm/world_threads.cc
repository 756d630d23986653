#include "comm/world_threads.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "comm/checked_communicator.h"
#include "comm/thread_cohort.h"
#include "comm/words.h"
#include "comm/world_choice.h"
#include "core/check.h"

namespace stemma::comm {
namespace {

// With comm.check=full the ranks compare their calls on `data`.
std::unique_ptr<Communicator> MayCheck(std::unique_ptr<Communicator> data,
                                       const ThreadJob::Group& of, int rank,
                                       const CommSettings& settings) {
  if (settings.check == "off") return data;
  auto cohort = std::make_unique<ThreadCohort>(of.group, kCheckBoard, rank, "comm.check");
  return std::make_unique<CheckedCommunicator>(std::move(data), std::move(cohort));
}

}  // namespace

ThreadJob::ThreadJob(int ranks, const CommSettings& settings)
    : settings_(settings), world_(Make(ranks)) {}

ThreadJob::Group ThreadJob::Make(int ranks) const {
  const auto deadline =
      std::chrono::milliseconds(static_cast<int64_t>(settings_.deadline_s * 1000));
  auto group = std::make_shared<ThreadGroup>(ranks, deadline);
  return {group, MakeThreadCalls(group)};
}

ThreadJob::Group ThreadJob::Subset(int64_t number, int ranks) {
  MutexLock lock(mutex_);
  const auto [at, made] = subsets_.try_emplace(number);
  if (made) at->second = {Make(ranks), ranks};
  Group group = at->second.group;
  if (--at->second.left == 0) subsets_.erase(at);
  return group;
}

ThreadWorld::ThreadWorld(std::shared_ptr<ThreadJob> job, int rank, Diagnostics diagnostics)
    : WorldBase(std::move(diagnostics)), job_(std::move(job)) {
  const auto& group = job_->world().group;
  place_.rank = place_.node_rank = rank;
  place_.ranks = place_.node_ranks = group->ranks();
  SetData(MayCheck(std::make_unique<ThreadCommunicator>(job_->world().calls, rank), job_->world(),
                   rank, job_->settings()));
  cohort_ = std::make_unique<ThreadCohort>(group, kCohortBoard, rank, "agreement");
  auto texts = std::make_unique<ThreadCohort>(group, kControlTexts, rank, "control texts");
  control_ =
      MakeControl(MakeThreadWords(group, rank), std::move(texts), job_->settings().control_lag);
  description_ = DescribeWorld(group->ranks(), 1, Backend::kThreads);
}

Status ThreadWorld::MoveToNode() {
  ThreadCohort node(job_->world().group, kCohortBoard, place_.rank, "agreement");
  STEMMA_ASSIGN_OR_RETURN(auto data, ConnectNode(node, job_->settings()));
  SetData(MayCheck(std::move(data), job_->world(), place_.rank, job_->settings()));
  description_ = DescribeWorld(place_.ranks, 1, Backend::kNodeShared);
  return {};
}

void ThreadWorld::Abort(const Status& cause, int exit_code) {
  PrintCause(cause);
  std::_Exit(exit_code);
}

Result<std::unique_ptr<Communicator>> ThreadWorld::MakeGroup(const std::vector<int>& members,
                                                             int place) {
  if (place < 0) return std::unique_ptr<Communicator>();
  // All ranks made the same groups before this one.
  const auto number = static_cast<int64_t>(groups_.size());
  const auto group = job_->Subset(number, static_cast<int>(members.size()));
  std::unique_ptr<Communicator> data = std::make_unique<ThreadCommunicator>(group.calls, place);
  if (node_data_ != nullptr) {
    ThreadCohort cohort(group.group, kCohortBoard, place, "a group");
    STEMMA_ASSIGN_OR_RETURN(data, NodeGroup(cohort, job_->settings()));
  }
  return MayCheck(std::move(data), group, place, job_->settings());
}

Status ThreadWorld::Close() {
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, Healthy()));
  STEMMA_RETURN_IF_ERROR(CloseData());
  CloseNode({Code::kInvalidArgument, "the world is closed"});
  job_->world().group->Fail({Code::kInvalidArgument, "the world is closed"});
  return {};
}

namespace {

// Collective, so on a thread for each rank. Memory that cannot be had is no case for tests.
void MoveAllToNode(const std::vector<std::unique_ptr<World>>& worlds) {
  std::vector<std::thread> threads;
  for (const auto& world : worlds) {
    threads.emplace_back([&world] {
      const Status moved = static_cast<ThreadWorld&>(*world).MoveToNode();
      STEMMA_CHECK(moved.ok(), moved.message());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

std::vector<std::unique_ptr<World>> World::Threads(int ranks, const CommSettings& settings) {
  auto job = std::make_shared<ThreadJob>(ranks, settings);
  const std::shared_ptr<NodeBoard> board = NodeBoard::Private(ranks);
  std::vector<std::unique_ptr<World>> worlds;
  for (int rank = 0; rank < ranks; ++rank) {
    Diagnostics diagnostics{board, std::make_unique<FlightRecorder>(board->slot(rank)), nullptr};
    diagnostics.recorder->Arrive(rank);
    worlds.push_back(std::make_unique<ThreadWorld>(job, rank, std::move(diagnostics)));
  }
  if (settings.backend == "node-shared") MoveAllToNode(worlds);
  return worlds;
}

}  // namespace stemma::comm
