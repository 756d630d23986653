// A log is a series of append-only segment files with one writer. A frame that is whole and durable
// counts; the first invalid frame ends its segment, which in a living segment is simply the end.
//
//   STEMMA_ASSIGN_OR_RETURN(auto log, LogWriter::Create(storage, SegmentKind::kLog, path_of));
//   STEMMA_RETURN_IF_ERROR(log->Append(FrameType::kState, payload));      // durable
//
//   STEMMA_ASSIGN_OR_RETURN(Segment segment, ReadSegment(bytes));
//   for (const Frame& frame : segment.frames) ...
//
// After a failed append a segment is never touched again, since frames after a torn one would be
// invisible: the frame goes, as the same bytes, to a segment of the next number. So a frame may be
// there twice; readers drop the second by its id.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::lineage {

// These numbers reach disk.
enum class SegmentKind : uint16_t { kLog = 1, kNotes = 2 };
enum class FrameType : uint16_t {
  kOpen = 1,
  kIntent = 2,
  kState = 3,
  kWithdrawn = 4,
  kClose = 5,
  kNote = 6,
};

constexpr uint64_t kPayloadMax = uint64_t{16} << 20;
constexpr uint64_t kSegmentRollBytes = uint64_t{64} << 20;  // a new segment is begun beyond this
constexpr uint64_t kSegmentReadMax = kSegmentRollBytes + 2 * kPayloadMax;  // longer is no segment
constexpr uint64_t kSegmentHeaderBytes = 44;
constexpr uint64_t kFrameOverhead = 24;
constexpr uint16_t kFrameVersion = 1;

// A payload is a std::string, or a view into the bytes that were read.
template <typename Payload>
struct FrameOf {
  FrameType type = FrameType::kState;  // may be a number that this build does not know: skip it
  uint16_t version = kFrameVersion;
  Payload payload;
  uint64_t offset = 0;  // of the frame in its file, for messages
};

template <typename Payload>
struct SegmentOf {
  SegmentKind kind = SegmentKind::kLog;
  std::string ulid;  // 16 raw bytes; part of every frame's digest
  std::vector<FrameOf<Payload>> frames;
  uint64_t valid_bytes = 0;  // header and whole frames
  uint64_t torn_bytes = 0;   // what follows them: a torn tail, or an append in progress
  std::string torn_why;
  bool damaged = false;  // what follows was whole once: not what a crash leaves
};

using Frame = FrameOf<std::string>;
using Segment = SegmentOf<std::string>;
using FrameView = FrameOf<std::string_view>;
using SegmentView = SegmentOf<std::string_view>;

// The bytes of a segment, for those who write one themselves (tests, repair). `ulid`: 16 raw bytes.
std::string EncodeSegmentHeader(SegmentKind kind, std::string_view ulid);
std::string EncodeFrame(std::string_view ulid, FrameType type, std::string_view payload);

// The whole frame of segment `ulid` that begins at `at` of the segment's bytes; "" where none does.
std::string_view FrameAt(std::string_view ulid, std::string_view bytes, uint64_t at);
// Where the first whole frame of a known type begins, at `from` or behind it.
std::optional<uint64_t> NextFrame(std::string_view ulid, std::string_view bytes, uint64_t from);

// Never fails for what a crash may leave: a torn header gives a segment without frames.
// kIncompatible: a whole header, or a whole frame of a known type, of a newer version.
Result<Segment> ReadSegment(std::string_view bytes);
// The same without copies: `bytes` outlive the result.
Result<SegmentView> ViewSegment(std::string_view bytes);
// The same from a file; kCorruption when it is longer than any segment can be.
Result<Segment> ReadSegmentFile(Storage& storage, const std::string& path);

// One thread at a time. `storage` outlives it.
class LogWriter {
 public:
  using PathOf = std::function<std::string(uint32_t segment)>;  // all in one folder

  // Makes the first segment durable: file, then folder. The folder itself is the caller's to make
  // and to sync. Numbers that are taken are passed over.
  static Result<std::unique_ptr<LogWriter>> Create(Storage& storage, SegmentKind kind,
                                                   PathOf path_of);
  virtual ~LogWriter() = default;
  // Durable on success. A failure was tried once more in a new segment and is returned when that
  // failed too; then the frame is in doubt (it may be there after a crash), and the same payload
  // may be appended again.
  virtual Status Append(FrameType type, std::string_view payload) = 0;
  virtual Status Close() = 0;
  virtual uint32_t segment() const = 0;  // the number in use
};

}  // namespace stemma::lineage
