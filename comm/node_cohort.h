// core/cohort.h and control words over any communicator of host memory: agreement and small texts
// travel as its collective calls. Made for node-shared memory, where a call is a microsecond and
// whoever waits in one also makes progress for the other communicators of its rank.
//
// Thread: as the communicator's calls, with which these take turns. The communicator outlives them.
// Failure: those of the communicator, which then is unusable.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/control.h"
#include "core/cohort.h"

namespace stemma::comm {

class NodeCohort final : public Cohort {
 public:
  NodeCohort(Communicator& communicator, std::string name)
      : communicator_(communicator), name_(std::move(name)) {}

  int rank() const override { return communicator_.rank(); }
  int size() const override { return communicator_.ranks(); }
  Result<int> Min(int mine) override;
  Result<std::string> Broadcast(std::string mine, int root) override;
  Result<std::vector<std::string>> AllGather(std::string mine) override;

 private:
  CallOptions Options(const char* call) const;

  Communicator& communicator_;
  const std::string name_;
};

// The bitwise OR of all ranks' words is made by each rank from what it gathered.
std::unique_ptr<WordExchange> MakeNodeWords(Communicator& communicator);

}  // namespace stemma::comm
