#include <algorithm>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/lease.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/notes.h"
#include "lineage/record_codec.h"
#include "lineage/settings_text.h"
#include "lineage/side_by_side.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr char kNameTaken[] = "its name was taken meanwhile";  // why it was withdrawn
// What a record says of its own edge, and how long its bytes are wanted: nothing of its child's.
constexpr std::string_view kOfItsOwn[] = {kReservedPrefix, "fork.", "reshape."};

// The parent's record as the first one of a new run.
Record ChildOf(const Record& parent, const Begun& begun) {
  Record record = parent;
  record.id.clear();
  record.parents = {{parent.id, EdgeKind::kFork}};
  record.run = begun.run;
  record.run_name = begun.name;
  record.incarnation = begun.incarnation;
  record.capture = 0;
  record.reason = Reason::kFork;
  record.timings = {};
  record.wall_ms = WallMs();
  // How long the parent's bytes are wanted, and how they came to it, says nothing of the child's.
  auto& attributes = record.attributes;
  for (auto at = attributes.begin(); at != attributes.end();) {
    bool own = false;
    for (const std::string_view prefix : kOfItsOwn) own |= at->first.rfind(prefix, 0) == 0;
    at = own ? attributes.erase(at) : std::next(at);
  }
  attributes.erase(kRestoreAttribute);
  return record;
}

// The changes a fork may make. A cursor of all zeros means "the parent's".
void ApplyFork(const Record& change, Record* record) {
  if (!change.settings.empty()) record->settings = change.settings;
  if (!change.environment.empty()) record->environment = change.environment;
  const CursorRecord& cursor = change.cursor;
  if (cursor.seed || cursor.epoch || cursor.sample) record->cursor = cursor;
  for (const auto& [key, value] : change.attributes) record->attributes[key] = value;
}

void ApplyReshape(const Reshaping& reshaping, Record* record) {
  record->parents.front().kind = EdgeKind::kReshape;
  const uint32_t held = RanksHeld(*record);
  if (reshaping.ranks != 0) record->world = reshaping.ranks;
  record->ranks_held = held == record->world ? 0 : held;
  if (reshaping.cursor) record->cursor = *reshaping.cursor;
  if (!reshaping.settings.empty()) record->settings = reshaping.settings;
  for (const auto& [key, value] : reshaping.attributes) record->attributes[key] = value;
}

std::vector<ObjectId> PacksOf(const Record& record) {
  std::vector<ObjectId> packs;
  for (const PackRef& pack : record.packs) packs.push_back(pack.pack);
  return packs;
}

IntentEntry IntentFor(const Record& parent, const Record& child, const std::string& what) {
  IntentEntry intent;
  intent.parent = parent.id;
  intent.objects = PacksOf(parent);
  for (const ObjectId& id : {child.layout, child.settings.blob, child.environment}) {
    if (!id.empty()) intent.objects.push_back(id);
  }
  intent.why = what + " " + child.run_name;
  intent.wall_ms = WallMs();
  return intent;
}

// The log of a fork: complete when it is made, so it is one file that is never appended to again.
// Nobody looks at it before the name leads there, which is after its last sync.
class ForkLog {
 public:
  static Result<ForkLog> Create(Storage& storage, const Paths& paths, const Begun& begun) {
    ForkLog log;
    STEMMA_ASSIGN_OR_RETURN(log.file_,
                            storage.Create(paths.LogSegment(begun.run, begun.incarnation, 1), {}));
    log.ulid_ = UlidToBytes(NewUlid());
    log.pending_ = EncodeSegmentHeader(SegmentKind::kLog, log.ulid_);
    return log;
  }

  Status Add(FrameType type, Result<std::string> payload) {
    STEMMA_RETURN_IF_ERROR(payload.status());
    pending_ += EncodeFrame(ulid_, type, *payload);
    return {};
  }
  // Writes what was added, in one piece.
  Status Sync() {
    STEMMA_RETURN_IF_ERROR(file_->Append(pending_));
    pending_.clear();
    return file_->Sync();
  }
  Status Close() { return file_->Close(); }
  // Ends the intent; where that fails, fsck lists it.
  void GiveUp(const StateId& state, const std::string& why) {
    if (!Add(FrameType::kWithdrawn, EncodeWithdrawn({state, why, WallMs()})).ok()) return;
    if (Add(FrameType::kClose, EncodeClose({why, WallMs()})).ok()) (void)Sync();
  }

