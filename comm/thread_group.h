// What ranks that are threads of one process share: boards on which they post texts for one
// another, and the first failure, which ends them all.
//
//   auto group = std::make_shared<ThreadGroup>(ranks, deadline);
//   group->Post(kCohortBoard, rank, text);                       // returns at once
//   auto texts = group->Collect(kCohortBoard, rank, "hello");    // waits for the same post of all
//
// Each board is a queue of rounds: the n-th post of every rank belongs to round n, and Collect
// reads a rank's rounds in order. Posts and Collects may lie apart, so a rank can go on computing.
//
// Thread: any. Failure: a rank that does not come within the deadline is kTimeout, named, for all
// ranks; later calls return the first failure.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "core/status.h"

namespace stemma::comm {

enum Board { kCohortBoard, kControlBoard, kControlTexts, kCheckBoard, kBoards };

// "ranks {1,3} did not come"
std::string Missing(const std::vector<bool>& came);

class ThreadGroup {
 public:
  ThreadGroup(int ranks, std::chrono::milliseconds deadline);
  ThreadGroup(const ThreadGroup&) = delete;

  int ranks() const { return ranks_; }
  std::chrono::milliseconds deadline() const { return deadline_; }

  Status Post(Board board, int rank, std::string text);
  Result<std::vector<std::string>> Collect(Board board, int rank, std::string_view what);

  void Fail(const Status& cause);
  Status Health() const;

  // For ThreadCommunicator's calls, which are guarded by the same lock and wait for the same news.
  mutable Mutex mutex;
  std::condition_variable_any changed;
  Status failure STEMMA_GUARDED_BY(mutex);

 private:
  struct Round {
    std::vector<std::string> texts;
    std::vector<bool> posted;
    int left_to_post = 0;
    int left_to_read = 0;
  };
  struct Rounds {
    std::deque<Round> open;
    int64_t first = 0;                  // the number of open[0]
    std::vector<int64_t> posts, reads;  // of each rank so far
  };

  const int ranks_;
  const std::chrono::milliseconds deadline_;
  std::array<Rounds, kBoards> boards_ STEMMA_GUARDED_BY(mutex);
};

}  // namespace stemma::comm
