#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/faulty_storage.h"
#include "lineage/log.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;

namespace {

std::string PathOf(uint32_t segment) { return "/log/" + std::to_string(segment) + ".seg"; }

// A disk with a durable folder /log.
void MakeFolder(Storage& disk) {
  REQUIRE_THAT(disk.MakeDir("/log"), IsOk());
  REQUIRE_THAT(disk.SyncDir("/"), IsOk());
}

// The payloads of all segments in order, duplicates and all.
std::vector<std::string> Payloads(Storage& disk) {
  std::vector<std::string> payloads;
  const auto names = disk.List("/log");
  REQUIRE_THAT(names.status(), IsOk());
  for (const std::string& name : *names) {
    const auto segment = ReadSegmentFile(disk, "/log/" + name);
    REQUIRE_THAT(segment.status(), IsOk());
    for (const Frame& frame : segment->frames) payloads.push_back(frame.payload);
  }
  return payloads;
}

std::string SampleSegment() {
  const std::string ulid = UlidToBytes(tests::kSampleRun);
  return EncodeSegmentHeader(SegmentKind::kLog, ulid) +
         EncodeFrame(ulid, FrameType::kOpen, "first") + EncodeFrame(ulid, FrameType::kState, "") +
         EncodeFrame(ulid, FrameType::kClose, std::string(100, 'x'));
}

}  // namespace

