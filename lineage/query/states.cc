#include "lineage/query/states.h"

#include <algorithm>
#include <set>

#include "lineage/selector_impl.h"

namespace stemma::lineage::query {
namespace {

template <typename Named>
const Named* Called(const std::vector<Named>& all, std::string_view name) {
  const auto found =
      std::lower_bound(all.begin(), all.end(), name,
                       [](const Named& one, std::string_view want) { return one.name < want; });
  return found == all.end() || found->name != name ? nullptr : &*found;
}

template <typename Named>
std::vector<std::string> NamesOf(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& one : all) names.push_back(one.name);
  return names;
}

std::optional<Row> Known(Row row) { return row == kNoRow ? std::nullopt : std::optional<Row>(row); }

// An Index as selector_impl.h wants a tree.
class IndexTree {
 public:
  using State = Row;
  using Run = RunRow;
  using Tag = TagRow;

  explicit IndexTree(const Index& index) : index_(index) {}

  const Run* FindRun(std::string_view name) const { return index_.FindRun(name); }
  const Tag* FindTag(std::string_view name) const { return Called(index_.tags, name); }
  std::vector<std::string> RunNames() const { return NamesOf(index_.runs); }
  std::vector<std::string> TagNames() const { return NamesOf(index_.tags); }

  const std::string& RunName(const Run& run) const { return run.name; }
  std::optional<State> HeadOf(const Run& run) const { return Known(run.head); }
  std::vector<State> StatesOf(const Run& run) const {
    std::vector<State> known;
    for (const Row row : run.states) {
      if (row != kNoRow) known.push_back(row);
    }
    return known;
  }
  std::vector<State> MainLineOf(const Run& run) const {
    std::vector<State> line;
    for (Row row = run.head; row != kNoRow && IsOf(row, run); row = index_.FirstParent(row)) {
      line.push_back(row);
    }
    return line;
  }
  std::vector<State> SideBranchesOf(const Run& run) const {
    const std::vector<State> line = MainLineOf(run);
    const std::set<State> main(line.begin(), line.end());
    std::vector<State> beside;
    for (const Row row : StatesOf(run)) {
      if (!main.count(row)) beside.push_back(row);
    }
    return beside;
  }
  bool IsOf(State row, const Run& run) const { return &index_.runs[index_.run[row]] == &run; }

  StateId IdOf(State row) const { return StateId(index_.id[row]); }
  std::string NameOf(State row) const {
    return index_.runs[index_.run[row]].name + "@" + std::to_string(index_.step[row]);
  }
  int64_t StepOf(State row) const { return index_.step[row]; }
  uint32_t IncarnationOf(State row) const { return index_.incarnation[row]; }
  std::optional<State> FirstParentOf(State row) const { return Known(index_.FirstParent(row)); }
  Rows ParentsOf(State row) const { return index_.ParentsOf(row); }
  std::vector<State> WithPrefix(const std::string& from) const {
    auto at = std::lower_bound(
        index_.by_id.begin(), index_.by_id.end(), from,
        [this](Row row, const std::string& want) { return index_.id[row] < want; });
    std::vector<State> matches;
    for (; at != index_.by_id.end(); ++at) {
      if (index_.id[*at].compare(0, from.size(), from) != 0) break;
      matches.push_back(*at);
    }
    return matches;
  }

  std::optional<State> TargetOf(const Tag& tag) const { return Known(tag.target); }
  std::string TargetText(const Tag&) const { return "a state"; }

 private:
  const Index& index_;
};

using IndexSelector = internal::Selector<IndexTree>;

}  // namespace

Result<Row> ResolveRow(const Index& index, std::string_view text) {
  return IndexSelector(IndexTree(index)).Resolve(text);
}

Result<const RunRow*> FindRun(const Index& index, std::string_view name) {
  return IndexSelector(IndexTree(index)).FindRun(name);
}

Result<const ScopeRow*> FindScope(const Index& index, std::string_view name) {
  if (const ScopeRow* scope = Called(index.scopes, name)) return scope;
  return Status(Code::kNotFound, "no scope is called " + internal::Quoted(name) +
                                     internal::Hint(name, NamesOf(index.scopes), "scopes"));
}

std::string WordsOf(const Index& index, Row row) {
  return internal::ShortId(index.id[row]).substr(0, internal::kPrefixMin) + " " +
         IndexTree(index).NameOf(row);
}

std::string ListOf(const Index& index, const std::vector<Row>& rows) {
  return IndexSelector(IndexTree(index)).ListOf(rows);
}

}  // namespace stemma::lineage::query
