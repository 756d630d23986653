// The kinds of work that go on in a store, each as an endless loop for a process that may be killed
// at any moment, and the observer who knows what they said. Every state is that of the toy training
// after so many steps (toy_training.h), so its bits are known without having been kept.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/status.h"
#include "lineage/store.h"
#include "tests/crash/toy_training.h"

namespace stemma::tests {

enum class Work { kTrainOne, kTrainTwo, kFork, kPrune, kRestore };
constexpr Work kAllWork[] = {Work::kTrainOne, Work::kTrainTwo, Work::kFork, Work::kPrune,
                             Work::kRestore};
const char* NameOf(Work work);

// Works until it is killed; returns only a failure that no kill excuses. What it says:
//   "durable STEP ID"             a capture, as RunToy
//   "forked STEP ID", "tagged NAME ID", "pruning ID" before a prune and "pruned ID" after it,
//   "collected PACKS ID" with the number of packs freed, "read STEP ID" when a restore had the
//   right bits
Status DoWork(const std::string& store, Work work, uint64_t key, const Observe& observe);

// Holds what was told and looks whether it is so. One thread.
class Observer {
 public:
  explicit Observer(std::string store);

  void Hear(const std::string& lines);
  // The first thing that is wrong with the store, "" when nothing is. Nobody works there meanwhile.
  std::string Look();

  size_t acknowledged() const { return durable_.size(); }
  size_t forked() const { return forked_; }
  size_t pruned() const { return pruned_.size(); }
  size_t collected() const { return collected_; }
  size_t restored() const { return restored_; }
  size_t compared() const { return compared_; }

 private:
  Status LookAt(const lineage::Store& store, const lineage::Graph& graph);
  Status CheckState(const lineage::Store& store, const lineage::Graph& graph,
                    const lineage::Record& record);

  const std::string store_;
  std::map<std::string, int64_t> durable_;             // id, as text -> step
  std::set<std::string> begun_, pruned_;               // ids
  std::map<std::string, std::set<std::string>> tags_;  // name -> ids that it was given
  size_t forked_ = 0, collected_ = 0, restored_ = 0, compared_ = 0;
};

}  // namespace stemma::tests
