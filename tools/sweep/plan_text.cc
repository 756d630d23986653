#include "tools/sweep/plan_text.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>

#include "tools/sweep/accounting.h"
#include "tools/sweep/choices.h"

namespace stemma::sweep {
namespace {

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Counted(int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string KnobText(const Knob& knob) {
  if (knob.kind == Knob::Kind::kRange) {
    return knob.key + " from " + ValueAt(knob, 0) + " to " + ValueAt(knob, 1) +
           (knob.log ? ", even in the logarithm" : "");
  }
  std::string text = knob.key;
  for (size_t i = 0; i < knob.choices.size(); ++i) text += (i > 0 ? " | " : ": ") + knob.choices[i];
  return text;
}

// The tree, one line a stage. An only child stands below its parent without a branch.
class TreeLines {
 public:
  TreeLines(const SweepSpec& spec, const StageTree& tree, const PlanStyle& style)
      : spec_(spec), tree_(tree), style_(style) {}

  std::string Text() {
    struct Open {
      StageId id;
      std::string head, below;  // of its line; of its children's lines
      std::map<std::string, std::string> shown;
    };
    std::vector<Open> open;
    const auto push = [&](const std::vector<StageId>& children, const Open& parent) {
      for (size_t i = children.size(); i-- > 0;) {
        const bool only = children.size() == 1, last = i + 1 == children.size();
        const std::string branch = style_.utf8 ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- ");
        const std::string lane = last ? "   " : (style_.utf8 ? "│  " : "|  ");
        open.push_back({children[i], parent.below + (only ? "" : branch),
                        parent.below + (only ? "" : lane), parent.shown});
      }
    };
    push(Roots(), {kBase, "", "  ", {}});
    std::string text;
    for (size_t lines = 0; !open.empty(); ++lines) {
      Open at = std::move(open.back());
      open.pop_back();
      if (style_.stages_max > 0 && lines == style_.stages_max) {
        const auto rest = static_cast<int64_t>(tree_.stages().size() - lines);
        return text + "  and " + Counted(rest, "more stage") + "\n";
      }
      const Stage& stage = At(at.id);
      text += at.head + std::to_string(stage.segment.begin) + " to " +
              std::to_string(stage.segment.end) + "  " + Counted(tree_.RefCount(at.id), "trial") +
              Settings(stage, &at.shown) + "\n";
      push(stage.children, at);
    }
    return text;
  }

 private:
  const Stage& At(StageId id) const { return tree_.stages()[static_cast<size_t>(id)]; }

  std::vector<StageId> Roots() const {
    std::vector<StageId> roots;
    for (const Stage& stage : tree_.stages()) {
      if (stage.parent == kBase) roots.push_back(stage.id);
    }
    return roots;
  }

  // A shared stage has one text of several with the same values: what its trials do not agree on
  // later is not shown before.
  bool AgreedBelow(const Stage& stage, const std::string& key) const {
    const std::string& value = stage.segment.settings.at(key);
    std::vector<StageId> open = stage.children;
    while (!open.empty()) {
      const Stage& below = At(open.back());
      open.pop_back();
      if (below.segment.settings.at(key) != value) return false;
      open.insert(open.end(), below.children.begin(), below.children.end());
    }
    return true;
  }

  std::string Settings(const Stage& stage, std::map<std::string, std::string>* shown) const {
    std::string text;
    for (const Knob& knob : spec_.knobs) {
      const std::string& value = stage.segment.settings.at(knob.key);
      const auto before = shown->find(knob.key);
      if (before != shown->end() && before->second == value) continue;
      if (stage.references.size() > 1 && !AgreedBelow(stage, knob.key)) continue;
      (*shown)[knob.key] = value;
      text += "  " + knob.key + "=" + value;
    }
    return text;
  }

  const SweepSpec& spec_;
  const StageTree& tree_;
  const PlanStyle& style_;
};

// "27 trials to step 9, 9 to step 28, ...".
std::string ReachText(const History& history) {
  std::map<int64_t, int64_t> reached;
  for (const auto& [point, outcome] : history.outcomes()) ++reached[point.second];
  std::string text;
  size_t shown = 0;
  for (const auto& [step, trials] : reached) {
    if (++shown > 12) return text + ", ...";
    text += text.empty() ? Counted(trials, "trial") : ", " + std::to_string(trials);
    text += " to step " + std::to_string(step);
  }
  return text;
}

int64_t LongestPath(const StageTree& tree) {
  int64_t longest = 0;
  for (const Stage& stage : tree.stages()) {
    if (stage.parent == kBase) longest = std::max(longest, tree.Remaining(stage.id));
  }
  return longest;
}

// What all trials would have trained if none had been stopped.
int64_t StepsToTheEnd(const Base& base, const History& history) {
  int64_t steps = 0;
  for (const auto& [id, trial] : history.trials()) {
    steps += (base.own_ends ? trial.until : base.end) - base.begin;
  }
  return steps;
}

std::string Savings(const SweepSpec& spec, const Base& base, const Forecast& forecast) {
  const StageTree& tree = forecast.whole;
  const Accounting sum = Expected(tree, spec.ranks_per_trial);
  const int64_t once = tree.StepsOnce(), naive = tree.StepsNaive();
  const int64_t whole = StepsToTheEnd(base, forecast.history), longest = LongestPath(tree);
  std::string text = "shared   " + Fixed(100 * sum.SavedShare(), 2) + " % of " +
                     Counted(naive, "step") + ": " + std::to_string(once) + " are trained, in " +
                     Counted(static_cast<int64_t>(tree.stages().size()), "stage") + "; factor " +
                     Fixed(sum.Factor(), 2) + " before the cost of forks\n";
  if (whole > naive) {
    text += "stopped  " +
            Fixed(100 * (1 - static_cast<double>(naive) / static_cast<double>(whole)), 2) +
            " % of " + Counted(whole, "step") + " that all trials to the end would be\n";
  }
  const int64_t least = std::max(longest, (once + spec.slots - 1) / spec.slots);
  return text + "time     at least " + Counted(least, "step") +
         " one after the other: the longest path has " + std::to_string(longest) + ", " +
         Counted(spec.slots, "slot") + " share the rest\n";
}

std::string Quoted(const std::string& word) {
  const bool plain = word.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_./=@:,+-") == std::string::npos;
  if (plain && !word.empty()) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

Result<Forecast> ForecastOf(const SweepSpec& spec, const Base& base, const Method& method) {
  const double sign = spec.goal == "min" ? 1 : -1;
  STEMMA_ASSIGN_OR_RETURN(History history, Rehearse(spec, method, [&](const Trial& trial, int64_t) {
                            return sign * static_cast<double>(trial.id + 1);
                          }));
  History begun;
  if (!history.events().empty()) STEMMA_RETURN_IF_ERROR(begun.Add(history.events().front()));
  STEMMA_ASSIGN_OR_RETURN(StageTree first, TreeOf(spec, base, begun));
  STEMMA_ASSIGN_OR_RETURN(StageTree whole, TreeOf(spec, base, history));
  return Forecast{std::move(history), std::move(first), std::move(whole)};
}

std::string PlanText(const SweepSpec& spec, const Base& base, const Forecast& forecast,
                     const PlanStyle& style) {
  const auto trials = static_cast<int64_t>(forecast.history.trials().size());
  std::string text = "sweep    " + spec.name + ": " + spec.method + ", " +
                     Counted(trials, "trial") + ", least " + spec.metric + " wins\n";
  if (spec.goal == "max") text.replace(text.rfind("least"), 5, "largest");
  text += "base     " + (base.is_state ? spec.state : spec.recipe) + ", from step " +
          std::to_string(base.begin) +
          (base.own_ends ? " to each trial's train.length" : " to " + std::to_string(base.end)) +
          ", " + Counted(spec.ranks_per_trial, "rank") + " a trial\n";
  for (const Knob& knob : spec.knobs) text += "knob     " + KnobText(knob) + "\n";
  text += "reach    " + ReachText(forecast.history) + "\n";
  text += Savings(spec, base, forecast);
  if (!forecast.history.decisions().empty()) {
    text += "         as if earlier trials were better; what is trained follows the outcomes\n";
  }
  return text + "\nstages\n" + TreeLines(spec, forecast.whole, style).Text();
}

std::vector<std::string> PlanCommands(const SweepSpec& spec, const Base& base,
                                      const StageTree& tree, const std::string& store) {
  std::vector<StageId> order(tree.stages().size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](StageId a, StageId b) {
    const Stage &x = tree.stages()[static_cast<size_t>(a)],
                &y = tree.stages()[static_cast<size_t>(b)];
    return std::make_pair(x.segment.begin, a) < std::make_pair(y.segment.begin, b);
  });
  const std::string on = " --store " + Quoted(store);
  std::string train = "stemma train ";
  if (spec.ranks_per_trial > 1) {
    train = "mpirun -n " + std::to_string(spec.ranks_per_trial) + " " + train;
  }
  std::vector<std::string> lines;
  for (const StageId id : order) {
    const Stage& stage = tree.stages()[static_cast<size_t>(id)];
    const std::string name = RunName(spec, stage);
    std::string sets;
    for (const std::string& set : stage.Sets(base)) sets += " --set " + Quoted(set);
    if (stage.parent == kBase && !base.is_state) {
      lines.push_back(train + Quoted(spec.recipe) + " --run " + name + on + sets);
      continue;
    }
    std::string from = spec.state;
    if (stage.parent != kBase) {
      const Stage& parent = tree.stages()[static_cast<size_t>(stage.parent)];
      from = RunName(spec, parent) + "@" + std::to_string(parent.segment.end);
    }
    lines.push_back("stemma fork " + Quoted(from) + " --name " + name + on + sets);
    lines.push_back(train + "--run " + name + on);
  }
  return lines;
}

}  // namespace stemma::sweep
