#include "lineage/reshape/derive.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/record_codec.h"
#include "lineage/reshape/write_derived.h"

namespace stemma::lineage {
namespace {

using internal::Draft;
using internal::Extract;
using internal::Origin;

Result<const Record*> Usable(const Graph& graph, const StateId& id) {
  const auto found = graph.states.find(id);
  if (found == graph.states.end()) {
    return Status(Code::kNotFound, "no state " + Hex(id).substr(0, 16) + " to reshape");
  }
  if (!IsSuspect(found->second)) return &found->second;
  return Status(Code::kInvalidArgument, NameOfState(found->second) + " is " + found->second.audit +
                                            "; reshape the state before it");
}

// The first parent's record with what is no longer true taken out of it.
Record FirstRecord(const std::vector<const Record*>& parents, const NewRun& run) {
  Record record = *parents.front();
  record.id.clear();
  record.parents.clear();
  for (const Record* parent : parents) record.parents.push_back({parent->id, EdgeKind::kReshape});
  record.packs.clear();
  record.frozen_packs = 0;  // its packs hold them with the others
  record.capture = 0;
  record.reason = Reason::kFork;
  record.timings = {};
  record.audit.clear();
  record.wall_ms = 0;
  if (!run.settings.empty()) record.settings = run.settings;
  auto& attributes = record.attributes;
  for (auto at = attributes.begin(); at != attributes.end();) {
    bool gone = at->first.rfind(kReservedPrefix, 0) == 0;
    for (const char* prefix : {"fork.", "reshape."}) gone |= at->first.rfind(prefix, 0) == 0;
    at = gone ? attributes.erase(at) : std::next(at);
  }
  attributes.erase(kRestoreAttribute);  // of the parent's own edge
  return record;
}

// A derived state on its way: who it is made of, opened and leased.
class Maker {
 public:
  Maker(Store& store, const Graph& graph, const NewRun& run)
      : store_(store), graph_(graph), run_(run) {}

  Status Begin(const std::vector<StateId>& from, const char* how, uint32_t parts) {
    if (parts == 0 || parts > kPartsMax) {
      return {Code::kInvalidArgument, "a state has 1 to " + std::to_string(kPartsMax) + " packs; " +
                                          std::to_string(parts) + " were asked for"};
    }
    std::vector<ObjectId> packs;
    std::vector<const Record*> parents;
    for (const StateId& id : from) {
      STEMMA_ASSIGN_OR_RETURN(const Record* const record, Usable(graph_, id));
      parents.push_back(record);
      for (const PackRef& pack : record->packs) packs.push_back(pack.pack);
    }
    STEMMA_ASSIGN_OR_RETURN(Lease lease,
                            Lease::Take(store_.storage(), Paths(store_.path()), std::move(packs),
                                        std::string("reshape, ") + how));
    lease_ = std::make_unique<Lease>(std::move(lease));
    for (const Record* record : parents) {
      if (IsPruned(graph_, record->id)) STEMMA_RETURN_IF_ERROR(store_.WhyPruned(*record));
      Origin origin;
      origin.record = record;
      auto opened = OpenWhole(store_, *record);
      if (!opened.ok()) return Status(opened.status()).Within(StateInWords(*record));
      origin.state = *std::move(opened);
      draft_.origins.push_back(std::move(origin));
    }
    draft_.parts = parts;
    draft_.record = FirstRecord(parents, run_);
    draft_.record.attributes[kReshapeHow] = std::string(how);
    return {};
  }

  const Layout& layout(size_t state) const { return *draft_.origins[state].state->layout; }
  const Record& origin(size_t state) const { return *draft_.origins[state].record; }
  size_t states() const { return draft_.origins.size(); }

  void Set(const std::string& text) {
    if (!text.empty()) draft_.record.attributes[kReshapeSet] = text;
  }
  void SetNumber(const char* key, int64_t value) { draft_.record.attributes[key] = value; }
  // What was measured of the parent was not measured of this.
  void ForgetMeasures() {
    draft_.record.metrics.clear();
    draft_.record.plan_digest.clear();
  }

  void Add(Span span, std::vector<Extract> from) {
    per_rank_ |= span.role == Role::kPerRank;
    draft_.spans.push_back(std::move(span));
    draft_.tensors.push_back(std::move(from));
  }

