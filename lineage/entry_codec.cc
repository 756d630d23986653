// The entries of a log beside the state record; see record_codec.h.
#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/fields.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kTagMagic = "STMTAG1\n";
constexpr size_t kObjectsMax = kPacksMax + 16;

bool IsId(std::string_view id) { return id.size() == kSha256Bytes; }

// `fault` as the status of an encoder or of a decoder; OK when it is empty.
Status Judge(Code code, std::string_view what, const std::string& fault) {
  if (fault.empty()) return {};
  return Status(code, std::string(what) + ": " + fault);
}

bool TooLong(std::string_view text) { return text.size() > kTextMax; }

std::string Fault(const OpenEntry& entry) {
  if (!IsUlid(entry.run)) return "run is no ulid";
  if (!IsName(entry.run_name)) return "run_name is no name";
  if (TooLong(entry.host) || TooLong(entry.program)) return "host or program is too long";
  return "";
}
std::string Fault(const IntentEntry& entry) {
  if (!IsId(entry.parent)) return "parent is no state id";
  if (entry.objects.size() > kObjectsMax) return "too many objects";
  for (const ObjectId& id : entry.objects) {
    if (!IsId(id)) return "an object is no id";
  }
  return TooLong(entry.why) ? "why is too long" : "";
}
std::string Fault(const WithdrawnEntry& entry) {
  if (!IsId(entry.state)) return "state is no id";
  return TooLong(entry.why) ? "why is too long" : "";
}
std::string Fault(const CloseEntry& entry) { return TooLong(entry.why) ? "why is too long" : ""; }
std::string Fault(const NoteEntry& entry) {
  if (!IsId(entry.target)) return "target is no state id";
  if (!IsUlid(entry.writer)) return "writer is no ulid";
  if (entry.key.empty() || TooLong(entry.key) || TooLong(entry.who)) {
    return "key is empty, or key or who too long";
  }
  const std::string* const text = std::get_if<std::string>(&entry.value);
  return text != nullptr && TooLong(*text) ? "value is too long" : "";
}
std::string Fault(const TagTarget& entry) {
  if (!entry.target.empty() && !IsId(entry.target)) return "target is no state id";
  return TooLong(entry.who) || TooLong(entry.why) ? "who or why is too long" : "";
}

}  // namespace

Result<std::string> EncodeOpen(const OpenEntry& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "open", Fault(entry)));
  FieldWriter out;
  out.Text(1, entry.run);
  out.Text(2, entry.run_name);
  out.U32(3, entry.incarnation);
  out.Text(4, entry.host);
  out.U64(5, entry.pid);
  out.Text(6, entry.program);
  out.I64(7, entry.wall_ms);
  return out.Take();
}

Result<OpenEntry> DecodeOpen(std::string_view payload) {
  FieldReader in(payload);
  OpenEntry entry;
  entry.run = in.Text(1);
  entry.run_name = in.Text(2);
  entry.incarnation = in.U32(3);
  entry.host = in.Text(4);
  entry.pid = in.U64(5);
  entry.program = in.Text(6);
  entry.wall_ms = in.I64(7);
  STEMMA_RETURN_IF_ERROR(in.Finish("open"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "open", Fault(entry)));
  return entry;
}

Result<std::string> EncodeIntent(const IntentEntry& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "intent", Fault(entry)));
  FieldWriter out;
  out.Bytes(1, entry.parent);
  std::string objects;
  for (const ObjectId& id : entry.objects) objects += id;
  out.Bytes(2, objects);
  out.Text(3, entry.why);
  out.I64(4, entry.wall_ms);
  return out.Take();
}

