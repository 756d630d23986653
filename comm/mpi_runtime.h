// MPI's start and end in this process, both watched: MPI_Init waits for every rank and knows no
// time-out, so a thread of ours does.
//
//   STEMMA_ASSIGN_OR_RETURN(auto runtime, MpiRuntime::Start(init_timeout));
//   STEMMA_RETURN_IF_ERROR(runtime->Hello());         // names the ranks that do not come
//   ... communicators ...
//   STEMMA_RETURN_IF_ERROR(runtime->Finish());        // only when all ranks come here
//
// An MPI that the program has initialised itself is used and not finalized; it must have asked for
// MPI_THREAD_MULTIPLE. Thread: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/status.h"

namespace stemma::comm {

class MpiRuntime {
 public:
  static bool Running();  // initialised, by whomever, and not finalized
  // `arrivals` tells who has come to this host so far, for the text of a start that takes too long;
  // "" means that another rank says it.
  static Result<std::unique_ptr<MpiRuntime>> Start(std::chrono::milliseconds init_timeout,
                                                   std::function<std::string()> arrivals = {});
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  // The lowest rank of the world that shares this host's memory: the same for all who share it.
  int node_leader() const { return node_leader_; }
  bool several_hosts() const { return several_hosts_; }
  const std::string& version_text() const { return library_; }  // "Open MPI v4.1.4"

  // Collective: rank 0 hears from every rank and answers. kTimeout names who is missing.
  Status Hello();
  // Collective: who shares this host's memory.
  Status FindNode();
  // Collective; finalizes what Start initialised.
  Status Finish();
  [[noreturn]] static void EndJob(int exit_code);

 private:
  MpiRuntime(std::chrono::milliseconds init_timeout, std::function<std::string()> arrivals)
      : init_timeout_(init_timeout), arrivals_(std::move(arrivals)) {}
  Status Initialise();
  Status HearAll();
  Status Report();

  const std::chrono::milliseconds init_timeout_;
  const std::function<std::string()> arrivals_;
  bool own_ = false, several_hosts_ = false;
  int rank_ = 0, ranks_ = 1, node_leader_ = 0;
  std::string library_;
};

}  // namespace stemma::comm
