#include "lineage/index.h"

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/bytes.h"
#include "core/toml.h"
#include "lineage/graph.h"
#include "lineage/index_draft.h"
#include "lineage/marks.h"

namespace stemma::lineage {
namespace {

using internal::FloatValue;
using internal::IndexDraft;

// Parents before children; among those that are free, the older first.
std::vector<const Record*> InOrder(const Graph& graph) {
  std::unordered_map<StateId, size_t> waits_for;
  using Free = std::tuple<int64_t, StateId, const Record*>;
  std::priority_queue<Free, std::vector<Free>, std::greater<>> free;
  for (const auto& [id, record] : graph.states) {
    size_t known = 0;
    for (const Edge& edge : record.parents) known += graph.states.count(edge.parent);
    waits_for[id] = known;
    if (known == 0) free.push({record.wall_ms, id, &record});
  }
  std::vector<const Record*> order;
  for (; !free.empty();) {
    const Record* record = std::get<2>(free.top());
    free.pop();
    order.push_back(record);
    const auto children = graph.children.find(record->id);
    if (children == graph.children.end()) continue;
    for (const StateId& child : children->second) {
      const auto waiting = waits_for.find(child);
      if (waiting == waits_for.end() || --waiting->second > 0) continue;
      const Record& next = graph.states.at(child);
      free.push({next.wall_ms, child, &next});
    }
  }
  return order;
}

class Builder {
 public:
  Builder(const Graph& graph, const Store& store) : graph_(graph), store_(store) {}

  Index Build() {
    index_.warnings = graph_.warnings;
    const std::vector<const Record*> order = InOrder(graph_);
    for (Row row = 0; row < order.size(); ++row) row_of_[order[row]->id] = row;
    for (const auto& [name, scope] : ScopesIn(graph_.notes)) index_.scopes[name] = scope.open;
    for (const auto& [name, run] : graph_.runs) AddRun(run);
    for (const Record* record : order) AddState(*record);
    for (const auto& [name, tag] : graph_.tags) {
      index_.tags.push_back({name, RowOf(tag.target), tag.version});
    }
    index_.stored_bytes = StoredBytes(graph_);
    return index_.Finish();
  }

 private:
  Row RowOf(const StateId& id) const {
    const auto found = row_of_.find(id);
    return found == row_of_.end() ? kNoRow : found->second;
  }

  void AddRun(const RunEntry& entry) {
    run_of_[entry.ulid] = static_cast<uint32_t>(index_.runs.size());
    RunRow run{entry.name, entry.ulid, {}, kNoRow, entry.newest_incarnation};
    std::vector<Row> states;
    for (const StateId& id : entry.states) states.push_back(RowOf(id));
    run.states = std::move(states);
    if (entry.head) run.head = RowOf(*entry.head);
    index_.runs.push_back(std::move(run));
  }

  void AddState(const Record& record) {
    const Row row = static_cast<Row>(index_.run.size());
    index_.id.insert(index_.id.end(), record.id.begin(), record.id.end());
    index_.run.push_back(run_of_.at(record.run));
    index_.incarnation.push_back(record.incarnation);
    index_.capture.push_back(record.capture);
    index_.step.push_back(record.step);
    index_.samples.push_back(record.samples);
    index_.epoch.push_back(record.epoch);
    index_.world.push_back(record.world);
    index_.reason.push_back(record.reason);
    index_.wall_ms.push_back(record.wall_ms);
    const StateBytes bytes = BytesOf(graph_, record);
    index_.logical_bytes.push_back(bytes.logical);
    index_.own_bytes.push_back(bytes.own);
    index_.shared_bytes.push_back(bytes.shared);
    index_.flags.push_back(IsSuspect(record) ? kSuspectFlag : 0);
    index_.settings.push_back(SettingsOf(record));
    index_.edge.push_back(HowMade(record));
    index_.parent_begin.push_back(static_cast<uint32_t>(index_.parents.size()));
    for (const Edge& edge : record.parents) {
      if (const Row parent = RowOf(edge.parent); parent != kNoRow) index_.parents.push_back(parent);
    }
    if (IsSuspect(record)) index_.suspect.Add(row, index_.TextValue(record.audit));
    for (const auto& [key, value] : record.metrics) index_.metrics[key].Add(row, FloatValue(value));
    std::map<std::string, AttributeValue> attributes = record.attributes;
    if (const auto notes = graph_.notes.find(record.id); notes != graph_.notes.end()) {
      for (const auto& [key, value] : notes->second) attributes[key] = value;
    }
    for (const auto& [key, value] : attributes) {
      index_.attributes[key].Add(row, index_.ValueOf(value));
    }
  }

  uint32_t SettingsOf(const Record& record) {
    const auto [known, is_new] =
        settings_.emplace(std::make_pair(record.settings.blob, record.settings.changes),
                          static_cast<uint32_t>(settings_.size()));
    if (!is_new || record.settings.empty()) return known->second;
    const Result<std::string> text = store_.GetSettings(record.settings);
    const std::string name = "settings of " + NameOfState(record);
    const auto entries = text.ok() ? ParseToml(*text, name) : text.status();
    if (!entries.ok()) {
      index_.warnings.push_back(name + ": " + entries.status().message());
      return known->second;
    }
    for (const TomlEntry& entry : *entries) {
      index_.hp[entry.key].Add(known->second, index_.ValueOf(entry.value));
    }
    return known->second;
  }

  const Graph& graph_;
  const Store& store_;
  IndexDraft index_;
  std::unordered_map<StateId, Row> row_of_;
  std::unordered_map<std::string, uint32_t> run_of_;
  std::map<std::pair<ObjectId, std::string>, uint32_t> settings_;
};

}  // namespace

const Value* Values::Find(uint32_t where) const {
  const auto found = std::lower_bound(at.begin(), at.end(), where);
  if (found == at.end() || *found != where) return nullptr;
  return &values[static_cast<size_t>(found - at.begin())];
}

const Values* Table::Find(std::string_view key) const {
  const auto found = std::lower_bound(keys.begin(), keys.end(), key);
  if (found == keys.end() || *found != key) return nullptr;
  return &columns[static_cast<size_t>(found - keys.begin())];
}

Row Index::Find(std::string_view state) const {
  const auto found =
      std::lower_bound(by_id.begin(), by_id.end(), state,
                       [this](Row row, std::string_view want) { return id[row] < want; });
  return found == by_id.end() || id[*found] != state ? kNoRow : *found;
}

const RunRow* Index::FindRun(std::string_view name) const {
  const auto found =
      std::lower_bound(runs.begin(), runs.end(), name,
                       [](const RunRow& one, std::string_view want) { return one.name < want; });
  return found == runs.end() || found->name != name ? nullptr : &*found;
}

Index IndexOf(const Graph& graph, const Store& store) { return Builder(graph, store).Build(); }

}  // namespace stemma::lineage
