#include "lineage/reshape/migrate.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/lease.h"
#include "lineage/marks.h"
#include "lineage/open_state.h"
#include "lineage/record_codec.h"
#include "lineage/reshape/copy_pack.h"
#include "lineage/reshape/migrate_log.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

using internal::LogOfIncarnation;
using internal::MigrantSegment;
using Records = std::vector<const Record*>;

constexpr char kBytesStayed[] = "its bytes stayed in ";  // the mark of a record that came alone
constexpr size_t kBatchStates = 1000;                    // of one segment, and
constexpr size_t kBatchBytes = 16 << 20;                 // of its records; and
constexpr size_t kBatchPacks = kPacksMax;                // of one intent, which holds few more

// Why the state's bytes are given up; "": they are not.
std::string PrunedWhy(const Graph& graph, const StateId& id) {
  if (!IsPruned(graph, id)) return "";
  const auto* const why = std::get_if<std::string>(&graph.notes.at(id).at(kPrunedKey));
  return why == nullptr ? "pruned" : *why;
}

bool CameAlone(const std::string& why) { return why.rfind(kBytesStayed, 0) == 0; }

class Migration {
 public:
  Migration(const Store& from, const Graph& graph, Store& to)
      : from_(from), graph_(graph), to_(to), here_(from.path()), there_(to.path()) {}

  Result<Migrated> Run(const std::set<StateId>& states, const MigrateOptions& options) {
    if (&from_.storage() == &to_.storage() && from_.path() == to_.path()) {
      return Status(Code::kInvalidArgument, to_.path() + " is the store that the states are in");
    }
    STEMMA_ASSIGN_OR_RETURN(there_graph_, to_.Load());
    STEMMA_RETURN_IF_ERROR(Plan(states));
    for (const auto& [run, incarnations] : plan_) STEMMA_RETURN_IF_ERROR(CheckHistory(run));
    for (const auto& [run, incarnations] : plan_) {
      const std::string& name = incarnations.begin()->second.front()->run_name;
      STEMMA_RETURN_IF_ERROR(MoveRun(run, name, incarnations).Within("migrate run '" + name + "'"));
    }
    STEMMA_RETURN_IF_ERROR(TakeMarksBack());
    if (options.tags) STEMMA_RETURN_IF_ERROR(MoveTags(states));
    return done_;
  }

 private:
  Status Plan(const std::set<StateId>& states) {
    std::set<StateId> all;
    for (const StateId& id : states) {
      if (!graph_.states.count(id)) {
        return {Code::kNotFound, "no state " + Hex(id).substr(0, 16) + " to migrate"};
      }
      all.insert(id);
      for (const StateId& ancestor : Ancestors(graph_, id)) all.insert(ancestor);
      const std::string pruned = PrunedWhy(there_graph_, id);
      const bool whole = !IsPruned(graph_, id) && (pruned.empty() || CameAlone(pruned));
      if (whole) whole_.insert(id);
    }
    for (const StateId& id : all) {
      const Record& record = graph_.states.at(id);
      plan_[record.run][record.incarnation].push_back(&record);
    }
    return {};
  }

  // The same run and, where both stores have an incarnation, begun by the same process.
  Status CheckHistory(const std::string& run) {
    Storage& storage = to_.storage();
    const std::string& name = plan_.at(run).begin()->second.front()->run_name;
    const Result<std::string> known = internal::ReadRunOf(storage, there_, name);
    if (!known.ok() && known.status().code() != Code::kNotFound) return known.status();
    if (known.ok() && *known != run) {
      return {Code::kInvalidArgument, "another run is called '" + name + "' in " + to_.path() +
                                          "; a name is part of a state's id, so the states need "
                                          "another store"};
    }
    STEMMA_ASSIGN_OR_RETURN(const std::vector<uint32_t> numbers,
                            internal::IncarnationsOf(storage, there_, run));
    for (const uint32_t number : numbers) {
      STEMMA_ASSIGN_OR_RETURN(const LogOfIncarnation there,
                              internal::ReadLog(storage, there_, run, number, nullptr));
      STEMMA_ASSIGN_OR_RETURN(const LogOfIncarnation here,
                              internal::ReadLog(from_.storage(), here_, run, number, nullptr));
      if (there.open.empty() || here.open.empty() || there.open == here.open) continue;
      return {Code::kInvalidArgument, "run '" + name + "' went on in both stores: incarnation " +
                                          std::to_string(number) + " of it in " + to_.path() +
                                          " is another one than in " + from_.path() +
                                          "; `stemma fork` one of them and migrate the fork"};
    }
    return {};
  }

