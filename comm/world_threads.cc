#include "comm/world_threads.h"

#include <cstdlib>
#include <utility>

#include "comm/checked_communicator.h"
#include "comm/thread_cohort.h"
#include "comm/words.h"
#include "comm/world_choice.h"

namespace stemma::comm {
namespace {

std::unique_ptr<Communicator> MakeData(const ThreadJob::Group& of, int rank,
                                       const CommSettings& settings) {
  auto data = std::make_unique<ThreadCommunicator>(of.calls, rank);
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

ThreadWorld::ThreadWorld(std::shared_ptr<ThreadJob> job, int rank) : job_(std::move(job)) {
  const auto& group = job_->world().group;
  place_.rank = place_.node_rank = rank;
  place_.ranks = place_.node_ranks = group->ranks();
  data_ = MakeData(job_->world(), rank, job_->settings());
  cohort_ = std::make_unique<ThreadCohort>(group, kCohortBoard, rank, "agreement");
  auto texts = std::make_unique<ThreadCohort>(group, kControlTexts, rank, "control texts");
  control_ =
      MakeControl(MakeThreadWords(group, rank), std::move(texts), job_->settings().control_lag);
  description_ = DescribeWorld(group->ranks(), 1, Backend::kThreads);
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
  return MakeData(group, place, job_->settings());
}

Status ThreadWorld::Close() {
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, Healthy()));
  STEMMA_RETURN_IF_ERROR(CloseData());
  job_->world().group->Fail({Code::kInvalidArgument, "the world is closed"});
  return {};
}

std::vector<std::unique_ptr<World>> World::Threads(int ranks, const CommSettings& settings) {
  auto job = std::make_shared<ThreadJob>(ranks, settings);
  std::vector<std::unique_ptr<World>> worlds;
  for (int rank = 0; rank < ranks; ++rank) {
    worlds.push_back(std::make_unique<ThreadWorld>(job, rank));
  }
  return worlds;
}

}  // namespace stemma::comm
