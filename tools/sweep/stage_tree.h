// The trials of a sweep merged into a tree of stages: every stage is trained once, by one run that
// is forked from its parent's last state, and belongs to all trials that do the same up to there
// (Hippo, arXiv:2006.11972).
//
//   StageTree tree(base, ranks_per_trial, share_min);
//   STEMMA_RETURN_IF_ERROR(tree.Add(trials));              // of one proposal
//   for (StageId id : tree.Ready()) ...                    // parents are done; most urgent first
//   tree.Done(id);
//
// Stages are equal when their keys are:
//   key = H(parent key or base, evaluated values, steps, seed of the data order, ranks and batch,
//           build, precision)
// Trials that are added together cut each other's stages where they begin to differ. Stages of
// earlier calls may have begun, so they are shared whole or not at all. A tree is thus a function
// of the order of Add() calls, and the same history gives the same keys.
//
// Urgency: the longest path that still depends on the stage, then most references, then the smaller
// id (Hippo's critical path). Failure: kInvalidArgument as Timeline::Make. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/status.h"
#include "tools/sweep/base.h"
#include "tools/sweep/segment.h"
#include "tools/sweep/trial.h"

namespace stemma::sweep {

using StageId = int64_t;  // 0, 1, ...; kBase: where all begin
constexpr StageId kBase = -1;

struct Stage {
  StageId id = 0, parent = kBase;
  Segment segment;
  std::string key;               // hex, 64 digits
  std::set<TrialId> references;  // whose work it is: accounting counts these
  std::set<TrialId> users;       // these, and trials that inherit it by an exploit
  std::vector<StageId> children;
  bool done = false;

  int64_t steps() const { return segment.end - segment.begin; }
  // What a person or a program says to start it: "key=value", without what a fork cannot change
  // when the stage has a parent (it is as in the parent) or the base is a state; with
  // train.stop_at.
  std::vector<std::string> Sets(const Base& base) const;
};

class StageTree {
 public:
  StageTree(const Base& base, int64_t ranks, int64_t share_min = 1);

  // Trials of one proposal, or one trial that goes further or on another path than before: what
  // it has in common with stages that are there is found again. All or nothing.
  Status Add(const std::vector<Trial>& trials);

  const std::vector<Stage>& stages() const { return stages_; }
  // Stages of a trial as it was added last, from the base on.
  const std::vector<StageId>& Path(TrialId trial) const;
  uint32_t RefCount(StageId id) const;
  // Trials whose path ends with this stage: its state is their outcome.
  std::vector<TrialId> EndingAt(StageId id) const;
  const Stage* FindKey(const std::string& key) const;  // null: none

  void Done(StageId id);
  // Not done, parent done, and on the path of a trial; most urgent first.
  std::vector<StageId> Ready() const;
  // Steps of the longest chain that begins with this stage and is not done.
  int64_t Remaining(StageId id) const;
  // Done stages whose bytes nothing needs: on the path of no trial of `live`, so never an ancestor
  // of a live branch.
  std::vector<StageId> Prunable(const std::set<TrialId>& live) const;

  int64_t StepsOnce() const;   // of all stages, each once
  int64_t StepsNaive() const;  // of all stages, as often as they are referenced

 private:
  struct Placer;

  Base base_;
  int64_t ranks_, share_min_;
  std::vector<Stage> stages_;
  std::vector<Timeline> timelines_;  // of each stage: what it was cut from
  std::vector<StageId> roots_;       // stages whose parent is the base
  // Children of each stage by what they do first (Timeline::StepKey); those of the base.
  using Starts = std::unordered_multimap<uint64_t, StageId>;
  std::vector<Starts> starts_;
  Starts root_starts_;
  std::map<TrialId, std::vector<StageId>> paths_;
};

}  // namespace stemma::sweep
