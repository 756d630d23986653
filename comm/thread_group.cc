#include "comm/thread_group.h"

#include <utility>

#include "comm/flight_recorder.h"

namespace stemma::comm {

std::string Missing(const std::vector<bool>& came) {
  std::string list;
  int missing = 0;
  for (size_t rank = 0; rank < came.size(); ++rank) {
    if (came[rank]) continue;
    list += (missing++ == 0 ? "" : ",") + std::to_string(rank);
  }
  return (missing == 1 ? "rank {" : "ranks {") + list + "} did not come";
}

ThreadGroup::ThreadGroup(int ranks, std::chrono::milliseconds deadline)
    : ranks_(ranks), deadline_(deadline) {
  for (Rounds& rounds : boards_) {
    rounds.posts.assign(ranks, 0);
    rounds.reads.assign(ranks, 0);
  }
}

Status ThreadGroup::Post(Board board, int rank, std::string text) {
  MutexLock lock(mutex);
  STEMMA_RETURN_IF_ERROR(failure);
  Rounds& rounds = boards_[board];
  const auto at = static_cast<size_t>(rounds.posts[rank]++ - rounds.first);
  if (at == rounds.open.size()) {
    rounds.open.push_back(
        {std::vector<std::string>(ranks_), std::vector<bool>(ranks_), ranks_, ranks_});
  }
  Round& round = rounds.open[at];
  round.texts[rank] = std::move(text);
  round.posted[rank] = true;
  if (--round.left_to_post == 0) changed.notify_all();
  return {};
}

Result<std::vector<std::string>> ThreadGroup::Collect(Board board, int rank,
                                                      std::string_view what) {
  const std::chrono::milliseconds deadline = Section::Lengthen(deadline_);
  const auto until = std::chrono::steady_clock::now() + deadline;
  MutexLock lock(mutex);
  Rounds& rounds = boards_[board];
  const int64_t number = rounds.reads[rank]++;
  while (true) {
    // A round that all have posted to is good, even when the group has ended since.
    if (rounds.open[static_cast<size_t>(number - rounds.first)].left_to_post == 0) break;
    STEMMA_RETURN_IF_ERROR(failure);
    if (changed.wait_until(mutex, until) != std::cv_status::timeout) continue;
    Round& late = rounds.open[static_cast<size_t>(number - rounds.first)];
    if (late.left_to_post == 0 || !failure.ok()) continue;
    failure = {Code::kTimeout, std::string(what) + ": " + Missing(late.posted) + " within " +
                                   std::to_string(deadline.count()) + " ms"};
    changed.notify_all();
  }
  Round& round = rounds.open[static_cast<size_t>(number - rounds.first)];
  std::vector<std::string> texts = round.texts;
  --round.left_to_read;
  while (!rounds.open.empty() && rounds.open.front().left_to_read == 0) {
    rounds.open.pop_front();
    ++rounds.first;
  }
  return texts;
}

void ThreadGroup::Fail(const Status& cause) {
  {
    MutexLock lock(mutex);
    if (failure.ok()) failure = cause;
  }
  changed.notify_all();
}

Status ThreadGroup::Health() const {
  MutexLock lock(mutex);
  return failure;
}

}  // namespace stemma::comm
