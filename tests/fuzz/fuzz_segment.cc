// Log segments: as bytes, and as whole frames of any type and payload, which no random digest
// stops.

#include <algorithm>

#include "lineage/log.h"
#include "lineage/names.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

using lineage::EncodeFrame;
using lineage::FrameType;

std::string Ulid() { return lineage::UlidToBytes(tests::kSampleRun); }

std::string Header() { return lineage::EncodeSegmentHeader(lineage::SegmentKind::kLog, Ulid()); }

// What was read, written again.
std::string Rewritten(const lineage::Segment& segment) {
  std::string bytes = lineage::EncodeSegmentHeader(segment.kind, segment.ulid);
  for (const lineage::Frame& frame : segment.frames) {
    if (frame.version != lineage::kFrameVersion) return {};
    bytes += EncodeFrame(segment.ulid, frame.type, frame.payload);
  }
  return bytes;
}

void Read(std::string_view bytes) {
  const auto segment = lineage::ReadSegment(bytes);
  if (!segment.ok()) return;
  Require(segment->valid_bytes + segment->torn_bytes == bytes.size(), "each byte is counted once");
  if (segment->valid_bytes == 0) return;
  const std::string again = Rewritten(*segment);
  Require(again.empty() || again == bytes.substr(0, segment->valid_bytes), "frames encode again");
}

// Frames of u8 type, u8 length and payload, and what is left over as a torn tail.
void ReadFrames(std::string_view input) {
  std::string bytes = Header();
  size_t frames = 0;
  while (input.size() >= 2) {
    const auto type = static_cast<FrameType>(static_cast<uint8_t>(input[0]));
    const size_t length = std::min<size_t>(static_cast<uint8_t>(input[1]), input.size() - 2);
    bytes += EncodeFrame(Ulid(), type, input.substr(2, length));
    input.remove_prefix(2 + length);
    ++frames;
  }
  const size_t whole = bytes.size();
  const auto segment = lineage::ReadSegment(bytes.append(input));
  Require(segment.ok() && !segment->damaged, "whole frames are read");
  Require(segment->frames.size() == frames && segment->valid_bytes == whole, "all of them");
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string frames = EncodeFrame(Ulid(), FrameType::kOpen, "first") +
                             EncodeFrame(Ulid(), FrameType::kState, "") +
                             EncodeFrame(Ulid(), FrameType::kClose, std::string(100, 'x'));
  return {std::string("\0", 1) + Header() + frames,
          std::string("\0", 1) + Header() + frames.substr(0, 50),
          std::string("\1\3\5hello\6\2no\377\0\1", 14)};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  if (stemma::fuzz::TakeChoice(&input, 2) == 0) {
    stemma::fuzz::Read(input);
  } else {
    stemma::fuzz::ReadFrames(input);
  }
  return 0;
}
