// Applies a run's rules to its own states while it runs: rank 0, in the background, after each
// state that became durable. It sets prune marks and nothing else: what they let go of is freed by
// `stemma gc`, which a person, the job's epilogue or a timer runs, beside the job or after it.
//
//   Keeper keeper(store, "r50", rules);
//   keeper.StateDurable();                       // step's end: never blocks
//   for (const std::string& line : keeper.TakeNews()) tell(line);
//   keeper.Finish();                             // a last look, when the run ends
//
// The marks are those of `stemma prune RUN --keep RULES --apply`: states of this run alone; never a
// root (tag, critical, open scope, time to live, the two newest of a living run). Who resumes or
// forks a state that is being marked either has the bytes or is told that they are withdrawn
// (store.h, EnsurePacks): a mark takes nothing away by itself.
//
// A look reads the whole store, as every judgement about references must. It takes one thread, and
// rests afterwards fifty times as long as it took, so that a store of many runs costs the job 2 %
// of one core at most; states that became durable meanwhile wait for the next look.
//
// Owner: the training on rank 0. All calls from one thread. Failure is news, never an error: a
// training does not end because old states could not be marked. The Store outlives it.
#pragma once

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "lineage/keep/rules.h"
#include "lineage/serial_worker.h"
#include "lineage/store.h"
#include "lineage/survey.h"

namespace stemma::lineage {

class Keeper {
 public:
  Keeper(Store& store, std::string run, KeepRules rules);

  const KeepRules& rules() const { return rules_; }
  void StateDurable();
  // The disk had no room for a capture: news will say what could go.
  void DiskFull();
  // Lines for a person, each once.
  std::vector<std::string> TakeNews();
  // Looks once more, unless nothing may ever go, and waits for it; then there may be news.
  void Finish();
  size_t marked();  // states, by this keeper

 private:
  using Clock = std::chrono::steady_clock;
  void Look();  // the worker's
  void LookForRoom();
  Result<Survey> LookAround(std::set<StateId>* own);
  Status Mark();
  void Tell(const std::string& line);

  Store& store_;
  const std::string run_;
  const KeepRules rules_;

  std::mutex mutex_;
  bool waiting_ = false;           // guarded: a look has been asked for and has not begun
  Clock::time_point rest_until_;   // guarded
  std::vector<std::string> news_;  // guarded
  std::string last_trouble_;       // the worker's: a cause is told once
  size_t marked_ = 0;              // guarded
  SerialWorker worker_;            // last: it uses the others
};

}  // namespace stemma::lineage