TEST_CASE("frames come back in order with their types, and survive a crash") {
  MemoryStorage disk;
  MakeFolder(disk);
  auto log = LogWriter::Create(disk, SegmentKind::kNotes, PathOf);
  REQUIRE_THAT(log.status(), IsOk());
  CHECK_THAT((*log)->Append(FrameType::kNote, "one"), IsOk());
  CHECK_THAT((*log)->Append(FrameType::kState, std::string(100'000, 'y')), IsOk());
  disk.Crash();
  const auto segment = ReadSegmentFile(disk, PathOf(1));
  REQUIRE_THAT(segment.status(), IsOk());
  CHECK(segment->kind == SegmentKind::kNotes);
  REQUIRE(segment->frames.size() == 2);
  CHECK(segment->frames[0].type == FrameType::kNote);
  CHECK(segment->frames[0].payload == "one");
  CHECK(segment->frames[1].payload.size() == 100'000);
  CHECK(segment->torn_bytes == 0);
}

TEST_CASE("a segment cut at any byte gives exactly its whole frames and says what is torn") {
  const std::string good = SampleSegment();
  const size_t ends[] = {kSegmentHeaderBytes, kSegmentHeaderBytes + kFrameOverhead + 5,
                         kSegmentHeaderBytes + 2 * kFrameOverhead + 5,
                         kSegmentHeaderBytes + 3 * kFrameOverhead + 105};
  REQUIRE(good.size() == ends[3]);
  for (size_t size = 0; size <= good.size(); ++size) {
    INFO("size " << size);
    const auto segment = ReadSegment(good.substr(0, size));
    REQUIRE_THAT(segment.status(), IsOk());
    size_t frames = 0, valid = 0;
    for (int i = 0; i < 4; ++i) {
      if (size < ends[i]) break;
      frames = static_cast<size_t>(i);
      valid = ends[i];
    }
    CHECK(segment->frames.size() == frames);
    CHECK(segment->valid_bytes == valid);
    CHECK(segment->torn_bytes == size - valid);
    CHECK(segment->torn_why.empty() == (size == valid && size > 0));
    CHECK_FALSE(segment->damaged);
    if (size < kSegmentHeaderBytes) continue;
    CHECK_FALSE(ReadSegment(good.substr(0, size) + std::string(5000, '\0'))->damaged);
  }
}

TEST_CASE("a segment flipped at any byte loses frames from there on but never changes one") {
  const std::string good = SampleSegment();
  const auto expected = ReadSegment(good);
  REQUIRE_THAT(expected.status(), IsOk());
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      const auto segment = ReadSegment(bad);
      REQUIRE_THAT(segment.status(), IsOk());
      REQUIRE(segment->frames.size() < 3);
      REQUIRE(segment->torn_bytes > 0);
      for (size_t i = 0; i < segment->frames.size(); ++i) {
        REQUIRE(segment->frames[i].offset + kFrameOverhead + segment->frames[i].payload.size() <=
                at);
        REQUIRE(segment->frames[i].payload == expected->frames[i].payload);
      }
    }
  }
}

TEST_CASE("a bit that flips before a whole frame is told from a torn tail") {
  const std::string good = SampleSegment();
  const size_t last = kSegmentHeaderBytes + 2 * kFrameOverhead + 5;
  for (size_t at = 0; at < good.size(); ++at) {
    INFO("byte " << at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK(ReadSegment(bad)->damaged == (at < last));
  }
}

TEST_CASE("a stale frame of another segment is not read as one of this") {
  const std::string mine = UlidToBytes(NewUlid()), other = UlidToBytes(NewUlid());
  const auto segment = ReadSegment(EncodeSegmentHeader(SegmentKind::kLog, mine) +
                                   EncodeFrame(other, FrameType::kState, "stale"));
  REQUIRE_THAT(segment.status(), IsOk());
  CHECK(segment->frames.empty());
  CHECK(segment->torn_bytes > 0);
}

TEST_CASE("a frame of impossible length is refused before any memory is taken") {
  const std::string ulid = UlidToBytes(NewUlid());
  std::string bytes = EncodeSegmentHeader(SegmentKind::kLog, ulid);
  bytes += std::string("\xff\xff\xff\xff", 4) + std::string(100, '\0');
  const auto segment = ReadSegment(bytes);
  REQUIRE_THAT(segment.status(), IsOk());
  CHECK(segment->torn_why.find("impossible length") != std::string::npos);
  MemoryStorage disk;
  MakeFolder(disk);
  auto log = LogWriter::Create(disk, SegmentKind::kLog, PathOf);
  REQUIRE_THAT(log.status(), IsOk());
  CHECK_THAT((*log)->Append(FrameType::kState, std::string(kPayloadMax + 1, 'x')),
             HasCode(Code::kInvalidArgument, "16 MiB"));
}

TEST_CASE("frames of an unknown type are kept for the caller to skip, newer versions refused") {
  const std::string ulid = UlidToBytes(tests::kSampleRun);
  const std::string header = EncodeSegmentHeader(SegmentKind::kLog, ulid);
  const auto unknown =
      ReadSegment(header + EncodeFrame(ulid, static_cast<FrameType>(999), "news") +
                  EncodeFrame(ulid, FrameType::kClose, "end"));
  REQUIRE_THAT(unknown.status(), IsOk());
  CHECK(unknown->frames.size() == 2);
  std::string frame = EncodeFrame(ulid, FrameType::kState, "later");
  frame[6] = 2;   // its version
  const std::string body = frame.substr(0, frame.size() - 16);
  CHECK_THAT(ReadSegment(header + body + Xxh128(ulid + body)).status(),
             HasCode(Code::kIncompatible, "version 2"));
}

TEST_CASE("after a failed append the entry goes to the next segment, the torn one is left alone") {
  for (const Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite}) {
    for (const uint64_t change : {1u, 2u}) {   // the append, then its sync
      MemoryStorage disk;
      MakeFolder(disk);
      FaultyStorage faulty(disk);
      auto log = LogWriter::Create(faulty, SegmentKind::kLog, PathOf);
      REQUIRE_THAT(log.status(), IsOk());
      REQUIRE_THAT((*log)->Append(FrameType::kOpen, "a"), IsOk());
      faulty.FailAt(change, fault);
      CHECK_THAT((*log)->Append(FrameType::kState, "b"), IsOk());
      CHECK(faulty.fired());
      CHECK((*log)->segment() == 2);
      const auto torn_size = disk.SizeOf(PathOf(1));
      CHECK_THAT((*log)->Append(FrameType::kState, "c"), IsOk());
      CHECK(*disk.SizeOf(PathOf(1)) == *torn_size);
      disk.Crash();
      CHECK(Payloads(disk) == std::vector<std::string>{"a", "b", "c"});
    }
  }
}

TEST_CASE("a dead disk is reported, and the same entry can be appended when it is back") {
  MemoryStorage disk;
  MakeFolder(disk);
  auto log = LogWriter::Create(disk, SegmentKind::kLog, PathOf);
  REQUIRE_THAT(log.status(), IsOk());
  disk.LimitBytes(kSegmentHeaderBytes + 10);
  const Status full = (*log)->Append(FrameType::kState, "b");
  CHECK_THAT(full, HasCode(Code::kIo, "No space left"));
  CHECK(IsNoSpace(full));
  disk.LimitBytes(1 << 20);
  CHECK_THAT((*log)->Append(FrameType::kState, "b"), IsOk());
  disk.Crash();
  CHECK(Payloads(disk) == std::vector<std::string>{"b"});
}

TEST_CASE("an acknowledged entry survives a death at any change, an unacknowledged one may") {
  const std::vector<std::string> entries = {"a", "bb", "ccc"};
  for (const Fault fault : {Fault::kDieBefore, Fault::kDieHalf, Fault::kDieAfter}) {
    for (uint64_t change = 1, done = 0; done == 0; ++change) {
      MemoryStorage disk;
      MakeFolder(disk);
      FaultyStorage faulty(disk);
      faulty.FailAt(change, fault);
      size_t acknowledged = 0;
      auto log = LogWriter::Create(faulty, SegmentKind::kLog, PathOf);
      for (const std::string& entry : entries) {
        if (!log.ok() || !(*log)->Append(FrameType::kState, entry).ok()) break;
        ++acknowledged;
      }
      done = faulty.fired() ? 0 : 1;
      disk.Crash(change);   // any mixture of unsynced bytes and names
      const std::vector<std::string> found = Payloads(disk);
      REQUIRE(found.size() >= acknowledged);
      REQUIRE(found.size() <= entries.size());
      for (size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == entries[i]);
    }
  }
}

TEST_CASE("a segment number that is taken is passed over") {
  MemoryStorage disk;
  MakeFolder(disk);
  REQUIRE_THAT(tests::PutFile(disk, PathOf(1), "left over"), IsOk());
  auto log = LogWriter::Create(disk, SegmentKind::kLog, PathOf);
  REQUIRE_THAT(log.status(), IsOk());
  CHECK((*log)->segment() == 2);
  CHECK(*disk.ReadAll(PathOf(1)) == "left over");
}

TEST_CASE("a segment rolls over beyond 64 MiB") {
  MemoryStorage disk;
  MakeFolder(disk);
  auto log = LogWriter::Create(disk, SegmentKind::kLog, PathOf);
  REQUIRE_THAT(log.status(), IsOk());
  const std::string large(kPayloadMax, 'z');
  for (int i = 0; i < 5; ++i) REQUIRE_THAT((*log)->Append(FrameType::kState, large), IsOk());
  CHECK((*log)->segment() == 2);
  CHECK(*disk.SizeOf(PathOf(1)) <= kSegmentReadMax);
  CHECK(Payloads(disk).size() == 5);
}

}  // namespace stemma::lineage
