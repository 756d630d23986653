#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/faulty_storage.h"
#include "lineage/memory_storage.h"
#include "lineage/pack.h"
#include "lineage/safetensors.h"
#include "lineage/verify.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;
using tests::MakeSpan;
using tests::SampleBytes;
using tests::SampleIdentity;
using tests::SampleSpans;
using tests::WriteSamplePack;

namespace {

Layout MakeLayout(int64_t elements) {
  auto layout = Layout::Of(SampleSpans(elements));
  REQUIRE_THAT(layout.status(), IsOk());
  return *std::move(layout);
}

std::vector<uint32_t> RanksOf(uint32_t writer, uint32_t writers, uint32_t world) {
  std::vector<uint32_t> ranks;
  for (uint32_t rank = 0; rank < world; ++rank) {
    if (rank % writers == writer) ranks.push_back(rank);
  }
  return ranks;
}

Result<std::unique_ptr<PackReader>> Reopen(MemoryStorage& disk, const ObjectId& id,
                                           const Layout& layout, const std::string& bytes) {
  STEMMA_RETURN_IF_ERROR(tests::PutFile(disk, "/bad", bytes));
  return PackReader::Open(disk, "/bad", id, layout);
}

}  // namespace

TEST_CASE("what 1, 2, 3 or 5 writers wrote comes back as the same bytes") {
  const Layout layout = MakeLayout(700'001);   // several chunks a plane
  const uint32_t world = 4;
  for (const uint32_t writers : {1u, 2u, 3u, 5u}) {
    MemoryStorage disk;
    std::map<std::pair<uint32_t, uint32_t>, std::string> found;   // (span, rank)
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> covered;
    uint64_t stored = 0;
    for (uint32_t writer = 0; writer < writers; ++writer) {
      const std::string path = "/" + std::to_string(writer);
      const auto identity = SampleIdentity(writer, writers, RanksOf(writer, writers, world));
      const auto id = WriteSamplePack(layout, identity, disk, path);
      REQUIRE_THAT(id.status(), IsOk());
      const auto pack = PackReader::Open(disk, path, *id, layout);
      REQUIRE_THAT(pack.status(), IsOk());
      CHECK((*pack)->identity().writer == writer);
      CHECK((*pack)->identity().writers == writers);
      CHECK((*pack)->identity().ranks == identity.ranks);
      const auto bad = VerifyPack(disk, path, **pack);
      REQUIRE_THAT(bad.status(), IsOk());
      CHECK(bad->empty());
      stored += *disk.SizeOf(path);
      CHECK(*disk.SizeOf(path) % 4096 == 0);
      for (const PackPiece& piece : (*pack)->pieces()) {
        const Span& span = layout.spans()[piece.span].span;
        const size_t element = SizeOf(span.dtype);
        std::string& bytes = found[{piece.span, piece.rank}];
        bytes.resize(static_cast<size_t>(span.bytes()));
        REQUIRE_THAT((*pack)->Read(piece.span, piece.rank, piece.first, piece.count,
                                   bytes.data() + piece.first * element),
                     IsOk());
        covered[{piece.span, piece.rank}] += piece.count * element;
      }
    }
    for (uint32_t i = 0; i < layout.spans().size(); ++i) {
      const Span& span = layout.spans()[i].span;
      const auto bytes = static_cast<uint64_t>(span.bytes());
      for (uint32_t rank = 0; rank < (span.role == Role::kPerRank ? world : 1); ++rank) {
        INFO(span.name << " rank " << rank << " writers " << writers);
        REQUIRE(covered.count({i, rank}) == 1);
        CHECK(covered[{i, rank}] == bytes);
        CHECK((found[{i, rank}] == SampleBytes(i, rank, 0, bytes)));
      }
    }
    CHECK(stored < layout.LogicalBytes(world) + writers * 65536);
  }
}

TEST_CASE("any range of a span reads the same as the range of the whole") {
  const Layout layout = MakeLayout(700'001);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/p");
  REQUIRE_THAT(id.status(), IsOk());
  auto pack = PackReader::Open(disk, "/p", *id, layout);
  REQUIRE_THAT(pack.status(), IsOk());
  const uint32_t span = *layout.Find("fc.weight");
  const std::pair<uint64_t, uint64_t> ranges[] = {
      {0, 1}, {524287, 2}, {700'000, 1}, {1, 699'999}, {300'000, 262'144}, {5, 0}};
  for (const auto& [first, count] : ranges) {
    std::string out(4 * count, '?');
    REQUIRE_THAT((*pack)->Read(span, 0, first, count, out.data()), IsOk());
    CHECK(out == SampleBytes(span, 0, 4 * first, 4 * count));
  }
  const auto another = (*pack)->Another();
  std::string out(4 * 700'001, '?');
  pack->reset();  // the other one lives on
  REQUIRE_THAT(another->Read(span, 0, 0, 700'001, out.data()), IsOk());
  CHECK(out == SampleBytes(span, 0, 0, out.size()));
}

TEST_CASE("what a pack does not hold is not found in it") {
  const Layout layout = MakeLayout(700'001);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/p");
  REQUIRE_THAT(id.status(), IsOk());
  const auto pack = PackReader::Open(disk, "/p", *id, layout);
  REQUIRE_THAT(pack.status(), IsOk());
  const uint32_t span = *layout.Find("fc.weight");
  char byte[64];
  CHECK_THAT((*pack)->Read(span, 0, 700'000, 2, byte), HasCode(Code::kNotFound, "fc.weight"));
  CHECK_THAT((*pack)->Read(span, 1, 0, 1, byte), HasCode(Code::kNotFound));
  CHECK_THAT((*pack)->Read(span, 0, ~uint64_t{0}, 2, byte), HasCode(Code::kNotFound));
  CHECK_THAT((*pack)->Read(9999, 0, 0, 1, byte), HasCode(Code::kNotFound));
}

TEST_CASE("a pack is a safetensors file whose bf16 tensors carry the model's names") {
  const Layout layout = MakeLayout(1000);
  MemoryStorage disk;
  REQUIRE_THAT(WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/p").status(), IsOk());
  const std::string file = *disk.ReadAll("/p");
  const uint64_t json = Decoder(file).U64();
  CHECK((8 + json) % 4096 == 0);
  const auto header =
      ParseSafetensors(std::string_view(file).substr(8, json), file.size() - 8 - json);
  REQUIRE_THAT(header.status(), IsOk());
  CHECK(header->metadata.at("stemma.writer") == "0/1");
  CHECK(header->metadata.at("stemma.layout") == Hex(layout.id()));
  const auto find = [&](const std::string& name) {
    return std::find_if(header->entries.begin(), header->entries.end(),
                        [&](const auto& entry) { return entry.name == name; });
  };
  const auto weight = find("conv.weight"), low = find("__stemma.lo/conv.weight");
  REQUIRE(weight != header->entries.end());
  REQUIRE(low != header->entries.end());
  CHECK(weight->dtype == DType::kBF16);
  CHECK(weight->shape == std::vector<uint64_t>{3, 5});
  CHECK(weight->begin == 0);
  CHECK(low->dtype == DType::kI16);
  CHECK(find("b/f64")->dtype == DType::kF64);
  CHECK(find("b/f64")->begin % 8 == 0);
  CHECK(find("none") != header->entries.end());
  CHECK(find("__stemma.rank/0/rng")->shape == std::vector<uint64_t>{17});
  const std::string bytes = SampleBytes(*layout.Find("conv.weight"), 0, 0, 60);
  CHECK(file.substr(8 + json, 2) == bytes.substr(2, 2));
  CHECK(file.substr(8 + json + low->begin, 2) == bytes.substr(0, 2));
}

TEST_CASE("the id of a pack is the digest of its header and table, and follows every input") {
  const Layout layout = MakeLayout(1000);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/a");
  REQUIRE_THAT(id.status(), IsOk());
  CHECK(*WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/b") == *id);
  auto other = SampleIdentity(0, 1, {0});
  other.incarnation = 4;
  CHECK(*WriteSamplePack(layout, other, disk, "/c") != *id);
  const std::string file = *disk.ReadAll("/a");
  const auto plan = PlanPack(layout, SampleIdentity(0, 1, {0}));
  const std::string table =
      file.substr(plan->header.size() + plan->chunked_bytes, 16 * plan->chunks);
  CHECK(Sha256(plan->header + table) == *id);
  CHECK(table.substr(0, 16) == Xxh128(file.substr(plan->header.size(), plan->chunked_bytes)));
}

TEST_CASE("a pack cut or flipped at any place is refused or fails where it is read") {
  const Layout layout = MakeLayout(100);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0, 1}), disk, "/p");
  REQUIRE_THAT(id.status(), IsOk());
  const std::string good = *disk.ReadAll("/p");
  const size_t header = 8 + Decoder(good).U64();
  for (size_t size = 0; size < good.size(); size += size < 64 ? 1 : 509) {
    REQUIRE_FALSE(Reopen(disk, *id, layout, good.substr(0, size)).ok());
  }
  CHECK_FALSE(Reopen(disk, *id, layout, good + std::string(4096, '\0')).ok());
  for (size_t at = 0; at < good.size(); at += at < header ? 1 : 13) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    const auto pack = Reopen(disk, *id, layout, bad);
    if (at < header) REQUIRE_FALSE(pack.ok());
    if (!pack.ok()) continue;
    const auto damage = VerifyPack(disk, "/bad", **pack);
    REQUIRE_THAT(damage.status(), IsOk());
    REQUIRE(damage->size() == 1);
    REQUIRE((damage->front().begin <= at && at < damage->front().end));
  }
}

TEST_CASE("a hostile pack's padding is refused before memory is taken for it") {
  const Layout layout = MakeLayout(100);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0, 1}), disk, "/p");
  REQUIRE_THAT(id.status(), IsOk());
  std::string bytes = *disk.ReadAll("/p");
  const size_t header = 8 + Decoder(bytes).U64();
  const std::string end = std::to_string(bytes.size() - header);
  const size_t name = bytes.rfind("__stemma.pad.", header);
  const size_t shape = bytes.find("\"shape\":[", name) + 9;
  const std::string pad = bytes.substr(shape, bytes.find(']', shape) - shape);
  const auto grow = [&](const std::string& text, size_t from) {
    const std::string more = std::to_string(std::stoull(text) + 8192);
    bytes.replace(bytes.find(text, from), text.size(), more);
    bytes.erase(header - 1, more.size() - text.size());  // the header is filled up with blanks
  };
  grow(pad, shape);
  grow(end, bytes.find("\"data_offsets\":[", name));
  const auto opened = Reopen(disk, *id, layout, bytes + std::string(8192, '\0'));
  CHECK_THAT(opened.status(), HasCode(Code::kCorruption, "its end is not padding"));
}

TEST_CASE("damage in the data names the file, the span and the byte range") {
  const Layout layout = MakeLayout(700'001);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/p");
  REQUIRE_THAT(id.status(), IsOk());
  const uint64_t data = 8 + Decoder(*disk.ReadAt("/p", 0, 8)).U64();
  REQUIRE(disk.Flip("/p", data + (2 << 20) + 77));   // low plane of later elements
  const auto pack = PackReader::Open(disk, "/p", *id, layout);
  REQUIRE_THAT(pack.status(), IsOk());
  const uint32_t span = *layout.Find("fc.weight");
  std::string out(4 * 700'001, '?');
  CHECK_THAT((*pack)->Read(span, 0, 0, 1000, out.data()), IsOk());
  const Status damaged = (*pack)->Read(span, 0, 0, 700'001, out.data());
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "'fc.weight'"));
  const std::string range = "bytes [" + std::to_string(data + (2 << 20)) + ", " +
                            std::to_string(data + (3 << 20)) + ")";
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "/p: " + range));
  const auto found = VerifyPack(disk, "/p", **pack);
  REQUIRE_THAT(found.status(), IsOk());
  REQUIRE(found->size() == 1);
  CHECK(found->front().tensors == "'fc.weight', 'scale', 'frozen' and 2 more");
  CHECK(found->front().begin == data + (2 << 20));
}

TEST_CASE("a pack of another layout or a newer version is told from a damaged one") {
  const Layout layout = MakeLayout(100), other = MakeLayout(101);
  MemoryStorage disk;
  const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), disk, "/p");
  CHECK_THAT(PackReader::Open(disk, "/p", *id, other).status(),
             HasCode(Code::kIncompatible, "layout"));
  std::string file = *disk.ReadAll("/p");
  const size_t at = file.find("\"stemma.pack\":\"1\"") + 15;
  file[at] = '2';
  const size_t header = 8 + Decoder(file).U64();
  const auto plan = PlanPack(layout, SampleIdentity(0, 1, {0}));
  const ObjectId newer = Sha256(file.substr(0, header) +
                                file.substr(header + plan->chunked_bytes, 16 * plan->chunks));
  CHECK_THAT(Reopen(disk, newer, layout, file).status(), HasCode(Code::kIncompatible, "version 2"));
}

