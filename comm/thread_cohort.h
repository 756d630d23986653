// core/cohort.h over the boards of a ThreadGroup: ranks that are threads agree as processes do.
// Thread: one per rank. Failure: comm/thread_group.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/thread_group.h"
#include "core/cohort.h"

namespace stemma::comm {

class ThreadCohort final : public Cohort {
 public:
  // Shared: whichever rank ends last leaves it. `board` is this cohort's alone.
  ThreadCohort(std::shared_ptr<ThreadGroup> group, Board board, int rank, std::string name)
      : group_(std::move(group)), board_(board), rank_(rank), name_(std::move(name)) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->ranks(); }
  Result<int> Min(int mine) override;
  Result<std::string> Broadcast(std::string mine, int root) override;
  Result<std::vector<std::string>> AllGather(std::string mine) override;

 private:
  const std::shared_ptr<ThreadGroup> group_;
  const Board board_;
  const int rank_;
  const std::string name_;
};

}  // namespace stemma::comm