  // The name comes last, so a run that is new there is seen with all that was asked of it.
  Status MoveRun(const std::string& run, const std::string& name,
                 const std::map<uint32_t, Records>& incarnations) {
    Storage& storage = to_.storage();
    STEMMA_RETURN_IF_ERROR(internal::MakeDirIfMissing(storage, there_.RunDir(run)));
    if (!storage.Exists(there_.RunNameFile(run))) {
      STEMMA_RETURN_IF_ERROR(WriteSynced(storage, there_.RunNameFile(run), name + "\n"));
    }
    for (const auto& [number, records] : incarnations) {
      STEMMA_RETURN_IF_ERROR(MoveIncarnation(run, number, records));
    }
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(there_.RunDir(run)));
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(there_.RunsDir()));
    if (storage.Exists(there_.NameRunFile(name))) return storage.SyncDir(there_.NamesDir());
    return internal::ClaimFolder(storage, there_, there_.NameDir(name),
                                 BaseOf(there_.NameRunFile(name)), run + "\n");
  }

  Status MoveIncarnation(const std::string& run, uint32_t number, const Records& records) {
    Storage& storage = to_.storage();
    std::map<StateId, const Record*> wanted;
    for (const Record* record : records) wanted[record->id] = record;
    STEMMA_ASSIGN_OR_RETURN(const LogOfIncarnation here,
                            internal::ReadLog(from_.storage(), here_, run, number, &wanted));
    STEMMA_RETURN_IF_ERROR(internal::MakeDirIfMissing(storage, there_.IncarnationDir(run, number)));
    tmp_ = there_.TmpOf(run, number);
    const Status made = storage.MakeDir(tmp_);  // one that is there may be a living writer's
    if (!made.ok() && made.code() != Code::kInvalidArgument) return made;
    for (size_t i = 0; i < records.size();) {
      Records batch;
      for (size_t packs = 0, bytes = 0; i < records.size() && batch.size() < kBatchStates; ++i) {
        packs += records[i]->packs.size();
        const auto payload = here.states.find(records[i]->id);
        if (payload != here.states.end()) bytes += payload->second.size();
        if (!batch.empty() && (packs > kBatchPacks || bytes > kBatchBytes)) break;
        batch.push_back(records[i]);
      }
      STEMMA_RETURN_IF_ERROR(MoveBatch(run, number, batch, here));
    }
    if (made.ok()) (void)storage.Remove(tmp_);  // where it is empty
    return {};
  }

  // The order of whoever refers to packs in a store that a collector may be working in, as for a
  // fork: lease, bytes, intent, a last look, record.
  Status MoveBatch(const std::string& run, uint32_t number, const Records& batch,
                   const LogOfIncarnation& here) {
    Storage& storage = to_.storage();
    std::map<StateId, const Record*> wanted;
    std::vector<ObjectId> packs;
    for (const Record* record : batch) {
      wanted[record->id] = record;
      if (!whole_.count(record->id)) continue;
      for (const PackRef& pack : record->packs) packs.push_back(pack.pack);
    }
    STEMMA_ASSIGN_OR_RETURN(const LogOfIncarnation there,
                            internal::ReadLog(storage, there_, run, number, &wanted));
    STEMMA_ASSIGN_OR_RETURN(Lease lease, Lease::Take(storage, there_, packs, "migrate"));
    Records missing;
    for (const Record* record : batch) {
      const bool is_new = there.states.count(record->id) == 0;
      STEMMA_RETURN_IF_ERROR(Bring(*record, is_new, &lease));
      if (is_new) missing.push_back(record);
    }
    if (missing.empty()) return {};
    MigrantSegment promise;
    if (there.open.empty()) promise.Add(FrameType::kOpen, here.open);
    return Append(run, number, missing, packs, here, std::move(promise));
  }

  Status Append(const std::string& run, uint32_t number, const Records& missing,
                const std::vector<ObjectId>& packs, const LogOfIncarnation& here,
                MigrantSegment promise) {
    Storage& storage = to_.storage();
    STEMMA_ASSIGN_OR_RETURN(const std::string intent,
                            EncodeIntent({missing.front()->id, packs,
                                          "migrate from " + from_.path(), internal::WallMs()}));
    promise.Add(FrameType::kIntent, intent);
    STEMMA_RETURN_IF_ERROR(promise.Publish(storage, there_, run, number));
    // A collector on another node looks for the intent by these names.
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(there_.RunDir(run)));
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(there_.RunsDir()));
    for (const Record* record : missing) {
      if (!whole_.count(record->id)) continue;
      STEMMA_RETURN_IF_ERROR(to_.EnsurePacks(*record, IfPruned::kBringBack));
      STEMMA_RETURN_IF_ERROR(internal::CheckObjects(storage, there_, *record));
    }
    MigrantSegment segment;
    for (const Record* record : missing) {
      const auto payload = here.states.find(record->id);
      if (payload == here.states.end()) {
        return {Code::kNotFound, NameOfState(*record) + " is no longer in the log of " + run};
      }
      segment.Add(FrameType::kState, payload->second);
    }
    // Whoever goes on with the run there begins the next incarnation.
    STEMMA_ASSIGN_OR_RETURN(const std::string close, EncodeClose({"migrated", internal::WallMs()}));
    segment.Add(FrameType::kClose, close);
    return segment.Publish(storage, there_, run, number);
  }

  // All that the state needs but its record.
  Status Bring(const Record& record, bool is_new, Lease* lease) {
    STEMMA_ASSIGN_OR_RETURN(const Layout* const layout, BringLayout(record));
    for (const ObjectId& id : {record.settings.blob, record.environment}) {
      if (id.empty() || !blobs_.insert(id).second) continue;
      STEMMA_ASSIGN_OR_RETURN(const std::string bytes, from_.GetBlob(id));
      STEMMA_RETURN_IF_ERROR(to_.PutBlob(bytes).status());
    }
    STEMMA_RETURN_IF_ERROR(BringNotes(record));
    if (whole_.count(record.id)) {
      STEMMA_RETURN_IF_ERROR(BringPacks(record, *layout, lease).Within(StateInWords(record)));
      ++done_.states;
      done_.states_there += !is_new && !IsPruned(there_graph_, record.id);
      return {};
    }
    if (!is_new) return {};
    ++done_.nodes;
    if (IsPruned(there_graph_, record.id)) return {};
    const std::string why = PrunedWhy(graph_, record.id);
    return to_.Mark(record.id, kPrunedKey, why.empty() ? kBytesStayed + from_.path() : why);
  }

  Result<const Layout*> BringLayout(const Record& record) {
    std::unique_ptr<Layout>& layout = layouts_[record.layout];
    if (layout) return static_cast<const Layout*>(layout.get());
    STEMMA_ASSIGN_OR_RETURN(const std::string bytes, from_.GetLayout(record.layout));
    STEMMA_ASSIGN_OR_RETURN(Layout decoded, Layout::Decode(bytes));
    STEMMA_RETURN_IF_ERROR(to_.PutLayout(bytes).status());
    layout = std::make_unique<Layout>(std::move(decoded));
    return static_cast<const Layout*>(layout.get());
  }

  Status BringPacks(const Record& record, const Layout& layout, Lease* lease) {
    for (const PackRef& pack : record.packs) {
      if (!packs_.insert(pack.pack).second) continue;
      STEMMA_ASSIGN_OR_RETURN(bool has, internal::HasPack(to_, pack));
      if (!has && internal::Resurrect(to_.storage(), there_, pack.pack).ok()) {
        STEMMA_ASSIGN_OR_RETURN(has, internal::HasPack(to_, pack));
      }
      if (has) {
        ++done_.packs_there;
        continue;
      }
      STEMMA_RETURN_IF_ERROR(from_.EnsurePacks(record, IfPruned::kRefuse));
      STEMMA_RETURN_IF_ERROR(internal::CopyPack(from_, pack, layout, to_, tmp_ + "/" + NewUlid()));
      ++done_.packs;
      done_.bytes += pack.bytes;
      (void)lease->Beat();  // a hint: no safety rests on it
    }
    return {};
  }

  // Where both stores have a note of that key, each keeps its own. Scopes are lifetimes of the
  // store that they were opened in, and a prune says what was done with the bytes there.
  Status BringNotes(const Record& record) {
    const auto notes = graph_.notes.find(record.id);
    if (notes == graph_.notes.end()) return {};
    const auto known = there_graph_.notes.find(record.id);
    for (const auto& [key, value] : notes->second) {
      if (key == kPrunedKey || key.rfind(ScopeKey(""), 0) == 0) continue;
      if (known != there_graph_.notes.end() && known->second.count(key)) continue;
      STEMMA_RETURN_IF_ERROR(to_.Mark(record.id, key, value));
      ++done_.notes;
    }
    return {};
  }

  // Of states that had come alone and now have their bytes.
  Status TakeMarksBack() {
    STEMMA_ASSIGN_OR_RETURN(const Graph graph, to_.Load());
    for (const StateId& id : whole_) {
      if (IsPruned(graph, id)) STEMMA_RETURN_IF_ERROR(UndoPrune(to_, graph, id));
    }
    return {};
  }

  Status MoveTags(const std::set<StateId>& states) {
    for (const auto& [name, tag] : graph_.tags) {
      if (!states.count(tag.target)) continue;
      const auto known = there_graph_.tags.find(name);
      if (known == there_graph_.tags.end()) {
        STEMMA_RETURN_IF_ERROR(to_.SetTag(name, tag.target, tag.why, std::nullopt));
        ++done_.tags;
      } else if (known->second.target != tag.target) {
        done_.tags_left.push_back(name);
      }
    }
    return {};
  }

  const Store& from_;
  const Graph& graph_;
  Store& to_;
  const Paths here_, there_;
  Graph there_graph_;                                        // before
  std::set<StateId> whole_;                                  // that come with their bytes
  std::map<std::string, std::map<uint32_t, Records>> plan_;  // by run, by incarnation
  std::string tmp_;                                          // of the incarnation at work
  std::map<ObjectId, std::unique_ptr<Layout>> layouts_;
  std::set<ObjectId> blobs_, packs_;  // seen to
  Migrated done_;
};

}  // namespace

Result<Migrated> Migrate(const Store& from, const Graph& graph, const std::set<StateId>& states,
                         Store& to, const MigrateOptions& options) {
  return Migration(from, graph, to).Run(states, options);
}

}  // namespace stemma::lineage
