// What frames hold, to bytes and back. Encoders check what they write; decoders check again by code
// of their own, skip fields that they do not know, and never crash on any input.
//
//   STEMMA_ASSIGN_OR_RETURN(std::string payload, EncodeRecord(&record));   // sets record.id
//   STEMMA_RETURN_IF_ERROR(log->Append(FrameType::kState, payload));
//   STEMMA_ASSIGN_OR_RETURN(Record back, DecodeRecord(payload));           // the same, id included
//
// Pure functions; any thread. Failure: kInvalidArgument naming the field (encode); kCorruption or
// kIncompatible (decode). FORMAT.md has the tags.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"

namespace stemma::lineage {

constexpr size_t kPacksMax = 1 << 16;  // of a record, inline
constexpr size_t kParentsMax = 64;
constexpr uint32_t kRanksMax = 1 << 20;  // that hold a state or go on from it
constexpr size_t kAttributesMax = 4096;  // metrics and attributes, each
constexpr size_t kTextMax = 1 << 16;     // of any text in a frame

// Payload of a `state` frame: the id (32 bytes), then the fields that it is the SHA-256 of.
Result<std::string> EncodeRecord(Record* record);
Result<Record> DecodeRecord(std::string_view payload);

// A record whose ids and texts are views into its payload, under the same names: what an index is
// made from, where 10^5 records with maps would take seconds. Keys ascend.
struct EdgeView {
  std::string_view parent;
  EdgeKind kind = EdgeKind::kTrain;
};
struct PackView {
  uint32_t writer = 0, writers = 1;
  std::string_view pack;
  uint64_t bytes = 0;
};
struct SettingsView {
  std::string_view blob, changes;
};
using ValueView = std::variant<bool, int64_t, double, std::string_view>;
struct RecordView {
  std::string_view id;
  std::vector<EdgeView> parents;
  std::string_view run, run_name;
  uint32_t incarnation = 0;
  uint64_t capture = 0;
  std::string_view layout;
  std::vector<PackView> packs;
  uint64_t logical_bytes = 0;
  int64_t step = 0;
  uint64_t samples = 0;
  double epoch = 0;
  CursorRecord cursor;
  SettingsView settings;
  std::string_view environment, plan_digest;
  uint32_t world = 1, ranks_held = 0, frozen_packs = 0;
  Reason reason = Reason::kPeriodic;
  std::vector<std::pair<std::string_view, double>> metrics;
  std::vector<std::pair<std::string_view, ValueView>> attributes;
  Timings timings;
  std::string_view audit;
  int64_t wall_ms = 0;
};
// DecodeRecord without copies: sets all of `view`, whose lists keep their memory from one record to
// the next. The payload outlives it.
Status ViewRecord(std::string_view payload, RecordView* view);

// One typed value: a kind (1 bool, 2 int, 3 float, 4 text), then its bytes.
std::string EncodeValue(const AttributeValue& value);
Result<AttributeValue> DecodeValue(std::string_view bytes);

// `open`, the first frame of an incarnation: who writes this log.
struct OpenEntry {
  std::string run, run_name;
  uint32_t incarnation = 0;
  std::string host;
  uint64_t pid = 0;
  std::string program;  // version and build, for people
  int64_t wall_ms = 0;
};
Result<std::string> EncodeOpen(const OpenEntry& entry);
Result<OpenEntry> DecodeOpen(std::string_view payload);

// `intent`, written before a record that shares bytes it did not write (a fork): a collector that
// reads it keeps them.
struct IntentEntry {
  StateId parent;
  std::vector<ObjectId> objects;
  std::string why;
  int64_t wall_ms = 0;
};
Result<std::string> EncodeIntent(const IntentEntry& entry);
Result<IntentEntry> DecodeIntent(std::string_view payload);

// `withdrawn`: the state was appended and turned out not to count.
struct WithdrawnEntry {
  StateId state;
  std::string why;
  int64_t wall_ms = 0;
};
Result<std::string> EncodeWithdrawn(const WithdrawnEntry& entry);
Result<WithdrawnEntry> DecodeWithdrawn(std::string_view payload);

// `close`: the incarnation ended in order; nothing follows.
struct CloseEntry {
  std::string why;
  int64_t wall_ms = 0;
};
Result<std::string> EncodeClose(const CloseEntry& entry);
Result<CloseEntry> DecodeClose(std::string_view payload);

// `note`: an attribute of a state, added later. Merged by (clock, writer); the last one wins.
struct NoteEntry {
  StateId target;
  std::string key;
  AttributeValue value;
  uint64_t clock = 0;  // hybrid logical: max(wall_ms, largest seen + 1)
  std::string writer;  // ulid
  std::string who;
};
Result<std::string> EncodeNote(const NoteEntry& entry);
Result<NoteEntry> DecodeNote(std::string_view payload);

// The whole file tags/<name>/v000001/target, with magic and digest: it has no frame around it.
struct TagTarget {
  StateId target;  // empty: with this version the tag was taken away
  std::string who, why;
  int64_t wall_ms = 0;
};
Result<std::string> EncodeTagTarget(const TagTarget& entry);
Result<TagTarget> DecodeTagTarget(std::string_view file);

}  // namespace stemma::lineage
