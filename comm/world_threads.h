// One rank of a world whose ranks are threads of this process; behind World::Threads, and, alone,
// the world of one. Its Abort ends the process: that is the job.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "comm/settings.h"
#include "comm/thread_communicator.h"
#include "comm/thread_group.h"
#include "comm/world_base.h"
#include "core/mutex.h"

namespace stemma::comm {

// What the ranks of such a world share: the group of all, and those that Subset makes. Shared:
// whichever rank ends last leaves it.
class ThreadJob {
 public:
  struct Group {
    std::shared_ptr<ThreadGroup> group;
    std::shared_ptr<ThreadCalls> calls;
  };
  ThreadJob(int ranks, const CommSettings& settings);

  const CommSettings& settings() const { return settings_; }
  const Group& world() const { return world_; }
  // The `number`-th subset, of `ranks` ranks: made by the first of its members that asks, forgotten
  // here when the last has.
  Group Subset(int64_t number, int ranks);

 private:
  struct Open {
    Group group;
    int left = 0;
  };
  Group Make(int ranks) const;

  const CommSettings settings_;
  const Group world_;
  Mutex mutex_;
  std::map<int64_t, Open> subsets_ STEMMA_GUARDED_BY(mutex_);
};

class ThreadWorld : public WorldBase {
 public:
  ThreadWorld(std::shared_ptr<ThreadJob> job, int rank, Diagnostics diagnostics);
  // From now on in node-shared memory. Collective over the worlds of the job.
  Status MoveToNode();
  [[noreturn]] void Abort(const Status& cause, int exit_code) override;
  Status Close() override;
  Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                  int place) override;

 private:
  const std::shared_ptr<ThreadJob> job_;
};

}  // namespace stemma::comm
