#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

// The parent's record with the changes a fork may make. A cursor of all zeros means "the parent's".
Record ForkRecord(const Record& parent, const Begun& begun, const Record& change) {
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
  if (!change.settings.empty()) record.settings = change.settings;
  if (!change.environment.empty()) record.environment = change.environment;
  const CursorRecord& cursor = change.cursor;
  if (cursor.seed || cursor.epoch || cursor.sample) record.cursor = cursor;
  for (const auto& [key, value] : change.attributes) record.attributes[key] = value;
  return record;
}

IntentEntry IntentFor(const Record& parent, const Record& child) {
  IntentEntry intent;
  intent.parent = parent.id;
  for (const PackRef& pack : parent.packs) intent.objects.push_back(pack.pack);
  for (const ObjectId& id : {child.layout, child.settings, child.environment}) {
    if (!id.empty()) intent.objects.push_back(id);
  }
  intent.why = "fork " + child.run_name;
  intent.wall_ms = WallMs();
  return intent;
}

Status AppendWithdrawn(LogWriter& log, const StateId& id, const std::string& why) {
  STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeWithdrawn({id, why, WallMs()}));
  return log.Append(FrameType::kWithdrawn, payload);
}

}  // namespace

// Intent first, then a look at the bytes, then the record: a collector that misses the intent has
// not freed anything before the look, and one that sees it keeps the bytes. The name comes last, so
// a fork is there whole or not at all.
Result<StateId> StoreImpl::Fork(const Graph& graph, const StateId& parent, const std::string& name,
                                const Record& change) {
  const auto found = graph.states.find(parent);
  if (found == graph.states.end()) {
    return Status(Code::kNotFound, "no state " + Hex(parent).substr(0, 16) + " to fork");
  }
  if (IsSuspect(found->second)) {
    return Status(Code::kInvalidArgument, NameOfState(found->second) + " is " +
                                              found->second.audit + "; fork the state before it");
  }
  STEMMA_RETURN_IF_ERROR(CheckNameFree(name));
  STEMMA_RETURN_IF_ERROR(
      CheckObjects(storage_, paths_, found->second).Within("fork " + NameOfState(found->second)));
  STEMMA_ASSIGN_OR_RETURN(Begun begun, BeginRun(name));
  Record record = ForkRecord(found->second, begun, change);
  STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeRecord(&record));

  STEMMA_ASSIGN_OR_RETURN(const std::string intent, EncodeIntent(IntentFor(found->second, record)));
  STEMMA_RETURN_IF_ERROR(begun.log->Append(FrameType::kIntent, intent));
  Status there = CheckObjects(storage_, paths_, record);
  if (!there.ok()) {
    (void)AppendWithdrawn(*begun.log, record.id, there.message());
    return std::move(there).Within("fork " + NameOfState(found->second));
  }
  STEMMA_RETURN_IF_ERROR(begun.log->Append(FrameType::kState, payload));
  STEMMA_ASSIGN_OR_RETURN(const std::string close, EncodeClose({"forked", WallMs()}));
  STEMMA_RETURN_IF_ERROR(begun.log->Append(FrameType::kClose, close));
  STEMMA_RETURN_IF_ERROR(begun.log->Close());
  STEMMA_RETURN_IF_ERROR(ClaimName(begun));
  return record.id;
}

}  // namespace stemma::lineage::internal
