#include "lineage/selector_impl.h"

#include "lineage/graph.h"
#include "lineage/store.h"

namespace stemma::lineage {
namespace {

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

template <typename Map>
const typename Map::mapped_type* At(const Map& map, std::string_view key) {
  const auto found = map.find(std::string(key));
  return found == map.end() ? nullptr : &found->second;
}

// A Graph as selector_impl.h wants a tree.
class GraphTree {
 public:
  using State = StateId;
  using Run = RunEntry;
  using Tag = TagEntry;

  explicit GraphTree(const Graph& graph) : graph_(graph) {}

  const Run* FindRun(std::string_view name) const { return At(graph_.runs, name); }
  const Tag* FindTag(std::string_view name) const { return At(graph_.tags, name); }
  std::vector<std::string> RunNames() const { return KeysOf(graph_.runs); }
  std::vector<std::string> TagNames() const { return KeysOf(graph_.tags); }

  const std::string& RunName(const Run& run) const { return run.name; }
  std::optional<State> HeadOf(const Run& run) const { return run.head; }
  const std::vector<State>& StatesOf(const Run& run) const { return run.states; }
  std::vector<State> MainLineOf(const Run& run) const { return MainLine(graph_, run); }
  std::vector<State> SideBranchesOf(const Run& run) const { return SideBranches(graph_, run); }
  bool IsOf(const State& id, const Run& run) const { return Get(id).run == run.ulid; }

  const StateId& IdOf(const State& id) const { return id; }
  std::string NameOf(const State& id) const { return NameOfState(Get(id)); }
  int64_t StepOf(const State& id) const { return Get(id).step; }
  uint32_t IncarnationOf(const State& id) const { return Get(id).incarnation; }
  std::optional<State> FirstParentOf(const State& id) const { return FirstParent(graph_, id); }
  std::vector<State> ParentsOf(const State& id) const {
    std::vector<State> parents;
    for (const Edge& edge : Get(id).parents) {
      if (graph_.states.count(edge.parent)) parents.push_back(edge.parent);
    }
    return parents;
  }
  std::vector<State> WithPrefix(const std::string& from) const {
    std::vector<State> matches;
    for (auto it = graph_.states.lower_bound(from); it != graph_.states.end(); ++it) {
      if (it->first.compare(0, from.size(), from) != 0) break;
      matches.push_back(it->first);
    }
    return matches;
  }

  std::optional<State> TargetOf(const Tag& tag) const {
    return graph_.states.count(tag.target) ? std::optional<State>(tag.target) : std::nullopt;
  }
  std::string TargetText(const Tag& tag) const { return "state " + internal::ShortId(tag.target); }

 private:
  const Record& Get(const State& id) const { return graph_.states.at(id); }

  const Graph& graph_;
};

}  // namespace

Result<StateId> Resolve(const Graph& graph, std::string_view text) {
  return internal::Selector<GraphTree>(GraphTree(graph)).Resolve(text);
}

}  // namespace stemma::lineage