 private:
  std::unique_ptr<WritableFile> file_;
  std::string ulid_, pending_;
};

Status CheckIntentOpen(Storage& storage, const Paths& paths, const Begun& begun,
                       const StateId& state, ForkLog* log) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                          storage.List(paths.IncarnationDir(begun.run, begun.incarnation)));
  if (files.size() == 1) return {};
  log->GiveUp(state, "its intent was closed");
  return {Code::kIncompatible,
          "somebody took this process for dead and closed its intent: fork again"};
}

// All of them, side by side; the first failure in their order.
Status AllOf(const std::vector<std::function<Status()>>& syncs) {
  std::vector<Status> done(syncs.size());
  SideBySide(syncs.size(), 1, [&](size_t i) { done[i] = syncs[i](); });
  for (Status& status : done) STEMMA_RETURN_IF_ERROR(std::move(status));
  return {};
}

}  // namespace

// The order of LINEAGE's protocol for whoever refers to packs that it did not write: 1 lease, 2
// check, 3 intent, 4 verify, 5 record, 6 drop the lease. A collector that misses the intent has not
// freed anything before 4 looks, and one that sees it keeps the bytes: so a record is written only
// when its bytes are both referred to and there. 2 brings nothing back for a parent that carries a
// prune mark. 4 does: the intent, by now, protects them, whatever was decided about the parent. The
// name comes last, so a fork is there whole or not at all.
//
// Somebody who takes this process for dead may end its intent, by a second segment in its folder
// (repair/intents.h). One that is there after 5 may have come before the record, while nothing
// protected the bytes: then the fork is withdrawn. One that comes later finds the record, which
// protects them.
//
// Durable before the record: the first part of the log (so that a collector on another node sees
// the intent), the folders on the way to it, the settings, and the claim of the name, which waits
// in tmp/. All of these are made before the first sync: a file system with a journal writes them
// with one commit or two, and the other syncs of them find nothing left to do. Record and name have
// a commit each. They are waited for side by side: a disk that is asked to flush flushes once for
// all who wait.
Result<StateId> StoreImpl::BranchOff(const Graph& graph, const StateId& parent,
                                     const std::string& verb, const std::string& name,
                                     const std::function<void(Record*)>& change,
                                     const std::string_view* settings) {
  const auto found = graph.states.find(parent);
  if (found == graph.states.end()) {
    return Status(Code::kNotFound, "no state " + Hex(parent).substr(0, 16) + " to " + verb);
  }
  if (IsSuspect(found->second)) {
    return Status(Code::kInvalidArgument, NameOfState(found->second) + " is " +
                                              found->second.audit + "; " + verb +
                                              " the state before it");
  }
  if (IsPruned(graph, parent)) STEMMA_RETURN_IF_ERROR(WhyPruned(found->second));
  if (IsQuarantined(graph, parent)) {
    return Status(Code::kCorruption, NameOfState(found->second) + " is " +
                                         QuarantineText(storage_, paths_, parent) +
                                         "; or fork the state before it");
  }
  STEMMA_RETURN_IF_ERROR(CheckNameFree(name));
  const std::string what = verb + " " + NameOfState(found->second);
  STEMMA_ASSIGN_OR_RETURN(const Lease lease,  // 1, and 6 on every way out
                          Lease::Take(storage_, paths_, PacksOf(found->second), what));
  STEMMA_RETURN_IF_ERROR(EnsurePacks(found->second, IfPruned::kRefuse).Within(what));  // 2
  STEMMA_RETURN_IF_ERROR(CheckObjects(storage_, paths_, found->second).Within(what));
  STEMMA_ASSIGN_OR_RETURN(const Begun begun, MakeRun(name));
  STEMMA_ASSIGN_OR_RETURN(Claim claim, PrepareName(begun));
  STEMMA_ASSIGN_OR_RETURN(ForkLog log, ForkLog::Create(storage_, paths_, begun));
  Record record = ChildOf(found->second, begun);
  change(&record);
  if (settings != nullptr) {
    STEMMA_ASSIGN_OR_RETURN(record.settings, PlaceSettings(found->second.settings, *settings));
  }
  const bool has_blob = settings != nullptr && record.settings.changes.empty();
  STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeRecord(&record));

  STEMMA_RETURN_IF_ERROR(log.Add(FrameType::kOpen, EncodeOpen(OpenEntryFor(begun))));
  STEMMA_RETURN_IF_ERROR(
      log.Add(FrameType::kIntent, EncodeIntent(IntentFor(found->second, record, verb))));
  Status logged;
  std::vector<std::function<Status()>> syncs = {
      [&] { return logged = log.Sync(); },  // 3
      [&] { return claim.Sync(); },
      [&] { return storage_.SyncDir(paths_.IncarnationDir(begun.run, begun.incarnation)); },
      [&] { return storage_.SyncDir(paths_.RunDir(begun.run)); },
      [&] { return storage_.SyncDir(paths_.RunsDir()); }};
  if (has_blob) {
    syncs.push_back([&] { return SyncObject(ObjectKind::kBlob, record.settings.blob, *settings); });
  }
  Status there = AllOf(syncs);
  if (there.ok()) there = EnsurePacks(record, IfPruned::kBringBack);  // 4
  if (there.ok()) there = CheckObjects(storage_, paths_, record);
  if (!there.ok()) {
    if (logged.ok()) log.GiveUp(record.id, "not made: " + there.message());
    return std::move(there).Within(what);
  }
  STEMMA_RETURN_IF_ERROR(log.Add(FrameType::kState, payload));
  STEMMA_RETURN_IF_ERROR(log.Add(FrameType::kClose, EncodeClose({verb + " done", WallMs()})));
  STEMMA_RETURN_IF_ERROR(log.Sync());  // 5
  STEMMA_RETURN_IF_ERROR(CheckIntentOpen(storage_, paths_, begun, record.id, &log).Within(what));
  const Status named = PublishName(begun, &claim);
  // A record in a run that no name leads to would keep its packs for good.
  if (named.code() == Code::kInvalidArgument) log.GiveUp(record.id, kNameTaken);
  STEMMA_RETURN_IF_ERROR(named);
  (void)log.Close();  // all of it is durable
  return record.id;
}