TEST_CASE("a failing disk or source ends the writing of a pack with its status") {
  const Layout layout = MakeLayout(100'000);
  for (uint64_t change = 1;; ++change) {
    MemoryStorage disk;
    FaultyStorage faulty(disk);
    faulty.FailAt(change, Fault::kShortWrite);
    const auto id = WriteSamplePack(layout, SampleIdentity(0, 1, {0}), faulty, "/p");
    if (!faulty.fired()) {
      CHECK_THAT(id.status(), IsOk());
      break;
    }
    CHECK_THAT(id.status(), HasCode(Code::kIo));
  }
  struct Broken final : PieceSource {
    Status Read(uint32_t, uint32_t, uint64_t, uint64_t, char*) override {
      return Status(Code::kPeerLost, "gone");
    }
  } broken;
  MemoryStorage disk;
  const auto file = disk.Create("/p", {});
  const auto plan = PlanPack(layout, SampleIdentity(0, 1, {0}));
  CHECK_THAT(WritePack(*plan, layout, broken, **file).status(), HasCode(Code::kPeerLost, "gone"));
}

TEST_CASE("NaN payloads of f32 survive a pack exactly") {
  const auto layout = Layout::Of({MakeSpan("w", "params", DType::kF32, {4})});
  const uint32_t words[] = {0x7f800001, 0xff800001, 0x7fc00000, 0xffffffff};
  struct Words final : PieceSource {
    const uint32_t* words;
    Status Read(uint32_t, uint32_t, uint64_t offset, uint64_t bytes, char* out) override {
      std::memcpy(out, reinterpret_cast<const char*>(words) + offset, bytes);
      return {};
    }
  } source;
  source.words = words;
  MemoryStorage disk;
  const auto plan = PlanPack(*layout, SampleIdentity(0, 1, {}));
  const auto file = disk.Create("/p", {});
  const auto id = WritePack(*plan, *layout, source, **file);
  REQUIRE_THAT(id.status(), IsOk());
  const auto pack = PackReader::Open(disk, "/p", *id, *layout);
  REQUIRE_THAT(pack.status(), IsOk());
  uint32_t back[4] = {};
  CHECK_THAT((*pack)->Read(0, 0, 0, 4, reinterpret_cast<char*>(back)), IsOk());
  CHECK(std::memcmp(back, words, sizeof words) == 0);
}

TEST_CASE("an identity that makes no sense plans no pack") {
  const Layout layout = MakeLayout(10);
  const auto plan = [&](const PackIdentity& identity) {
    return PlanPack(layout, identity).status();
  };
  CHECK_THAT(plan(SampleIdentity(2, 2, {})), HasCode(Code::kInvalidArgument, "writer"));
  CHECK_THAT(plan(SampleIdentity(0, 1, {1, 1})), HasCode(Code::kInvalidArgument, "ranks"));
  PackIdentity identity = SampleIdentity(0, 1, {});
  identity.run = "x";
  CHECK_THAT(plan(identity), HasCode(Code::kInvalidArgument, "ulid"));
}

}  // namespace stemma::lineage
