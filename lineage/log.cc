#include "lineage/log.h"

#include <utility>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"
#include "lineage/names.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kMagic = "STMLOG1\n";
constexpr uint16_t kSegmentVersion = 1;
constexpr int kNumbersTried = 1000;  // of segments that exist already
constexpr size_t kFrameHead = 8;

std::string DigestOf(std::string_view ulid, std::string_view head, std::string_view payload) {
  Xxh128Stream digest;
  digest.Update(ulid);
  digest.Update(head);
  digest.Update(payload);
  return digest.Finish();
}

// The header's fault, or "" when it is whole; `kind` and `version` are set either way.
template <typename Payload>
std::string ReadHeader(std::string_view bytes, SegmentOf<Payload>* segment, uint16_t* version) {
  if (bytes.size() < kSegmentHeaderBytes) return "the segment header is cut short";
  Decoder in(bytes);
  if (in.Raw(kMagic.size()) != kMagic) return "the file does not begin with STMLOG1";
  segment->ulid = std::string(in.Raw(kUlidBytes));
  segment->kind = static_cast<SegmentKind>(in.U16());
  *version = in.U16();
  const size_t covered = kSegmentHeaderBytes - kXxh128Bytes;
  if (in.Raw(kXxh128Bytes) != Xxh128(bytes.substr(0, covered))) {
    return "the segment header's digest is wrong";
  }
  return "";
}

// The fault of the frame at the begin of `rest`, or "" when it is whole.
template <typename Payload>
std::string ReadFrame(std::string_view ulid, std::string_view rest, FrameOf<Payload>* frame) {
  Decoder in(rest);
  const uint32_t length = in.U32();
  frame->type = static_cast<FrameType>(in.U16());
  frame->version = in.U16();
  if (!in.ok()) return "a frame's head is cut short";
  if (length > kPayloadMax) return "a frame has an impossible length";
  const std::string_view payload = in.Raw(length);
  const std::string_view digest = in.Raw(kXxh128Bytes);
  if (!in.ok()) return "a frame is cut short";
  if (digest != DigestOf(ulid, rest.substr(0, kFrameHead), payload)) {
    return "a frame's digest is wrong";
  }
  frame->payload = Payload(payload);
  return "";
}

bool IsKnown(FrameType type) { return type >= FrameType::kOpen && type <= FrameType::kNote; }

Status Newer(const std::string& what, uint16_t version) {
  return Status(Code::kIncompatible, what + " of version " + std::to_string(version) +
                                         "; this build reads version 1: use a newer one");
}

template <typename Payload>
Result<SegmentOf<Payload>> Read(std::string_view bytes) {
  SegmentOf<Payload> segment;
  uint16_t version = 0;
  segment.torn_why = ReadHeader(bytes, &segment, &version);
  if (!segment.torn_why.empty()) {
    segment.torn_bytes = bytes.size();
    segment.damaged = bytes.size() > kSegmentHeaderBytes;  // it was durable before any frame
    return segment;
  }
  if (version != kSegmentVersion) {
    return Newer("log segment", version);
  }
  segment.valid_bytes = kSegmentHeaderBytes;
  while (segment.valid_bytes < bytes.size()) {
    FrameOf<Payload> frame;
    frame.offset = segment.valid_bytes;
    segment.torn_why = ReadFrame(segment.ulid, bytes.substr(segment.valid_bytes), &frame);
    if (!segment.torn_why.empty()) break;
    if (IsKnown(frame.type) && frame.version != kFrameVersion) {
      return Newer("log frame at byte " + std::to_string(frame.offset), frame.version);
    }
    segment.valid_bytes += kFrameOverhead + frame.payload.size();
    segment.frames.push_back(std::move(frame));
  }
  segment.torn_bytes = bytes.size() - segment.valid_bytes;
  // A writer never goes on behind a torn frame.
  segment.damaged = NextFrame(segment.ulid, bytes, segment.valid_bytes + 1).has_value();
  return segment;
}

class Writer final : public LogWriter {
 public:
  Writer(Storage& storage, SegmentKind kind, PathOf path_of)
      : storage_(storage), kind_(kind), path_of_(std::move(path_of)) {}

  // Opens the next free number; file first, then its folder, before any frame counts.
  Status Open() {
    file_.reset();
    for (int tried = 0; tried < kNumbersTried; ++tried) {
      ++segment_;
      const std::string path = path_of_(segment_);
      auto file = storage_.Create(path, {});
      if (!file.ok() && file.status().code() == Code::kInvalidArgument) continue;
      if (!file.ok()) return file.status();
      const std::string ulid = UlidToBytes(NewUlid());
      const std::string header = EncodeSegmentHeader(kind_, ulid);
      STEMMA_RETURN_IF_ERROR((*file)->Append(header));
      STEMMA_RETURN_IF_ERROR((*file)->Sync());
      STEMMA_RETURN_IF_ERROR(storage_.SyncDir(ParentOf(path)));
      file_ = *std::move(file);
      ulid_ = ulid;
      bytes_ = header.size();
      return {};
    }
    return Status(Code::kIo, "create " + path_of_(segment_) + ": too many segments exist");
  }