Result<IntentEntry> DecodeIntent(std::string_view payload) {
  FieldReader in(payload);
  IntentEntry entry;
  entry.parent = in.Text(1);
  const std::string_view objects = in.Bytes(2);
  if (objects.size() % kSha256Bytes != 0) {
    return Status(Code::kCorruption, "intent: the objects are cut short");
  }
  for (size_t at = 0; at < objects.size(); at += kSha256Bytes) {
    entry.objects.emplace_back(objects.substr(at, kSha256Bytes));
  }
  entry.why = in.Text(3);
  entry.wall_ms = in.I64(4);
  STEMMA_RETURN_IF_ERROR(in.Finish("intent"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "intent", Fault(entry)));
  return entry;
}

Result<std::string> EncodeWithdrawn(const WithdrawnEntry& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "withdrawn", Fault(entry)));
  FieldWriter out;
  out.Bytes(1, entry.state);
  out.Text(2, entry.why);
  out.I64(3, entry.wall_ms);
  return out.Take();
}

Result<WithdrawnEntry> DecodeWithdrawn(std::string_view payload) {
  FieldReader in(payload);
  WithdrawnEntry entry;
  entry.state = in.Text(1);
  entry.why = in.Text(2);
  entry.wall_ms = in.I64(3);
  STEMMA_RETURN_IF_ERROR(in.Finish("withdrawn"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "withdrawn", Fault(entry)));
  return entry;
}

Result<std::string> EncodeClose(const CloseEntry& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "close", Fault(entry)));
  FieldWriter out;
  out.Text(1, entry.why);
  out.I64(2, entry.wall_ms);
  return out.Take();
}

Result<CloseEntry> DecodeClose(std::string_view payload) {
  FieldReader in(payload);
  CloseEntry entry;
  entry.why = in.Text(1);
  entry.wall_ms = in.I64(2);
  STEMMA_RETURN_IF_ERROR(in.Finish("close"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "close", Fault(entry)));
  return entry;
}

Result<std::string> EncodeNote(const NoteEntry& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "note", Fault(entry)));
  FieldWriter out;
  out.Bytes(1, entry.target);
  out.Text(2, entry.key);
  out.Bytes(3, EncodeValue(entry.value));
  out.U64(4, entry.clock);
  out.Text(5, entry.writer);
  out.Text(6, entry.who);
  return out.Take();
}

Result<NoteEntry> DecodeNote(std::string_view payload) {
  FieldReader in(payload);
  NoteEntry entry;
  entry.target = in.Text(1);
  entry.key = in.Text(2);
  const std::string_view value = in.Bytes(3);
  entry.clock = in.U64(4);
  entry.writer = in.Text(5);
  entry.who = in.Text(6);
  STEMMA_RETURN_IF_ERROR(in.Finish("note"));
  STEMMA_ASSIGN_OR_RETURN(entry.value, DecodeValue(value));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "note", Fault(entry)));
  return entry;
}

Result<std::string> EncodeTagTarget(const TagTarget& entry) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, "tag", Fault(entry)));
  FieldWriter fields;
  fields.Bytes(1, entry.target);
  fields.Text(2, entry.who);
  fields.Text(3, entry.why);
  fields.I64(4, entry.wall_ms);
  const std::string body = std::string(kTagMagic) + fields.Take();
  return body + Xxh128(body);
}

Result<TagTarget> DecodeTagTarget(std::string_view file) {
  const Status damaged(Code::kCorruption, "tag: its magic or digest is wrong");
  if (file.size() < kTagMagic.size() + kXxh128Bytes) return damaged;
  const std::string_view body = file.substr(0, file.size() - kXxh128Bytes);
  if (body.substr(0, kTagMagic.size()) != kTagMagic) return damaged;
  if (Xxh128(body) != file.substr(body.size())) return damaged;
  FieldReader in(body.substr(kTagMagic.size()));
  TagTarget entry;
  entry.target = in.Text(1);
  entry.who = in.Text(2);
  entry.why = in.Text(3);
  entry.wall_ms = in.I64(4);
  STEMMA_RETURN_IF_ERROR(in.Finish("tag"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, "tag", Fault(entry)));
  return entry;
}

}  // namespace stemma::lineage