  Result<Derived> Finish() {
    if (!per_rank_) draft_.record.ranks_held = 0;
    for (size_t state = 1; per_rank_ && state < states(); ++state) {
      if (RanksHeld(origin(state)) == RanksHeld(origin(0))) continue;
      return Status(Code::kIncompatible, NameOfState(origin(0)) + " holds tensors of each of " +
                                             std::to_string(RanksHeld(origin(0))) + " ranks, " +
                                             NameOfState(origin(state)) + " of " +
                                             std::to_string(RanksHeld(origin(state))) +
                                             ": leave out those that differ per rank (--drop)");
    }
    return WriteDerived(store_, draft_, run_, lease_.get());
  }

 private:
  Store& store_;
  const Graph& graph_;
  const NewRun& run_;
  Draft draft_;
  std::unique_ptr<Lease> lease_;
  bool per_rank_ = false;
};

std::string ShapeText(const Span& span) {
  std::string text;
  for (const int64_t dim : span.shape) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "'" + span.name + "' [" + text + "]";
}

Status AddRows(const Span& span, uint32_t index, const SliceOptions& options, Maker* maker) {
  const Elements rows = *options.rows;
  if (span.shape.empty() || rows.first + rows.count > span.shape[0]) {
    return {Code::kInvalidArgument, ShapeText(span) + " has no rows " + std::to_string(rows.first) +
                                        " to " + std::to_string(rows.first + rows.count) +
                                        ": choose tensors that have"};
  }
  Span part = span;
  const int64_t row = span.shape[0] == 0 ? 0 : span.count() / span.shape[0];
  part.shape[0] = rows.count;
  if (options.drop_dimension) part.shape.erase(part.shape.begin());
  maker->Add(std::move(part), {{0, index, static_cast<uint64_t>(rows.first * row),
                                static_cast<uint64_t>(rows.count * row)}});
  return {};
}

Extract Whole(size_t state, uint32_t index, const Span& span) {
  return {state, index, 0, static_cast<uint64_t>(span.count())};
}

Status CheckRows(const SliceOptions& options) {
  if (options.drop_dimension && (!options.rows || options.rows->count != 1)) {
    return {Code::kInvalidArgument, "only one row can be had without its dimension"};
  }
  if (!options.rows) return {};
  const Elements rows = *options.rows;
  if (rows.first >= 0 && rows.count > 0 && rows.first <= INT64_MAX - rows.count) return {};
  return {Code::kInvalidArgument, "rows go from 0 up, and there is at least one"};
}

Status CheckStates(const std::vector<StateId>& from) {
  if (from.size() < 2 || from.size() > kParentsMax) {
    return {Code::kInvalidArgument, "2 to " + std::to_string(kParentsMax) +
                                        " states can be put together; these are " +
                                        std::to_string(from.size())};
  }
  if (std::set<StateId>(from.begin(), from.end()).size() == from.size()) return {};
  return {Code::kInvalidArgument, "a state is named twice"};
}

bool GoTogether(const Span& a, const Span& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         (a.role == Role::kPerRank) == (b.role == Role::kPerRank);
}

// The tensors of each state that a stack has as members, by name, in the first state's order.
Status AddStack(const std::vector<std::vector<uint32_t>>& chosen, Maker* maker) {
  std::vector<std::map<std::string, uint32_t>> named(chosen.size());
  for (size_t state = 0; state < chosen.size(); ++state) {
    const auto& spans = maker->layout(state).spans();
    for (const uint32_t i : chosen[state]) named[state][spans[i].span.name] = i;
  }
  for (const uint32_t index : chosen[0]) {
    const Span& first = maker->layout(0).spans()[index].span;
    std::vector<Extract> extracts;
    for (size_t state = 0; state < chosen.size(); ++state) {
      const auto found = named[state].find(first.name);
      const bool fits = found != named[state].end() && named[state].size() == named[0].size() &&
                        GoTogether(first, maker->layout(state).spans()[found->second].span);
      if (!fits) {
        return {Code::kIncompatible, NameOfState(maker->origin(state)) + " and " +
                                         NameOfState(maker->origin(0)) +
                                         " do not hold the same tensors: " + ShapeText(first) +
                                         ", or what is beside it, differs; choose some by --keep"};
      }
      extracts.push_back(Whole(state, found->second, first));
    }
    Span span = first;
    span.shape.insert(span.shape.begin(), static_cast<int64_t>(chosen.size()));
    maker->Add(std::move(span), std::move(extracts));
  }
  return {};
}

Status AddMerge(const std::vector<std::vector<uint32_t>>& chosen, Maker* maker) {
  std::map<std::string, size_t> whose;
  for (size_t state = 0; state < chosen.size(); ++state) {
    for (const uint32_t index : chosen[state]) {
      const Span& span = maker->layout(state).spans()[index].span;
      const auto [at, is_new] = whose.emplace(span.name, state);
      if (!is_new) {
        return {Code::kIncompatible, "both " + NameOfState(maker->origin(at->second)) + " and " +
                                         NameOfState(maker->origin(state)) + " have a tensor '" +
                                         span.name + "': a merge needs different ones"};
      }
      maker->Add(span, {Whole(state, index, span)});
    }
  }
  return {};
}

using AddAll = Status (*)(const std::vector<std::vector<uint32_t>>&, Maker*);

Result<Derived> Together(Store& store, const Graph& graph, const std::vector<StateId>& from,
                         const StackOptions& options, const NewRun& run, const char* how,
                         AddAll add) {
  STEMMA_RETURN_IF_ERROR(CheckStates(from));
  Maker maker(store, graph, run);
  STEMMA_RETURN_IF_ERROR(maker.Begin(from, how, options.parts));
  std::vector<std::vector<uint32_t>> chosen;
  for (size_t state = 0; state < maker.states(); ++state) {
    Result<std::vector<uint32_t>> of_state = Choose(maker.layout(state), options.choice);
    if (!of_state.ok()) {
      return Status(of_state.status()).Within(NameOfState(maker.origin(state)));
    }
    chosen.push_back(*std::move(of_state));
  }
  STEMMA_RETURN_IF_ERROR(add(chosen, &maker));
  const std::string choice = ChoiceText(options.choice);
  maker.Set("of " + std::to_string(from.size()) + (choice.empty() ? "" : ", " + choice));
  maker.ForgetMeasures();
  return maker.Finish();
}

}  // namespace

Result<Derived> Slice(Store& store, const Graph& graph, const StateId& from,
                      const SliceOptions& options, const NewRun& run) {
  STEMMA_RETURN_IF_ERROR(CheckRows(options));
  Maker maker(store, graph, run);
  STEMMA_RETURN_IF_ERROR(maker.Begin({from}, "slice", options.parts));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<uint32_t> chosen,
                          Choose(maker.layout(0), options.choice));
  for (const uint32_t index : chosen) {
    const Span& span = maker.layout(0).spans()[index].span;
    if (options.rows) {
      STEMMA_RETURN_IF_ERROR(AddRows(span, index, options, &maker));
    } else {
      maker.Add(span, {Whole(0, index, span)});
    }
  }
  std::string text = ChoiceText(options.choice);
  if (options.rows) {
    const int64_t first = options.rows->first, end = first + options.rows->count;
    text += (text.empty() ? "" : " ") + std::string("rows ") + std::to_string(first) + ":" +
            std::to_string(end) + (options.drop_dimension ? " without the dimension" : "");
    maker.SetNumber("reshape.first", first);
    maker.SetNumber("reshape.end", end);
  }
  maker.Set(text);
  maker.ForgetMeasures();
  return maker.Finish();
}

Result<Derived> Stack(Store& store, const Graph& graph, const std::vector<StateId>& from,
                      const StackOptions& options, const NewRun& run) {
  return Together(store, graph, from, options, run, "stack", AddStack);
}

Result<Derived> Merge(Store& store, const Graph& graph, const std::vector<StateId>& from,
                      const StackOptions& options, const NewRun& run) {
  return Together(store, graph, from, options, run, "merge", AddMerge);
}

Result<Derived> Rebalance(Store& store, const Graph& graph, const StateId& from, uint32_t parts,
                          const NewRun& run) {
  Maker maker(store, graph, run);
  STEMMA_RETURN_IF_ERROR(maker.Begin({from}, "rebalance", parts));
  const auto& spans = maker.layout(0).spans();
  for (uint32_t i = 0; i < spans.size(); ++i)
    maker.Add(spans[i].span, {Whole(0, i, spans[i].span)});
  maker.Set("packs " + std::to_string(maker.origin(0).packs.size()) + " -> " +
            std::to_string(parts));
  maker.SetNumber("reshape.parts", parts);
  return maker.Finish();
}

}  // namespace stemma::lineage
