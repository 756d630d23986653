// What tools read of a state: spans and halves of them, and no more than that.
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/export.h"
#include "lineage/import.h"
#include "lineage/memory_storage.h"
#include "lineage/planes.h"
#include "lineage/reader/state_reader.h"

#include "tests/support/metered_storage.h"
#include "tests/support/one_state.h"
#include "tests/support/status_matchers.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::MeteredStorage;
using tests::OneState;
using tests::ToySpans;

constexpr uint64_t kMiB = 1 << 20;

struct Metered {
  Metered(int writers, const std::vector<Span>& spans) : one(writers, spans), disk(one.disk) {
    store = *Store::Open("/store", false, disk);
  }
  OneState one;
  MeteredStorage disk;
  std::unique_ptr<Store> store;
};

TEST_CASE("every span reads as it was captured, in any order, whoever wrote it") {
  for (const int writers : {1, 2, 3}) {
    OneState one(writers, ToySpans::SmallModel(true));
    const auto state = StateReader::Open(*one.store, one.record);
    REQUIRE_THAT(state.status(), IsOk());
    ToySpans want(one.spans, writers - 1);
    want.Fill(10);
    for (size_t n = 0; n < 2 * one.spans.size(); ++n) {
      const size_t i = one.spans.size() - 1 - n % one.spans.size();
      const Result<std::string> bytes = (*state)->Read(one.spans[i].name, writers - 1);
      REQUIRE_THAT(bytes.status(), IsOk());
      CHECK(*bytes == want.bytes[i]);
    }
  }
}

TEST_CASE("only the packs that hold a span are opened, and of them only its chunks are read") {
  std::vector<Span> spans;
  for (int i = 0; i < 16; ++i) {
    spans.push_back(ToySpans::MakeSpan("w" + std::to_string(i), "params", DType::kF32,
                                       {static_cast<int64_t>(kMiB) / 4}));
  }
  Metered metered(4, spans);  // 4 MiB and 4 spans of 1 MiB in each pack
  const auto state = StateReader::Open(*metered.store, metered.one.record);
  REQUIRE_THAT(state.status(), IsOk());
  CHECK(metered.disk.packs_opened() == 0);
  REQUIRE_THAT((*state)->Read("w9").status(), IsOk());
  CHECK(metered.disk.packs_opened() == 1);
  const uint64_t whole = metered.disk.data_bytes();
  CHECK(whole <= 2 * kMiB);  // a chunk of each plane
  REQUIRE_THAT((*state)->ReadHigh("w10").status(), IsOk());
  CHECK(metered.disk.packs_opened() == 1);
  CHECK(metered.disk.data_bytes() - whole <= kMiB);
  REQUIRE_THAT((*state)->Read("w0").status(), IsOk());
  CHECK(metered.disk.packs_opened() == 2);
}

TEST_CASE("the upper half of a span is each number, truncated, within its error") {
  std::vector<Span> spans = ToySpans::SmallModel(true);
  OneState one(2, spans);
  const auto state = StateReader::Open(*one.store, one.record);
  REQUIRE_THAT(state.status(), IsOk());
  ToySpans want(spans, 0);
  want.Fill(10);
  const Result<std::string> high = (*state)->ReadHigh("w1");
  REQUIRE_THAT(high.status(), IsOk());
  std::string expected(want.bytes[0].size() / 2, '\0');
  SplitHigh(want.bytes[0], expected.data());
  CHECK(*high == expected);
  CHECK((*state)->ReadHigh("none")->empty());
  CHECK_THAT((*state)->ReadHigh("mean").status(), HasCode(Code::kInvalidArgument, "'mean'"));
  CHECK_THAT((*state)->ReadHigh("noise").status(), HasCode(Code::kInvalidArgument, "'noise'"));
  CHECK_THAT((*state)->ReadHigh("w2").status(), HasCode(Code::kNotFound, "'w2'"));
  for (const uint32_t bits : {0x3f80ffffu, 0x3fffffffu, 0xbf80ffffu, 0x00800001u}) {
    float exact, truncated;
    const uint32_t upper = bits & 0xffff0000;
    std::memcpy(&exact, &bits, 4);
    std::memcpy(&truncated, &upper, 4);
    CHECK(std::abs(exact - truncated) <= kHighError * std::abs(exact));
  }
}

TEST_CASE("damage and absence are told with state and span, and only for what is read") {
  std::vector<Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {300, 1000}),
                             ToySpans::MakeSpan("m/w", "optim/m", DType::kF32, {300, 1000})};
  OneState one(1, spans);
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  REQUIRE(one.disk.Flip(pack, *one.disk.SizeOf(pack) - 3 * 4096));  // m/w, lower half
  const auto state = StateReader::Open(*one.store, one.record);
  REQUIRE_THAT(state.status(), IsOk());
  CHECK_THAT((*state)->Read("w").status(), IsOk());
  CHECK_THAT((*state)->ReadHigh("m/w").status(), IsOk());
  CHECK_THAT((*state)->Read("m/w").status(), HasCode(Code::kCorruption, "base@10"));
  CHECK_THAT((*state)->Read("m/w").status(), HasCode(Code::kCorruption, "'m/w'"));

  OneState two(2, spans);
  two.record.packs.pop_back();
  const auto half = StateReader::Open(*two.store, two.record);
  REQUIRE_THAT(half.status(), IsOk());
  CHECK_THAT((*half)->Read("w").status(), HasCode(Code::kCorruption, "missing"));
}

TEST_CASE("an export as bf16 reads one plane, but where a NaN may hide in the other") {
  MemoryStorage memory;
  MeteredStorage disk(memory);
  const std::unique_ptr<Store> store = *Store::Open("/store", true, disk);
  const std::string json = R"({"x":{"dtype":"F32","shape":[1048576],"data_offsets":[0,4194304]}})";
  const float number = 1.5f;
  const uint32_t nan = 0x7f800001;
  std::string bytes(4 * kMiB, '\0');
  for (size_t at = 0; at < bytes.size(); at += 4) std::memcpy(bytes.data() + at, &number, 4);
  for (const bool hidden : {false, true}) {
    if (hidden) std::memcpy(bytes.data(), &nan, 4);
    Encoder length;
    length.U64(json.size());
    const std::string in = "/in" + std::to_string(hidden), out = "/out" + std::to_string(hidden);
    REQUIRE_THAT(WriteSynced(memory, in, length.bytes() + json + bytes), IsOk());
    const auto imported = ImportTensors(*store, in, {"run" + std::to_string(hidden), 0});
    REQUIRE_THAT(imported.status(), IsOk());
    const Record record = store->Load()->states.at(imported->id);
    ExportOptions options;
    options.bf16 = true;
    const uint64_t before = disk.data_bytes();
    const auto report = ExportSafetensors(*store, record, out, options);
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->quieted == (hidden ? 1u : 0u));
    CHECK(disk.data_bytes() - before == (hidden ? 3 : 2) * kMiB);  // of one tile both planes
  }
}

}  // namespace
}  // namespace stemma::lineage
