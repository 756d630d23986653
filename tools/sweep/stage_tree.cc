#include "tools/sweep/stage_tree.h"

#include <algorithm>
#include <numeric>

#include "core/bytes.h"
#include "core/digest.h"
#include "tools/cli/fork_rules.h"

namespace stemma::sweep {

std::vector<std::string> Stage::Sets(const Base& base) const {
  const bool fork = parent != kBase || base.is_state;
  std::vector<std::string> sets;
  for (const auto& [setting, value] : segment.settings) {
    if (fork && !cli::WhyNotAtFork(setting).empty()) continue;
    sets.push_back(setting + "=" + value);
  }
  sets.push_back("train.stop_at=" + std::to_string(segment.end));
  return sets;
}

// Adds trials to a copy of the tree; stages from `first_new` on may still be cut.
struct StageTree::Placer {
  StageTree* tree;
  StageId first_new;

  std::vector<StageId>* ChildrenOf(StageId parent) const {
    return parent == kBase ? &tree->roots_ : &tree->stages_[static_cast<size_t>(parent)].children;
  }
  Starts* StartsOf(StageId parent) const {
    return parent == kBase ? &tree->root_starts_ : &tree->starts_[static_cast<size_t>(parent)];
  }
  Stage& At(StageId id) const { return tree->stages_[static_cast<size_t>(id)]; }

  StageId Append(StageId parent, const Timeline& timeline, int64_t begin, int64_t end) const {
    Stage stage;
    stage.id = static_cast<StageId>(tree->stages_.size());
    stage.parent = parent;
    stage.segment.begin = begin;
    stage.segment.end = end;
    tree->stages_.push_back(stage);
    tree->timelines_.push_back(timeline);
    tree->starts_.emplace_back();
    ChildrenOf(parent)->push_back(stage.id);
    StartsOf(parent)->emplace(timeline.StepKey(begin), stage.id);
    return stage.id;
  }

  // [begin, end) becomes [begin, at) and a child [at, end), on every path.
  void Split(StageId id, int64_t at) const {
    const StageId tail = static_cast<StageId>(tree->stages_.size());
    Stage later = At(id);
    later.id = tail;
    later.parent = id;
    later.segment.begin = at;
    for (const StageId child : later.children) At(child).parent = tail;
    tree->stages_.push_back(std::move(later));
    tree->timelines_.push_back(tree->timelines_[static_cast<size_t>(id)]);
    At(id).segment.end = at;
    At(id).children = {tail};
    tree->starts_.push_back(tree->starts_[static_cast<size_t>(id)]);
    *StartsOf(id) = {{tree->timelines_[static_cast<size_t>(id)].StepKey(at), tail}};
    for (auto& [trial, path] : tree->paths_) {
      const auto found = std::find(path.begin(), path.end(), id);
      if (found != path.end()) path.insert(found + 1, tail);
    }
  }

  // The child that goes with the trial from `begin` on, cut to where it does; kBase: none.
  StageId Follow(StageId parent, const Timeline& timeline, int64_t begin, int64_t until) const {
    StageId best = kBase;
    int64_t best_end = begin;
    const auto [from, to] = StartsOf(parent)->equal_range(timeline.StepKey(begin));
    for (auto at = from; at != to; ++at) {
      const StageId child = at->second;
      const int64_t end = At(child).segment.end, most = std::min(end, until);
      const Timeline& other = tree->timelines_[static_cast<size_t>(child)];
      const int64_t same = timeline.FirstDifference(other, begin, most);
      const bool whole = same == end;
      const bool cut = child >= first_new && (same == until || same - begin >= tree->share_min_);
      const bool longer = same > best_end || (same == best_end && child < best);
      if ((whole || cut) && longer) {
        best = child;
        best_end = same;
      }
    }
    if (best != kBase && At(best).segment.end != best_end) Split(best, best_end);
    return best;
  }

  void Place(const Trial& trial, const Timeline& timeline, int64_t begin) const {
    std::vector<StageId> path;
    StageId parent = kBase;
    tree->paths_[trial.id].clear();  // of before: a cut below is for other trials
    for (int64_t step = begin; step < trial.until;) {
      StageId next = Follow(parent, timeline, step, trial.until);
      if (next == kBase) {
        const std::vector<int64_t> breaks = timeline.Breaks(step, trial.until);
        next = Append(parent, timeline, step, breaks.empty() ? trial.until : breaks.front());
      }
      path.push_back(next);
      parent = next;
      step = At(next).segment.end;
    }
    for (const StageId id : path) {
      Stage& stage = At(id);
      stage.users.insert(trial.id);
      if (stage.segment.end > trial.inherited) stage.references.insert(trial.id);
    }
    tree->paths_[trial.id] = std::move(path);
  }