  Status Append(FrameType type, std::string_view payload) override {
    if (payload.size() > kPayloadMax) {
      return Status(Code::kInvalidArgument, "a frame holds at most 16 MiB, this entry has " +
                                                std::to_string(payload.size()) + " bytes");
    }
    if (closed_) return Status(Code::kInvalidArgument, "the log is closed");
    if (file_ != nullptr && bytes_ >= kSegmentRollBytes) file_.reset();
    if (file_ != nullptr && AppendHere(type, payload).ok()) return {};
    STEMMA_RETURN_IF_ERROR(Open());
    return AppendHere(type, payload);
  }

  Status Close() override {
    closed_ = true;
    if (file_ == nullptr) return {};
    return std::exchange(file_, nullptr)->Close();
  }

  uint32_t segment() const override { return segment_; }

 private:
  // One append and one sync. A failure leaves no open segment, so this one is never touched again.
  Status AppendHere(FrameType type, std::string_view payload) {
    const std::string frame = EncodeFrame(ulid_, type, payload);
    Status done = file_->Append(frame);
    if (done.ok()) done = file_->Sync();
    if (!done.ok()) file_.reset();
    bytes_ += frame.size();
    return done;
  }

  Storage& storage_;
  const SegmentKind kind_;
  const PathOf path_of_;
  std::unique_ptr<WritableFile> file_;  // null: the next append opens the next number
  std::string ulid_;
  uint32_t segment_ = 0;
  uint64_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace

std::string EncodeSegmentHeader(SegmentKind kind, std::string_view ulid) {
  STEMMA_CHECK(ulid.size() == kUlidBytes, "an ulid has 16 raw bytes");
  Encoder out;
  out.Raw(kMagic);
  out.Raw(ulid);
  out.U16(static_cast<uint16_t>(kind));
  out.U16(kSegmentVersion);
  return out.bytes() + Xxh128(out.bytes());
}

std::string EncodeFrame(std::string_view ulid, FrameType type, std::string_view payload) {
  STEMMA_CHECK(payload.size() <= kPayloadMax, "a frame holds at most 16 MiB");
  Encoder out;
  out.U32(static_cast<uint32_t>(payload.size()));
  out.U16(static_cast<uint16_t>(type));
  out.U16(kFrameVersion);
  const std::string digest = DigestOf(ulid, out.bytes(), payload);
  out.Raw(payload);
  out.Raw(digest);
  return out.Take();
}

std::string_view FrameAt(std::string_view ulid, std::string_view bytes, uint64_t at) {
  if (at >= bytes.size()) return {};
  FrameView frame;
  if (!ReadFrame(ulid, bytes.substr(at), &frame).empty()) return {};
  return bytes.substr(at, kFrameOverhead + frame.payload.size());
}

// Only heads with a known type are hashed, or 16 MiB of noise would cost 2^23 digests.
std::optional<uint64_t> NextFrame(std::string_view ulid, std::string_view bytes, uint64_t from) {
  for (uint64_t at = from; at + kFrameOverhead <= bytes.size(); ++at) {
    const auto type = Decoder(bytes.substr(at + 4, 2)).U16();
    if (!IsKnown(static_cast<FrameType>(type))) continue;
    if (!FrameAt(ulid, bytes, at).empty()) return at;
  }
  return std::nullopt;
}

Result<Segment> ReadSegment(std::string_view bytes) { return Read<std::string>(bytes); }

Result<SegmentView> ViewSegment(std::string_view bytes) { return Read<std::string_view>(bytes); }

Result<Segment> ReadSegmentFile(Storage& storage, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, storage.ReadBounded(path, kSegmentReadMax));
  auto segment = ReadSegment(bytes);
  if (!segment.ok()) return Status(segment.status()).Within(path);
  return segment;
}

Result<std::unique_ptr<LogWriter>> LogWriter::Create(Storage& storage, SegmentKind kind,
                                                     PathOf path_of) {
  auto writer = std::make_unique<Writer>(storage, kind, std::move(path_of));
  STEMMA_RETURN_IF_ERROR(writer->Open());
  return std::unique_ptr<LogWriter>(std::move(writer));
}

}  // namespace stemma::lineage
