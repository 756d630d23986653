#include "lineage/record_codec.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/fields.h"
#include "lineage/names.h"

namespace stemma::lineage {
namespace {

// Tags of a state record. They reach disk: never reuse one, only append.
enum RecordTag : uint16_t {
  kParents = 1,
  kRun = 2,
  kRunName = 3,
  kIncarnation = 4,
  kCapture = 5,
  kLayout = 6,
  kPacks = 7,
  kLogicalBytes = 8,
  kStep = 9,
  kSamples = 10,
  kEpoch = 11,
  kCursor = 12,
  kSettings = 13,
  kEnvironment = 14,
  kPlanDigest = 15,
  kWorld = 16,
  kReason = 17,
  kMetrics = 18,
  kAttributes = 19,
  kTimings = 20,
  kAudit = 21,
  kWallMs = 22,
  kFrozenPacks = 23,
  // From here on: who does not know it refuses the record.
  kRanksHeld = 0x8000,
  kSettingsChanges = 0x8001,
};

Status Bad(const std::string& what) { return Status(Code::kInvalidArgument, "record: " + what); }
Status Corrupt(const std::string& what) { return Status(Code::kCorruption, "record: " + what); }

bool IsId(std::string_view id) { return id.size() == kSha256Bytes; }
bool IsIdOrNone(std::string_view id) { return id.empty() || IsId(id); }
bool IsEdge(EdgeKind kind) { return kind >= EdgeKind::kTrain && kind <= EdgeKind::kImport; }
bool IsReason(Reason reason) { return reason >= Reason::kPeriodic && reason <= Reason::kFork; }

// The one list of rules, for what is written and for what was read; "" when all hold.
template <typename AnyRecord>
std::string Fault(const AnyRecord& record) {
  if (record.parents.size() > kParentsMax) return "too many parents";
  for (const auto& edge : record.parents) {
    if (!IsId(edge.parent) || !IsEdge(edge.kind)) return "a parent is no state id and kind";
  }
  if (!IsUlid(record.run)) return "run is no ulid";
  if (!IsName(record.run_name)) return "run_name is no name";
  if (!IsId(record.layout)) return "layout is no id";
  if (record.packs.empty() || record.packs.size() > kPacksMax) return "no packs, or too many";
  for (const auto& ref : record.packs) {
    if (!IsId(ref.pack) || ref.writer >= ref.writers || ref.bytes == 0) {
      return "a pack has no id, no bytes or an impossible writer";
    }
  }
  if (record.frozen_packs >= record.packs.size()) return "all its packs are of frozen spans";
  if (!IsIdOrNone(record.settings.blob) || !IsIdOrNone(record.environment)) {
    return "settings or environment is no id";
  }
  if (!record.settings.changes.empty() && record.settings.blob.empty()) {
    return "changes of no settings";
  }
  if (record.settings.changes.size() > kTextMax) return "too many changes of settings";
  if (record.plan_digest.size() > kTextMax || record.audit.size() > kTextMax) {
    return "plan_digest or audit is too long";
  }
  if (record.world == 0) return "world is 0";
  if (record.world > kRanksMax || record.ranks_held > kRanksMax) return "too many ranks";
  if (!IsReason(record.reason)) return "unknown reason";
  if (record.metrics.size() > kAttributesMax || record.attributes.size() > kAttributesMax) {
    return "too many metrics or attributes";
  }
  for (const auto& [key, value] : record.metrics) {
    if (key.empty() || key.size() > kTextMax) return "a metric has no name, or a long one";
  }
  for (const auto& [key, value] : record.attributes) {
    const auto* const text = std::get_if<3>(&value);
    if (key.empty() || key.size() > kTextMax || (text != nullptr && text->size() > kTextMax)) {
      return "an attribute has no name or is too long";
    }
  }
  return "";
}

void PutValue(Encoder& out, const AttributeValue& value) {
  out.U8(static_cast<uint8_t>(value.index() + 1));  // 1 bool, 2 int, 3 float, 4 text
  if (const bool* flag = std::get_if<bool>(&value)) out.U8(*flag ? 1 : 0);
  if (const int64_t* number = std::get_if<int64_t>(&value)) out.I64(*number);
  if (const double* number = std::get_if<double>(&value)) out.F64(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) out.String(*text);
}

// False: unknown kind, or a flag that is neither 0 nor 1.
bool GetValue(Decoder& in, ValueView* value) {
  switch (in.U8()) {
    case 1: {
      const uint8_t flag = in.U8();
      *value = flag == 1;
      return flag <= 1;
    }
    case 2:
      *value = in.I64();
      return true;
    case 3:
      *value = in.F64();
      return true;
    case 4:
      *value = in.Raw(in.U32());
      return true;
    default:
      return false;
  }
}

AttributeValue Owned(const ValueView& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  if (const int64_t* number = std::get_if<int64_t>(&value)) return *number;
  if (const double* number = std::get_if<double>(&value)) return *number;
  return std::string(std::get<std::string_view>(value));
}

void PutParents(FieldWriter& out, const Record& record) {
  Encoder list;
  for (const Edge& edge : record.parents) {
    list.Raw(edge.parent);
    list.U8(static_cast<uint8_t>(edge.kind));
  }
  out.Bytes(kParents, list.bytes());
}

void PutPacks(FieldWriter& out, const Record& record) {
  Encoder list;
  for (const PackRef& ref : record.packs) {
    list.U32(ref.writer);
    list.U32(ref.writers);
    list.Raw(ref.pack);
    list.U64(ref.bytes);
  }
  out.Bytes(kPacks, list.bytes());
}

void PutMaps(FieldWriter& out, const Record& record) {
  Encoder metrics, attributes;
  for (const auto& [key, value] : record.metrics) {
    metrics.String(key);
    metrics.F64(value);
  }
  for (const auto& [key, value] : record.attributes) {
    attributes.String(key);
    PutValue(attributes, value);
  }
  out.Bytes(kMetrics, metrics.bytes());
  out.Bytes(kAttributes, attributes.bytes());
}

std::string EncodeFields(const Record& record) {
  FieldWriter out;
  PutParents(out, record);
  out.Text(kRun, record.run);
  out.Text(kRunName, record.run_name);
  out.U32(kIncarnation, record.incarnation);
  out.U64(kCapture, record.capture);
  out.Bytes(kLayout, record.layout);
  PutPacks(out, record);
  out.U64(kLogicalBytes, record.logical_bytes);
  out.I64(kStep, record.step);
  out.U64(kSamples, record.samples);
  out.F64(kEpoch, record.epoch);
  Encoder cursor;
  cursor.U64(record.cursor.seed);
  cursor.U64(record.cursor.epoch);
  cursor.U64(record.cursor.sample);
  out.Bytes(kCursor, cursor.bytes());
  out.Bytes(kSettings, record.settings.blob);
  out.Bytes(kEnvironment, record.environment);
  out.Bytes(kPlanDigest, record.plan_digest);
  out.U32(kWorld, record.world);
  out.U8(kReason, static_cast<uint8_t>(record.reason));
  PutMaps(out, record);
  Encoder timings;
  for (const double seconds :
       {record.timings.stall_s, record.timings.copy_s, record.timings.write_s,
        record.timings.sync_s, record.timings.commit_lag_s}) {
    timings.F64(seconds);
  }
  out.Bytes(kTimings, timings.bytes());
  out.Text(kAudit, record.audit);
  out.I64(kWallMs, record.wall_ms);
  if (record.frozen_packs != 0) out.U32(kFrozenPacks, record.frozen_packs);
  if (record.ranks_held != 0 && record.ranks_held != record.world) {
    out.U32(kRanksHeld, record.ranks_held);
  }
  if (!record.settings.changes.empty()) out.Text(kSettingsChanges, record.settings.changes);
  return out.Take();
}

Status GetParents(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  record->parents.clear();
  while (in.ok() && in.remaining() > 0 && record->parents.size() <= kParentsMax) {
    EdgeView edge;
    edge.parent = in.Raw(kSha256Bytes);
    edge.kind = static_cast<EdgeKind>(in.U8());
    record->parents.push_back(edge);
  }
  return in.ok() ? Status() : Corrupt("the parents are cut short");
}

Status GetPacks(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  record->packs.clear();
  while (in.ok() && in.remaining() > 0 && record->packs.size() <= kPacksMax) {
    PackView ref;
    ref.writer = in.U32();
    ref.writers = in.U32();
    ref.pack = in.Raw(kSha256Bytes);
    ref.bytes = in.U64();
    record->packs.push_back(ref);
  }
  return in.ok() ? Status() : Corrupt("the packs are cut short");
}

// Keys ascend, so that one content has one encoding.
Status GetMetrics(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  record->metrics.clear();
  while (in.ok() && in.remaining() > 0 && record->metrics.size() <= kAttributesMax) {
    const std::string_view key = in.Raw(in.U32());
    const double value = in.F64();
    if (!record->metrics.empty() && record->metrics.back().first >= key) {
      return Corrupt("metrics are out of order");
    }
    record->metrics.emplace_back(key, value);
  }
  return in.ok() ? Status() : Corrupt("the metrics are cut short");
}

Status GetAttributes(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  record->attributes.clear();
  while (in.ok() && in.remaining() > 0 && record->attributes.size() <= kAttributesMax) {
    const std::string_view key = in.Raw(in.U32());
    ValueView value;
    if (!GetValue(in, &value)) {
      return Corrupt("attribute '" + std::string(key) + "' has an unknown kind");
    }
    if (!record->attributes.empty() && record->attributes.back().first >= key) {
      return Corrupt("attributes are out of order");
    }
    record->attributes.emplace_back(key, value);
  }
  return in.ok() ? Status() : Corrupt("the attributes are cut short");
}

Status GetCursor(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  record->cursor.seed = in.U64();
  record->cursor.epoch = in.U64();
  record->cursor.sample = in.U64();
  return in.ok() ? Status() : Corrupt("the cursor is cut short");
}

// Timings are for display: a shorter list leaves zeros, a longer one is a later version's.
void GetTimings(std::string_view bytes, RecordView* record) {
  Decoder in(bytes);
  for (double* seconds :
       {&record->timings.stall_s, &record->timings.copy_s, &record->timings.write_s,
        &record->timings.sync_s, &record->timings.commit_lag_s}) {
    *seconds = in.F64();
  }
}

Status GetFields(std::string_view bytes, RecordView* record) {
  FieldReader in(bytes);
  STEMMA_RETURN_IF_ERROR(GetParents(in.Bytes(kParents), record));
  record->run = in.Bytes(kRun);
  record->run_name = in.Bytes(kRunName);
  record->incarnation = in.U32(kIncarnation);
  record->capture = in.U64(kCapture);
  record->layout = in.Bytes(kLayout);
  STEMMA_RETURN_IF_ERROR(GetPacks(in.Bytes(kPacks), record));
  record->logical_bytes = in.U64(kLogicalBytes);
  record->step = in.I64(kStep);
  record->samples = in.U64(kSamples);
  record->epoch = in.F64(kEpoch);
  STEMMA_RETURN_IF_ERROR(GetCursor(in.Bytes(kCursor), record));
  record->settings.blob = in.Bytes(kSettings);
  record->environment = in.Bytes(kEnvironment);
  record->plan_digest = in.Bytes(kPlanDigest);
  record->world = in.U32(kWorld);
  record->reason = static_cast<Reason>(in.U8(kReason));
  STEMMA_RETURN_IF_ERROR(GetMetrics(in.Bytes(kMetrics), record));
  STEMMA_RETURN_IF_ERROR(GetAttributes(in.Bytes(kAttributes), record));
  GetTimings(in.Bytes(kTimings), record);
  record->audit = in.Bytes(kAudit);
  record->wall_ms = in.I64(kWallMs);
  record->frozen_packs = in.U32(kFrozenPacks);
  record->ranks_held = in.U32(kRanksHeld);
  record->settings.changes = in.Bytes(kSettingsChanges);
  return in.Finish("record");
}

Record Owned(const RecordView& view) {
  Record record;
  record.id = view.id;
  for (const EdgeView& edge : view.parents) {
    record.parents.push_back({StateId(edge.parent), edge.kind});
  }
  record.run = view.run;
  record.run_name = view.run_name;
  record.incarnation = view.incarnation;
  record.capture = view.capture;
  record.layout = view.layout;
  for (const PackView& ref : view.packs) {
    record.packs.push_back({ref.writer, ref.writers, ObjectId(ref.pack), ref.bytes});
  }
  record.logical_bytes = view.logical_bytes;
  record.step = view.step;
  record.samples = view.samples;
  record.epoch = view.epoch;
  record.cursor = view.cursor;
  record.settings.blob = view.settings.blob;
  record.settings.changes = view.settings.changes;
  record.environment = view.environment;
  record.plan_digest = view.plan_digest;
  record.world = view.world;
  record.ranks_held = view.ranks_held;
  record.frozen_packs = view.frozen_packs;
  record.reason = view.reason;
  for (const auto& [key, value] : view.metrics) {
    record.metrics.emplace_hint(record.metrics.end(), key, value);
  }
  for (const auto& [key, value] : view.attributes) {
    record.attributes.emplace_hint(record.attributes.end(), key, Owned(value));
  }
  record.timings = view.timings;
  record.audit = view.audit;
  record.wall_ms = view.wall_ms;
  return record;
}

}  // namespace

std::string EncodeValue(const AttributeValue& value) {
  Encoder out;
  PutValue(out, value);
  return out.Take();
}

Result<AttributeValue> DecodeValue(std::string_view bytes) {
  Decoder in(bytes);
  ValueView value;
  if (GetValue(in, &value) && in.ok() && in.remaining() == 0) return Owned(value);
  return Status(Code::kCorruption, "value: unknown kind or wrong length");
}

Result<std::string> EncodeRecord(Record* record) {
  const std::string fault = Fault(*record);
  if (!fault.empty()) return Bad(fault);
  const std::string fields = EncodeFields(*record);
  record->id = Sha256(fields);
  return record->id + fields;
}

Status ViewRecord(std::string_view payload, RecordView* view) {
  view->id = payload.substr(0, kSha256Bytes);
  const std::string_view fields = payload.substr(view->id.size());
  if (!IsId(view->id)) return Corrupt("shorter than its id");
  if (Sha256(fields) != view->id) return Corrupt("its bytes do not have its id");
  STEMMA_RETURN_IF_ERROR(GetFields(fields, view));
  const std::string fault = Fault(*view);
  return fault.empty() ? Status() : Corrupt(fault);
}

Result<Record> DecodeRecord(std::string_view payload) {
  RecordView view;
  STEMMA_RETURN_IF_ERROR(ViewRecord(payload, &view));
  return Owned(view);
}

}  // namespace stemma::lineage
