#include "comm/world_threads.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "comm/thread_cohort.h"
#include "comm/words.h"
#include "comm/world_choice.h"
#include "core/check.h"

namespace stemma::comm {

ThreadWorld::ThreadWorld(std::shared_ptr<ThreadGroup> group, std::shared_ptr<ThreadCalls> calls,
                         int rank, int64_t lag)
    : group_(std::move(group)) {
  place_.rank = place_.node_rank = rank;
  place_.ranks = place_.node_ranks = group_->ranks();
  data_ = std::make_unique<ThreadCommunicator>(std::move(calls), rank);
  cohort_ = std::make_unique<ThreadCohort>(group_, kCohortBoard, rank, "agreement");
  auto texts = std::make_unique<ThreadCohort>(group_, kControlTexts, rank, "control texts");
  control_ = MakeControl(MakeThreadWords(group_, rank), std::move(texts), lag);
  description_ = DescribeWorld(group_->ranks(), 1, Backend::kThreads);
}

Status ThreadWorld::MoveToNode(const CommSettings& settings) {
  ThreadCohort node(group_, kCohortBoard, place_.rank, "agreement");
  STEMMA_RETURN_IF_ERROR(ConnectNode(node, settings));
  description_ = DescribeWorld(group_->ranks(), 1, Backend::kNodeShared);
  return {};
}

void ThreadWorld::Abort(const Status& cause, int exit_code) {
  PrintCause(cause);
  std::_Exit(exit_code);
}

Status ThreadWorld::Close() {
  STEMMA_RETURN_IF_ERROR(Agree(*cohort_, data_->Health()));
  const Status closed(Code::kInvalidArgument, "the world is closed");
  data_->Abort(closed);
  CloseNode(closed);
  group_->Fail(closed);
  return {};
}

namespace {

// Collective, so on a thread for each rank. Memory that cannot be had is no case for tests.
void MoveAllToNode(const std::vector<std::unique_ptr<World>>& worlds,
                   const CommSettings& settings) {
  std::vector<std::thread> threads;
  for (const auto& world : worlds) {
    threads.emplace_back([&settings, &world] {
      const Status moved = static_cast<ThreadWorld&>(*world).MoveToNode(settings);
      STEMMA_CHECK(moved.ok(), moved.message());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

std::vector<std::unique_ptr<World>> World::Threads(int ranks, const CommSettings& settings) {
  const auto deadline = std::chrono::milliseconds(static_cast<int64_t>(settings.deadline_s * 1000));
  auto group = std::make_shared<ThreadGroup>(ranks, deadline);
  auto calls = MakeThreadCalls(group);
  std::vector<std::unique_ptr<World>> worlds;
  for (int rank = 0; rank < ranks; ++rank) {
    worlds.push_back(std::make_unique<ThreadWorld>(group, calls, rank, settings.control_lag));
  }
  if (settings.backend == "node-shared") MoveAllToNode(worlds, settings);
  return worlds;
}

}  // namespace stemma::comm
