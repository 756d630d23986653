// The bytes of version 1, as they were first written: today's code still reads them and still
// writes the same. A change of any of these files is a change of the format, and needs a new
// version.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/layout.h"
#include "lineage/log.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/record_codec.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::IsOk;
using tests::SampleBytes;
using tests::SampleIdentity;
using tests::SampleRecord;
using tests::SampleSpans;

namespace {

std::string Stored(const std::string& name) {
  std::ifstream in("tests/golden/data/lineage/" + name, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

// Compares today's bytes with the stored ones. With STEMMA_WRITE_GOLDEN=<folder> it writes them
// there instead, for a new version.
std::string Compared(const std::string& name, const std::string& today) {
  if (const char* folder = std::getenv("STEMMA_WRITE_GOLDEN")) {
    std::ofstream(std::string(folder) + "/" + name, std::ios::binary) << today;
    return today;
  }
  const std::string stored = Stored(name);
  INFO(name << ": stored " << stored.size() << " bytes, today " << today.size());
  REQUIRE_FALSE(stored.empty());
  CHECK((stored == today));
  return stored;
}

Layout SampleLayout() {
  auto layout = Layout::Of(SampleSpans(3000));
  REQUIRE_THAT(layout.status(), IsOk());
  return *std::move(layout);
}

}  // namespace

TEST_CASE("a stored state record still decodes and encodes to the same bytes") {
  Record record = SampleRecord();
  const auto today = EncodeRecord(&record);
  REQUIRE_THAT(today.status(), IsOk());
  auto back = DecodeRecord(Compared("record.v1.bin", *today));
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->id == record.id);
  CHECK(back->run_name == "laptop");
  CHECK(back->step == 1200);
  CHECK(back->metrics.at("loss") == 1.75);
  CHECK(*EncodeRecord(&*back) == *today);
}

TEST_CASE("a stored segment with every type of frame still reads") {
  const std::string ulid = UlidToBytes(tests::kSampleRun);
  const ObjectId id = Sha256("x");
  Record record = SampleRecord();
  std::string today = EncodeSegmentHeader(SegmentKind::kLog, ulid);
  const auto add = [&](FrameType type, const Result<std::string>& payload) {
    REQUIRE_THAT(payload.status(), IsOk());
    today += EncodeFrame(ulid, type, *payload);
  };
  add(FrameType::kOpen, EncodeOpen({tests::kSampleRun, "laptop", 3, "host", 99, "stemma 1", 5}));
  add(FrameType::kIntent, EncodeIntent({id, {Sha256("a"), Sha256("b")}, "fork", 6}));
  add(FrameType::kState, EncodeRecord(&record));
  add(FrameType::kWithdrawn, EncodeWithdrawn({id, "fenced", 7}));
  add(FrameType::kNote, EncodeNote({id, "rating", 0.5, 10, tests::kSampleRun, "me"}));
  add(FrameType::kClose, EncodeClose({"done", 8}));
  const auto segment = ReadSegment(Compared("segment.v1.bin", today));
  REQUIRE_THAT(segment.status(), IsOk());
  CHECK(segment->torn_bytes == 0);
  REQUIRE(segment->frames.size() == 6);
  CHECK(DecodeOpen(segment->frames[0].payload)->incarnation == 3);
  CHECK(DecodeIntent(segment->frames[1].payload)->objects.size() == 2);
  CHECK(DecodeRecord(segment->frames[2].payload)->id == record.id);
  CHECK(DecodeWithdrawn(segment->frames[3].payload)->why == "fenced");
  CHECK(DecodeNote(segment->frames[4].payload)->value == AttributeValue(0.5));
  CHECK(DecodeClose(segment->frames[5].payload)->why == "done");
}

TEST_CASE("a stored tag still names its state") {
  const auto today = EncodeTagTarget({Sha256("x"), "me", "best so far", 11});
  REQUIRE_THAT(today.status(), IsOk());
  const auto tag = DecodeTagTarget(Compared("tag.v1.bin", *today));
  REQUIRE_THAT(tag.status(), IsOk());
  CHECK(tag->target == Sha256("x"));
}

TEST_CASE("a stored layout still decodes and keeps its id") {
  const Layout layout = SampleLayout();
  const auto back = Layout::Decode(Compared("layout.v1.bin", layout.bytes()));
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->id() == layout.id());
  CHECK(back->spans().size() == layout.spans().size());
}

TEST_CASE("a stored pack still gives back every byte") {
  const Layout layout = SampleLayout();
  MemoryStorage disk;
  const auto id = tests::WriteSamplePack(layout, SampleIdentity(1, 2, {1}), disk, "/today");
  REQUIRE_THAT(id.status(), IsOk());
  const std::string stored = Compared("pack.v1.bin", *disk.ReadAll("/today"));
  REQUIRE_THAT(tests::PutFile(disk, "/stored", stored), IsOk());
  const auto pack = PackReader::Open(disk, "/stored", *id, layout);
  REQUIRE_THAT(pack.status(), IsOk());
  CHECK_FALSE((*pack)->pieces().empty());
  for (const PackPiece& piece : (*pack)->pieces()) {
    const size_t element = SizeOf(layout.spans()[piece.span].span.dtype);
    std::string bytes(piece.count * element, '?');
    CHECK_THAT((*pack)->Read(piece.span, piece.rank, piece.first, piece.count, bytes.data()),
               IsOk());
    CHECK(bytes == SampleBytes(piece.span, piece.rank, piece.first * element, bytes.size()));
  }
}

}  // namespace stemma::lineage
