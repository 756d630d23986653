// One rank of a world whose ranks are threads of this process; behind World::Threads, and, alone,
// the world of one. Its Abort ends the process: that is the job.
#pragma once

#include <memory>

#include "comm/thread_communicator.h"
#include "comm/thread_group.h"
#include "comm/world_base.h"

namespace stemma::comm {

class ThreadWorld : public WorldBase {
 public:
  ThreadWorld(std::shared_ptr<ThreadGroup> group, std::shared_ptr<ThreadCalls> calls, int rank,
              int64_t lag);
  // From now on in node-shared memory. Collective over the worlds of the group.
  Status MoveToNode(const CommSettings& settings);
  [[noreturn]] void Abort(const Status& cause, int exit_code) override;
  Status Close() override;

 private:
  const std::shared_ptr<ThreadGroup> group_;  // shared: whichever rank ends last leaves it
};

}  // namespace stemma::comm
