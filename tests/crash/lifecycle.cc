#include "tests/crash/lifecycle.h"

#include <unistd.h>

#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/random.h"
#include "lineage/collect.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/restore.h"

namespace stemma::tests {
namespace {

using lineage::Graph;
using lineage::Record;
using lineage::StateId;
using lineage::Store;

constexpr size_t kElements = 2'345;
constexpr size_t kKept = 6;  // of a run, the newest states that are not pruned

// The toy's bits after so many steps. Steps are asked for in any order.
const std::string& DigestAt(int64_t step) {
  static auto* const state = new ToyState(ToyState::Initial(kElements));
  static auto* const digests = new std::map<int64_t, std::string>{{0, state->Digest()}};
  while (state->step < step) {
    state->Advance();
    (*digests)[state->step] = state->Digest();
  }
  return digests->at(step);
}

bool HasRightBits(const ToyState& state, const Record& record) {
  return state.step == record.step && state.Digest() == DigestAt(record.step);
}

Status WrongBits(const Record& record) {
  return {Code::kInternal, "wrong bits: " + NameOfState(record) + " " + Hex(record.id)};
}

const Record* AnyState(const Graph& graph, Random* draw) {
  if (graph.states.empty()) return nullptr;
  return &std::next(graph.states.begin(), static_cast<long>(draw->Below(graph.states.size())))
              ->second;
}

// What a state that somebody prunes at this moment may answer: it is named, and said to be pruned
// or not there. Anything else is a finding.
bool MayBePruned(const Store& store, const Record& record, const Status& status) {
  if (status.code() != Code::kNotFound) return false;
  const Result<Graph> now = store.Load();
  return now.ok() && IsPruned(*now, record.id);
}

Status ForkAndTag(Store& store, Random* draw, const Observe& observe) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  const Record* const parent = AnyState(graph, draw);
  if (parent == nullptr) return {};
  const Result<StateId> fork = store.Fork(graph, parent->id, "f" + std::to_string(draw->U64()), {});
  if (!fork.ok()) return MayBePruned(store, *parent, fork.status()) ? Status() : fork.status();
  observe("forked " + std::to_string(parent->step) + " " + Hex(*fork));
  const std::string tag = "t" + std::to_string(draw->Below(3));
  STEMMA_RETURN_IF_ERROR(store.SetTag(tag, *fork, "", {}));
  observe("tagged " + tag + " " + Hex(*fork));
  return {};
}

// All but the newest of each run, and one in four of the others: forks are made of them meanwhile.
Status PruneAndCollect(Store& store, Random* draw, const Observe& observe) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  for (const auto& [name, run] : graph.runs) {
    for (size_t i = 0; i + (name[0] == 'f' ? 0 : kKept) < run.states.size(); ++i) {
      const StateId& id = run.states[i];
      if (IsPruned(graph, id) || draw->Below(4) == 0) continue;
      observe("pruning " + Hex(id));
      STEMMA_RETURN_IF_ERROR(store.Mark(id, lineage::kPrunedKey, std::string("old")));
      observe("pruned " + Hex(id));
    }
  }
  lineage::GcOptions options;  // this disk shows no old names, so any grace is long enough
  options.grace_s = 0.004;
  options.beat_s = 0.001;
  options.stale_s = 0.004;
  STEMMA_ASSIGN_OR_RETURN(const lineage::GcReport report,
                          CollectGarbage(store, options, lineage::MonotonicClock()));
  observe("collected " + std::to_string(report.freed.size()) + " -");
  return {};
}

Status RestoreOne(Store& store, Random* draw, const Observe& observe) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  const Record* const record = AnyState(graph, draw);
  if (record == nullptr) return {};
  Result<ToyState> state = RestoreToy(store, *record, kElements);
  if (!state.ok()) return MayBePruned(store, *record, state.status()) ? Status() : state.status();
  if (!HasRightBits(*state, *record)) return WrongBits(*record);
  observe("read " + std::to_string(record->step) + " " + Hex(record->id));
  return {};
}

}  // namespace

const char* NameOf(Work work) {
  static const char* const kNames[] = {"training one", "training two", "forker", "collector",
                                       "reader"};
  return kNames[static_cast<int>(work)];
}

