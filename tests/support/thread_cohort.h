#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/cohort.h"

namespace stemma::tests {

// Ranks as threads, without comm/. Make one room, then one ThreadCohort per thread:
//   CohortRoom room(2);
//   SpawnRanks(2, [&](int rank) { ThreadCohort cohort(room, rank); ... });
// A rank that never comes ends the others' wait with kTimeout, so a test fails and does not hang.
class CohortRoom {
 public:
  explicit CohortRoom(int ranks) : given_(static_cast<size_t>(ranks)) {}
  int size() const { return static_cast<int>(given_.size()); }

  Result<std::vector<std::string>> Exchange(int rank, std::string mine) {
    std::unique_lock<std::mutex> lock(mutex_);
    given_[static_cast<size_t>(rank)] = std::move(mine);
    const uint64_t round = round_;
    if (++arrived_ == size()) {
      result_ = std::make_shared<std::vector<std::string>>(given_);
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
      return *result_;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (round_ == round) {
      if (all_here_.wait_until(lock, deadline) == std::cv_status::timeout) {
        return Status(Code::kTimeout, "a rank did not come");
      }
    }
    return *result_;  // the next round needs this rank, so nothing has replaced it
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<std::string> given_;
  std::shared_ptr<const std::vector<std::string>> result_;
  int arrived_ = 0;
  uint64_t round_ = 0;
};

class ThreadCohort final : public Cohort {
 public:
  ThreadCohort(CohortRoom& room, int rank) : room_(room), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return room_.size(); }
  Result<int> Min(int mine) override {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                            room_.Exchange(rank_, std::to_string(mine)));
    int least = mine;
    for (const std::string& text : all) least = std::min(least, std::stoi(text));
    return least;
  }
  Result<std::string> Broadcast(std::string mine, int root) override {
    STEMMA_ASSIGN_OR_RETURN(std::vector<std::string> all, room_.Exchange(rank_, std::move(mine)));
    return all.at(static_cast<size_t>(root));
  }
  Result<std::vector<std::string>> AllGather(std::string mine) override {
    return room_.Exchange(rank_, std::move(mine));
  }

 private:
  CohortRoom& room_;
  int rank_;
};

}  // namespace stemma::tests
