// core/cohort.h over MPI: agreement and small texts between processes, on a duplicate of its own,
// so that it never meets gradients. Every call has the deadline; after the first failure all return
// it. Thread: one at a time. `group` outlives the cohort.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi_group.h"
#include "core/cohort.h"

namespace stemma::comm {

class MpiCohort final : public Cohort {
 public:
  // `name` begins the error texts: "agreement".
  MpiCohort(MpiGroup& group, std::chrono::milliseconds deadline, std::string name,
            std::string host = {});
  ~MpiCohort() override;

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.ranks(); }
  std::string host() const override { return host_; }
  Result<int> Min(int mine) override;
  Result<std::string> Broadcast(std::string mine, int root) override;
  Result<std::vector<std::string>> AllGather(std::string mine) override;

 private:
  struct Buffers;
  Waiting WaitingFor(const char* call) const;

  MpiGroup& group_;
  const std::chrono::milliseconds deadline_;
  const std::string name_, host_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace stemma::comm
