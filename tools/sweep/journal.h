// What is durable of a sweep beside its runs: notes on the scope that has the sweep's name. All of
// them are written by its controller; the newest note of a key counts, and none is ever erased.
//
//   sweep.begin            what was asked: the spec as it was read, the base, what was added to it
//   sweep.event.000012     a line of the history (history.h), numbered in order
//   sweep.cost.KEY         rank-seconds of a stage, by the first digits of its key
//   sweep.crashes.KEY      how often its training ended without reaching its end
//   sweep.lost.KEY         why it is not tried again: diverged, refused, or crashed too often
//   sweep.end              the winner, once nothing is left to do
//
// Notes and not a file: the store makes each durable with one frame, keeps writers apart without
// locks, and copies them with the tree. Trials, stages and what is finished are not written here:
// they follow from the spec, the history and the states (plan.h).
//
// Plain data; one thread. Failure: kCorruption for a note that cannot be read or an event that is
// missing; else as the store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "tools/sweep/accounting.h"
#include "tools/sweep/base.h"
#include "tools/sweep/history.h"

namespace stemma::sweep {

struct Begun {
  std::string file, text;          // of the spec
  std::vector<std::string> added;  // "key=value", to its [settings] (controller.h)
  Base base;                       // with them
  std::string own;                 // digest of the base without them
};

struct Journal {
  std::optional<Begun> begun;
  History history;
  std::map<std::string, StageCost> costs;  // these three by KeyOf(stage's key)
  std::map<std::string, int64_t> crashes;
  std::map<std::string, std::string> lost;
  std::string end;  // "": not over
};

// The digits of a stage's key that name it: in notes, and in the name of its run.
std::string KeyOf(const std::string& stage_key);

// Of a sweep that never began: everything empty.
Result<Journal> ReadJournal(const lineage::Store& store, const lineage::Graph& graph,
                            const std::string& sweep);
// The sweeps of a store, by name.
std::vector<std::string> SweepsIn(const lineage::Graph& graph);

// Durable on success; what is said is in `journal` too.
class JournalWriter {
 public:
  JournalWriter(lineage::Store& store, std::string sweep)
      : store_(store), sweep_(std::move(sweep)) {}

  Status Begin(const Begun& begun, Journal* journal);
  Status Add(const Event& event, Journal* journal);
  Status Cost(const std::string& key, const StageCost& cost, Journal* journal);
  Status Crash(const std::string& key, Journal* journal);
  Status Lose(const std::string& key, const std::string& why, Journal* journal);
  Status End(const std::string& winner, Journal* journal);

 private:
  Status Put(const std::string& key, const std::string& text);
  lineage::Store& store_;
  const std::string sweep_;
};

}  // namespace stemma::sweep
