#include "lineage/settle.h"

#include <algorithm>
#include <cstring>
#include <queue>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace stemma::lineage::internal {
namespace {

class Settler {
 public:
  explicit Settler(const std::vector<RunRows>& runs) : runs_(runs) {}

  Settled Run() {
    Gather();
    DropWithdrawn();
    Order();
    for (size_t run = 0; run < runs_.size(); ++run) {
      settled_.rows_of_runs.emplace_back();
      for (const uint32_t node : of_runs_[run]) {
        if (keep_[node]) settled_.rows_of_runs.back().push_back(row_[node]);
      }
    }
    for (const auto& [id, node] : node_of_) {
      if (keep_[node]) settled_.row_of.emplace(id, row_[node]);
    }
    return std::move(settled_);
  }

 private:
  const StateRow& StateOf(uint32_t node) const {
    return runs_[nodes_[node].run].states[nodes_[node].state];
  }

  void Gather() {
    of_runs_.resize(runs_.size());
    size_t states = 0;
    for (const RunRows& run : runs_) states += run.states.size();
    node_of_.reserve(states);
    for (uint32_t run = 0; run < runs_.size(); ++run) {
      for (uint32_t state = 0; state < runs_[run].states.size(); ++state) {
        const auto node = static_cast<uint32_t>(nodes_.size());
        if (!node_of_.emplace(runs_[run].states[state].id, node).second) continue;
        nodes_.push_back({run, state});
        of_runs_[run].push_back(node);
      }
    }
    keep_.assign(nodes_.size(), true);
  }

  // Calls `visit` with every parent that some log holds.
  template <typename Visit>
  void ForEachParent(uint32_t node, const Visit& visit) const {
    const RunRows& run = runs_[nodes_[node].run];
    const Span32 parents = StateOf(node).parents;
    for (uint32_t i = parents.begin; i < parents.end; ++i) {
      const auto found = node_of_.find(run.parents[i].parent);
      if (found != node_of_.end() && keep_[found->second]) visit(found->second);
    }
  }

  void DropWithdrawn() {
    std::vector<bool> withdrawn(nodes_.size());
    bool any = false;
    for (const RunRows& run : runs_) {
      for (const StateId& id : run.withdrawn) {
        const auto found = node_of_.find(id);
        if (found == node_of_.end()) continue;
        withdrawn[found->second] = any = true;
      }
    }
    if (!any) return;
    std::vector<bool> needed(nodes_.size());
    std::vector<uint32_t> queue;
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      if (!withdrawn[node]) queue.push_back(node);
    }
    while (!queue.empty()) {
      const uint32_t node = queue.back();
      queue.pop_back();
      ForEachParent(node, [&](uint32_t parent) {
        if (!withdrawn[parent] || needed[parent]) return;
        needed[parent] = true;
        queue.push_back(parent);
      });
    }
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      keep_[node] = !withdrawn[node] || needed[node];
    }
  }

  // Parents before children; among those that are free, the older first, then the smaller id.
  void Order() {
    std::vector<uint32_t> waits(nodes_.size()), first(nodes_.size() + 1);
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      if (!keep_[node]) continue;
      ForEachParent(node, [&](uint32_t parent) {
        ++waits[node];
        ++first[parent + 1];
      });
    }
    for (size_t i = 0; i < nodes_.size(); ++i) first[i + 1] += first[i];
    std::vector<uint32_t> children(first.back()), next(first.begin(), first.end() - 1);
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      if (!keep_[node]) continue;
      ForEachParent(node, [&](uint32_t parent) { children[next[parent]++] = node; });
    }
    using Free = std::tuple<int64_t, std::string_view, uint32_t>;
    std::priority_queue<Free, std::vector<Free>, std::greater<>> free;
    const auto push = [&](uint32_t node) {
      free.push({StateOf(node).wall_ms, StateOf(node).id, node});
    };
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      if (keep_[node] && waits[node] == 0) push(node);
    }
    row_.assign(nodes_.size(), kNoRow);
    while (!free.empty()) {
      const uint32_t node = std::get<2>(free.top());
      free.pop();
      row_[node] = static_cast<Row>(settled_.rows.size());
      settled_.rows.push_back(nodes_[node]);
      for (uint32_t i = first[node]; i < first[node + 1]; ++i) {
        if (--waits[children[i]] == 0) push(children[i]);
      }
    }
  }

  const std::vector<RunRows>& runs_;
  std::vector<Place> nodes_;  // distinct states, in the order of names and logs
  std::unordered_map<std::string_view, uint32_t, IdHash> node_of_;
  std::vector<std::vector<uint32_t>> of_runs_;
  std::vector<bool> keep_;
  std::vector<Row> row_;
  Settled settled_;
};

}  // namespace

size_t IdHash::operator()(std::string_view id) const {
  size_t hash = 0;
  std::memcpy(&hash, id.data(), std::min(id.size(), sizeof hash));
  return hash;
}

Settled Settle(const std::vector<RunRows>& runs) { return Settler(runs).Run(); }

}  // namespace stemma::lineage::internal