// As changes of the parent's, where lines can say that: no object to write and none to sync.
Result<SettingsRef> StoreImpl::PlaceSettings(const SettingsRef& parent, std::string_view text) {
  if (!parent.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const std::string blob, GetBlob(parent.blob));
    std::optional<std::string> changes = SettingChangesTo(blob, text);
    if (changes && changes->size() < std::min(text.size(), kTextMax)) {
      SettingsRef settings = parent.blob;
      settings.changes = std::move(*changes);
      return settings;
    }
  }
  STEMMA_ASSIGN_OR_RETURN(ObjectId blob, PlaceObject(ObjectKind::kBlob, text));
  return SettingsRef(std::move(blob));
}

Result<StateId> StoreImpl::MakeFork(const Graph& graph, const StateId& parent,
                                    const std::string& name, const Record& change,
                                    const std::string_view* settings) {
  return BranchOff(
      graph, parent, "fork", name, [&change](Record* record) { ApplyFork(change, record); },
      settings);
}

Result<StateId> StoreImpl::Reshape(const Graph& graph, const StateId& parent,
                                   const Reshaping& reshaping) {
  const auto found = graph.states.find(parent);
  if (found != graph.states.end()) STEMMA_RETURN_IF_ERROR(CheckRanks(found->second, reshaping));
  return BranchOff(
      graph, parent, "reshape", reshaping.name,
      [&reshaping](Record* record) { ApplyReshape(reshaping, record); }, nullptr);
}

// The bytes stay, and so each PerRank span's rule must allow that other ranks read them.
Status StoreImpl::CheckRanks(const Record& record, const Reshaping& reshaping) const {
  if (reshaping.ranks == 0 || reshaping.ranks == RanksHeld(record)) return {};
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, GetLayout(record.layout));
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Decode(bytes));
  for (const LayoutSpan& placed : layout.spans()) {
    const Span& span = placed.span;
    if (span.role != Role::kPerRank || span.on_reshape != OnReshape::kRefuse) continue;
    return {Code::kIncompatible,
            NameOfState(record) + " cannot be reshaped from " + std::to_string(RanksHeld(record)) +
                " to " + std::to_string(reshaping.ranks) + " ranks: span '" + span.name +
                "' differs per rank and may not be cut anew; `stemma slice --drop` makes a state "
                "without it"};
  }
  return {};
}

}  // namespace stemma::lineage::internal
