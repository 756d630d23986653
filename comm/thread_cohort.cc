#include "comm/thread_cohort.h"

#include <algorithm>

namespace stemma::comm {

Result<int> ThreadCohort::Min(int mine) {
  STEMMA_ASSIGN_OR_RETURN(const auto all, AllGather(std::to_string(mine)));
  for (const std::string& theirs : all) mine = std::min(mine, std::stoi(theirs));
  return mine;
}

Result<std::string> ThreadCohort::Broadcast(std::string mine, int root) {
  if (root < 0 || root >= size()) {
    return Status(Code::kInvalidArgument, name_ + ": root " + std::to_string(root) + " of " +
                                              std::to_string(size()) + " ranks");
  }
  STEMMA_ASSIGN_OR_RETURN(auto all, AllGather(rank_ == root ? std::move(mine) : std::string()));
  return std::move(all[static_cast<size_t>(root)]);
}

Result<std::vector<std::string>> ThreadCohort::AllGather(std::string mine) {
  STEMMA_RETURN_IF_ERROR(group_->Post(board_, rank_, std::move(mine)));
  return group_->Collect(board_, rank_, name_);
}

}  // namespace stemma::comm