  // Digests and keys of the new stages; a parent's come before its children's.
  void Seal() const {
    std::vector<StageId> order(tree->stages_.size() - static_cast<size_t>(first_new));
    std::iota(order.begin(), order.end(), first_new);
    std::sort(order.begin(), order.end(), [this](StageId a, StageId b) {
      return std::make_pair(At(a).segment.begin, a) < std::make_pair(At(b).segment.begin, b);
    });
    for (const StageId id : order) {
      Stage& stage = At(id);
      const Timeline& timeline = tree->timelines_[static_cast<size_t>(id)];
      stage.segment = timeline.Cut(stage.segment.begin, stage.segment.end);
      Encoder key;
      key.String("stage 1");
      key.String(stage.parent == kBase ? tree->base_.root : At(stage.parent).key);
      key.String(stage.segment.values);  // seed, batch and precision are among the values
      key.I64(stage.segment.begin);
      key.I64(stage.segment.end);
      key.I64(tree->ranks_);
      key.String(tree->base_.build);
      stage.key = Hex(Sha256(key.bytes()));
    }
  }
};

StageTree::StageTree(const Base& base, int64_t ranks, int64_t share_min)
    : base_(base), ranks_(ranks), share_min_(share_min) {}

Status StageTree::Add(const std::vector<Trial>& trials) {
  std::vector<Timeline> timelines;
  for (const Trial& trial : trials) {
    Result<Timeline> timeline = Timeline::Make(base_, trial.parts);
    if (!timeline.ok()) {
      return Status(timeline.status()).Within("trial " + std::to_string(trial.id));
    }
    if (trial.until <= base_.begin || trial.until > timeline->total_steps()) {
      return {Code::kInvalidArgument, "trial " + std::to_string(trial.id) + " would end at step " +
                                          std::to_string(trial.until) + ", and train.length is " +
                                          std::to_string(timeline->total_steps()) + " steps"};
    }
    timelines.push_back(std::move(*timeline));
  }
  const Placer placer{this, static_cast<StageId>(stages_.size())};
  for (size_t i = 0; i < trials.size(); ++i) placer.Place(trials[i], timelines[i], base_.begin);
  placer.Seal();
  return {};
}

const std::vector<StageId>& StageTree::Path(TrialId trial) const {
  static const std::vector<StageId> kNone;
  const auto found = paths_.find(trial);
  return found == paths_.end() ? kNone : found->second;
}

uint32_t StageTree::RefCount(StageId id) const {
  return static_cast<uint32_t>(stages_[static_cast<size_t>(id)].references.size());
}

std::vector<TrialId> StageTree::EndingAt(StageId id) const {
  std::vector<TrialId> ending;
  for (const auto& [trial, path] : paths_) {
    if (!path.empty() && path.back() == id) ending.push_back(trial);
  }
  return ending;
}

const Stage* StageTree::FindKey(const std::string& key) const {
  for (const Stage& stage : stages_) {
    if (stage.key == key) return &stage;
  }
  return nullptr;
}

void StageTree::Done(StageId id) { stages_[static_cast<size_t>(id)].done = true; }

std::vector<StageId> StageTree::Ready() const {
  std::set<StageId> wanted;
  for (const auto& [trial, path] : paths_) wanted.insert(path.begin(), path.end());
  std::map<StageId, int64_t> urgency;
  std::vector<StageId> ready;
  for (const StageId id : wanted) {
    const Stage& stage = stages_[static_cast<size_t>(id)];
    const bool begun = stage.parent == kBase || stages_[static_cast<size_t>(stage.parent)].done;
    if (stage.done || !begun) continue;
    ready.push_back(id);
    urgency[id] = Remaining(id);
  }
  std::sort(ready.begin(), ready.end(), [&](StageId a, StageId b) {
    if (urgency[a] != urgency[b]) return urgency[a] > urgency[b];
    if (RefCount(a) != RefCount(b)) return RefCount(a) > RefCount(b);
    return a < b;
  });
  return ready;
}

int64_t StageTree::Remaining(StageId id) const {
  // Depth first without recursion: a path has as many stages as somebody's schedule has pieces.
  int64_t longest = 0;
  std::vector<std::pair<StageId, int64_t>> open = {{id, 0}};
  while (!open.empty()) {
    const auto [at, before] = open.back();
    open.pop_back();
    const Stage& stage = stages_[static_cast<size_t>(at)];
    const int64_t steps = before + (stage.done ? 0 : stage.steps());
    longest = std::max(longest, steps);
    for (const StageId child : stage.children) open.emplace_back(child, steps);
  }
  return longest;
}

std::vector<StageId> StageTree::Prunable(const std::set<TrialId>& live) const {
  std::set<StageId> needed;
  for (const TrialId trial : live) {
    const std::vector<StageId>& path = Path(trial);
    needed.insert(path.begin(), path.end());
  }
  std::vector<StageId> prunable;
  for (const Stage& stage : stages_) {
    if (stage.done && needed.count(stage.id) == 0) prunable.push_back(stage.id);
  }
  return prunable;
}

int64_t StageTree::StepsOnce() const {
  int64_t steps = 0;
  for (const Stage& stage : stages_) steps += stage.steps();
  return steps;
}

int64_t StageTree::StepsNaive() const {
  int64_t steps = 0;
  for (const Stage& stage : stages_) steps += stage.steps() * RefCount(stage.id);
  return steps;
}

}  // namespace stemma::sweep
