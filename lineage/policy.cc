#include "lineage/policy.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"

namespace stemma::lineage {
namespace {

constexpr size_t kPolicyTextMax = 4096;
constexpr size_t kDigitsMax = 15;

std::vector<std::string> WordsOf(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// 1 and more; 0 for anything else.
int64_t Count(const std::string& word) {
  if (word.empty() || word.size() > kDigitsMax) return 0;
  int64_t count = 0;
  for (const char c : word) {
    if (c < '0' || c > '9') return 0;
    count = 10 * count + (c - '0');
  }
  return count;
}

Status Expected(const std::string& text, const std::string& what) {
  return {Code::kInvalidArgument, "'" + text + "': expected " + what};
}

Result<Rule> CountedRule(RuleKind kind, const std::vector<std::string>& words,
                         const std::string& text) {
  Rule rule{kind, words.size() == 2 ? Count(words[1]) : 0, "", false, text};
  if (rule.count > 0) return rule;
  return Expected(text, "'" + words[0] + " N' with N of 1 or more");
}

Result<Rule> BestRule(const std::vector<std::string>& words, const std::string& text) {
  Rule rule{RuleKind::kBest, 0, "", false, text};
  rule.highest = words.size() == 4 && words[1] == "max";
  if (words.size() == 3 || rule.highest) {
    rule.metric = words[words.size() - 2];
    rule.count = Count(words.back());
  }
  if (rule.count > 0) return rule;
  return Expected(text, "'best METRIC K' for the K lowest, 'best max METRIC K' for the K highest");
}

Result<Rule> ParseRule(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  const std::string& name = words.front();
  if (name == "last") return CountedRule(RuleKind::kLast, words, text);
  if (name == "every") return CountedRule(RuleKind::kEvery, words, text);
  if (name == "best") return BestRule(words, text);
  const std::map<std::string, RuleKind> plain = {{"heads", RuleKind::kHeads},
                                                 {"forkpoints", RuleKind::kForkPoints},
                                                 {"thin", RuleKind::kThin}};
  const auto found = plain.find(name);
  if (found != plain.end() && words.size() == 1) return Rule{found->second, 0, "", false, text};
  if (found != plain.end()) return Expected(text, "'" + name + "' alone");
  const std::string meant = Nearest(name, {"last", "every", "best", "heads", "forkpoints", "thin"});
  return Expected(text, meant.empty() ? "last N, every N, best METRIC K, heads, forkpoints or thin"
                                      : "one of the rules; did you mean '" + meant + "'?");
}

bool Counts(const Graph& graph, const StateId& id) {
  return !IsSuspect(graph.states.at(id)) && !IsPruned(graph, id) && !IsQuarantined(graph, id);
}

// Which multiple of `every` a step has passed; a state before all others has passed none.
int64_t Passed(int64_t step, int64_t every) {
  return step >= 0 ? step / every : -((-step + every - 1) / every);
}

class Keeper {
 public:
  Keeper(const Graph& graph, const RunEntry& run, std::map<StateId, std::string>* kept)
      : graph_(graph), run_(run), line_(MainLine(graph, run)), kept_(kept) {
    for (const StateId& id : line_) {
      if (Counts(graph_, id)) sound_.push_back(id);
    }
  }

  void Keep(const Rule& rule) {
    switch (rule.kind) {
      case RuleKind::kLast:
        return KeepNewest(static_cast<size_t>(rule.count), rule.text);
      case RuleKind::kHeads:
        return KeepNewest(1, rule.text);
      case RuleKind::kEvery:
        return KeepEvery(rule);
      case RuleKind::kBest:
        return KeepBest(rule);
      case RuleKind::kForkPoints:
        return KeepForkPoints(rule);
      case RuleKind::kThin:
        return KeepThin(rule);
    }
  }

  void KeepNewest(size_t count, const std::string& why) {
    for (size_t i = 0; i < std::min(count, sound_.size()); ++i) kept_->emplace(sound_[i], why);
  }

 private:
  void KeepEvery(const Rule& rule) {
    for (const StateId& id : sound_) {
      const std::optional<StateId> parent = FirstParent(graph_, id);
      const int64_t before = parent ? graph_.states.at(*parent).step : -1;
      if (Passed(graph_.states.at(id).step, rule.count) > Passed(before, rule.count)) {
        kept_->emplace(id, rule.text);
      }
    }
  }

  // Abandoned branches take part: a good state is good wherever it is. Of equals the newer wins.
  void KeepBest(const Rule& rule) {
    std::vector<std::pair<double, StateId>> found;
    for (auto at = run_.states.rbegin(); at != run_.states.rend(); ++at) {
      const auto& metrics = graph_.states.at(*at).metrics;
      const auto metric = metrics.find(rule.metric);
      if (metric == metrics.end() || std::isnan(metric->second) || !Counts(graph_, *at)) continue;
      found.emplace_back(rule.highest ? -metric->second : metric->second, *at);
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < std::min(static_cast<size_t>(rule.count), found.size()); ++i) {
      kept_->emplace(found[i].second, rule.text);
    }
  }

  void KeepForkPoints(const Rule& rule) {
    for (const StateId& id : run_.states) {
      if (Counts(graph_, id) && IsForkPoint(graph_, id)) kept_->emplace(id, rule.text);
    }
  }

  // A state's place is counted from the start of its run, so it does not change; its distance from
  // the head only grows, and every wider spacing is a multiple of the narrower: what is kept today
  // was kept yesterday.
  void KeepThin(const Rule& rule) {
    for (size_t back = 0; back < line_.size(); ++back) {
      size_t spacing = 1;
      while (spacing * 4 <= back) spacing *= 2;
      const size_t place = line_.size() - 1 - back;
      if (place % spacing == 0 && Counts(graph_, line_[back])) {
        kept_->emplace(line_[back], rule.text);
      }
    }
  }

  const Graph& graph_;
  const RunEntry& run_;
  const std::vector<StateId> line_;  // head first
  std::vector<StateId> sound_;       // of it, those that count
  std::map<StateId, std::string>* const kept_;
};

}  // namespace

Result<Policy> ParsePolicy(std::string_view text) {
  if (text.size() > kPolicyTextMax) {
    return Status(Code::kInvalidArgument, "a policy has at most 4096 characters");
  }
  Policy policy;
  std::istringstream in{std::string(text)};
  for (std::string rule; std::getline(in, rule, ',');) {
    const std::vector<std::string> words = WordsOf(rule);
    if (words.empty()) return Expected(std::string(text), "a rule between the commas");
    STEMMA_ASSIGN_OR_RETURN(Rule parsed, ParseRule(words));
    policy.push_back(std::move(parsed));
  }
  if (policy.empty()) return Expected(std::string(text), "rules such as 'last 3, every 1000'");
  return policy;
}

std::string TextOf(const Policy& policy) {
  std::string text;
  for (const Rule& rule : policy) text += (text.empty() ? "" : ", ") + rule.text;
  return text;
}

std::map<StateId, std::string> KeptBy(const Graph& graph, const Policy& policy) {
  std::map<StateId, std::string> kept;
  for (const auto& [name, run] : graph.runs) {
    Keeper keeper(graph, run, &kept);
    for (const Rule& rule : policy) keeper.Keep(rule);
    keeper.KeepNewest(kNewestKept, "newest of run " + name);
  }
  return kept;
}

}  // namespace stemma::lineage