Status DoWork(const std::string& path, Work work, uint64_t key, const Observe& observe) {
  STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open(path, true, lineage::PosixStorage()));
  if (work == Work::kTrainOne || work == Work::kTrainTwo) {
    ToyOptions options;
    options.store = path;
    options.run = work == Work::kTrainOne ? "one" : "two";
    options.count = kElements;
    SoloCohort solo;
    return RunToy(options, solo, observe);
  }
  Random draw(key, "work");
  for (;;) {
    if (work == Work::kFork) STEMMA_RETURN_IF_ERROR(ForkAndTag(*store, &draw, observe));
    if (work == Work::kPrune) STEMMA_RETURN_IF_ERROR(PruneAndCollect(*store, &draw, observe));
    if (work == Work::kRestore) STEMMA_RETURN_IF_ERROR(RestoreOne(*store, &draw, observe));
    usleep(2000);
  }
}

Observer::Observer(std::string store) : store_(std::move(store)) {}

void Observer::Hear(const std::string& lines) {
  std::istringstream all(lines);
  for (std::string line; std::getline(all, line);) {
    std::istringstream words(line);
    std::string what, first, id;
    words >> what >> first >> id;
    if (what == "durable" || what == "forked") durable_[id] = std::stoll(first);
    forked_ += what == "forked" ? 1 : 0;
    restored_ += what == "read" || what == "restored" ? 1 : 0;
    collected_ += what == "collected" && first != "0" ? 1 : 0;
    if (what == "tagged") tags_[first].insert(id);
    if (what == "pruning") begun_.insert(first);
    if (what == "pruned") pruned_.insert(first);
  }
}

std::string Observer::Look() {
  const auto store = Store::Open(store_, durable_.empty(), lineage::PosixStorage());
  if (!store.ok()) return store.status().message();
  const Result<Graph> graph = (*store)->Load();
  if (!graph.ok()) return graph.status().message();
  const Status looked = LookAt(**store, *graph);
  if (!looked.ok()) return looked.message();
  const Result<lineage::FsckReport> report = Fsck(**store, {true});
  if (!report.ok()) return report.status().message();
  return report->clean() ? "" : "fsck: " + report->errors.front();
}

Status Observer::LookAt(const Store& store, const Graph& graph) {
  for (const auto& [id, step] : durable_) {
    const auto found = graph.states.find(FromHex(id));
    if (found == graph.states.end()) return {Code::kInternal, "lost: " + id};
    if (found->second.step != step) return {Code::kInternal, "another step: " + id};
    if (found->second.metrics.count("loss") == 0) return {Code::kInternal, "no metrics: " + id};
  }
  for (const std::string& id : pruned_) {
    if (!IsPruned(graph, FromHex(id))) return {Code::kInternal, "a prune mark is lost: " + id};
  }
  for (const auto& [name, ids] : tags_) {
    if (graph.tags.count(name) == 0) return {Code::kInternal, "tag " + name + " is lost"};
    STEMMA_ASSIGN_OR_RETURN(const auto history, store.TagHistory(name));
    std::set<std::string> there;
    for (const lineage::TagEntry& entry : history) there.insert(Hex(entry.target));
    for (const std::string& id : ids) {
      if (there.count(id) == 0) return {Code::kInternal, "tag " + name + " lost " + id};
    }
  }
  for (const auto& [id, record] : graph.states) {
    STEMMA_RETURN_IF_ERROR(CheckState(store, graph, record));
  }
  return {};
}

// One with a mark has its bytes or not; nobody may have pruned what nobody said he would.
Status Observer::CheckState(const Store& store, const Graph& graph, const Record& record) {
  if (IsPruned(graph, record.id)) {
    if (begun_.count(Hex(record.id)) > 0) return {};
    return {Code::kInternal, NameOfState(record) + " was pruned by nobody"};
  }
  STEMMA_ASSIGN_OR_RETURN(const ToyState state, RestoreToy(store, record, kElements));
  if (!HasRightBits(state, record)) return WrongBits(record);
  ++compared_;
  return {};
}

}  // namespace stemma::tests
