// How little of a state must be there before a program can begin: in which order things come, and
// parameters by their upper halves first.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/restore.h"

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

// Parameters of 4 MiB, two slots of the same size, a buffer, the small record: in a program's
// order.
std::vector<Span> Model() {
  std::vector<Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {1000, 1000}),
                             ToySpans::MakeSpan("b", "params", DType::kF32, {48576}),
                             ToySpans::MakeSpan("half", "params", DType::kBF16, {77}),
                             ToySpans::MakeSpan("m/w", "optim/m", DType::kF32, {1000, 1000}),
                             ToySpans::MakeSpan("m/b", "optim/m", DType::kF32, {48576}),
                             ToySpans::MakeSpan("v/w", "optim/v", DType::kF32, {1000, 1000}),
                             ToySpans::MakeSpan("v/b", "optim/v", DType::kF32, {48576}),
                             ToySpans::MakeSpan("mean", "buffers", DType::kF32, {5}),
                             ToySpans::MakeSpan("train", "small", DType::kU8, {64})};
  for (size_t i : {3, 4, 5, 6}) spans[i].late = true;
  for (size_t i : {7, 8}) spans[i].eager = true;
  return spans;
}

// A program that takes lower halves as well.
class Patched final : public Sink {
 public:
  explicit Patched(ToySpans& state) : state_(state) {}
  Status Write(size_t span, uint64_t offset, std::string_view bytes) override {
    return state_.Write(span, offset, bytes);
  }
  Status WriteLow(size_t span, uint64_t first, std::string_view low) override {
    for (size_t i = 0; i < low.size() / 2; ++i) {
      std::memcpy(state_.bytes[span].data() + 4 * (first + i), low.data() + 2 * i, 2);
    }
    low_bytes += low.size();
    return {};
  }
  uint64_t low_bytes = 0;

 private:
  ToySpans& state_;
};

// What an f32 is taken for while only its upper half is known.
std::string Midpoints(const std::string& f32) {
  std::string out = f32;
  for (size_t at = 0; at < out.size(); at += 4) {
    uint32_t bits;
    std::memcpy(&bits, out.data() + at, 4);
    const uint32_t exponent = bits >> 23 & 0xff;
    bits = (bits & 0xffff0000) | (exponent == 0 || exponent == 0xff ? 0 : 0x8000);
    std::memcpy(out.data() + at, &bits, 4);
  }
  return out;
}

TEST_CASE("parameters stand there by their upper halves first, and are whole after WaitAll") {
  for (const int writers : {1, 3}) {
    OneState one(writers, Model());
    one.record.world = static_cast<uint32_t>(writers);
    ToySpans want(one.spans, 0), got(one.spans, 0);
    want.Fill(10);
    Patched sink(got);
    SoloCohort solo;
    auto restoring = BeginRestore(*one.store, one.record, one.spans, sink, solo,
                                  RestoreReads::kEach, RestoreMode::kProgressive);
    REQUIRE_THAT(restoring.status(), IsOk());
    for (size_t i = 0; i < one.spans.size(); ++i) {
      REQUIRE_THAT((*restoring)->WaitFor(i), IsOk());
      const bool halves = i < 2;
      CHECK((got.bytes[i] == (halves ? Midpoints(want.bytes[i]) : want.bytes[i])));
    }
    CHECK(sink.low_bytes == 0);
    REQUIRE_THAT((*restoring)->WaitAll(), IsOk());
    CHECK(sink.low_bytes == (want.bytes[0].size() + want.bytes[1].size()) / 2);
    CHECK((got.bytes == want.bytes));
    REQUIRE_THAT((*restoring)->WaitAll(), IsOk());
    CHECK((got.bytes == want.bytes));
  }
}

// The storage gives nothing from a place in the pack on; whatever is whole now was read before it.
TEST_CASE(
    "a sixth of a state's bytes is enough for a progressive start, a third for an exact one") {
  OneState one(1, Model());
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  const uint64_t header = 8 + Decoder(*one.disk.ReadAt(pack, 0, 8)).U64();
  const uint64_t state = 12 * kMiB, high = 2 * kMiB;
  struct {
    RestoreMode mode;
    uint64_t bytes;
    double share;
  } const cases[] = {{RestoreMode::kProgressive, high, 2.0 / 12},
                     {RestoreMode::kExact, 2 * high, 4.0 / 12}};
  for (const auto& c : cases) {
    MeteredStorage disk(one.disk);
    const std::unique_ptr<Store> store = *Store::Open("/store", false, disk);
    ToySpans got(one.spans, 0);
    Patched sink(got);
    SoloCohort solo;
    std::vector<Span> spans = one.spans;
    spans[2].late = spans[7].late = spans[8].late = true;  // they lie at the end of the file
    spans[7].eager = spans[8].eager = false;
    disk.HoldFrom(header + c.bytes);
    auto restoring =
        BeginRestore(*store, one.record, spans, sink, solo, RestoreReads::kEach, c.mode);
    REQUIRE_THAT(restoring.status(), IsOk());
    REQUIRE_THAT((*restoring)->WaitFor(0), IsOk());
    REQUIRE_THAT((*restoring)->WaitFor(1), IsOk());
    CHECK(static_cast<double>(disk.data_bytes()) / state == Approx(c.share).epsilon(0.001));
    disk.Open();
    REQUIRE_THAT((*restoring)->WaitAll(), IsOk());
    ToySpans want(one.spans, 0);
    want.Fill(10);
    CHECK((got.bytes == want.bytes));
  }
}

TEST_CASE("a program that takes whole values only is told so, and nothing else is wrong") {
  OneState one(1, Model());
  ToySpans got(one.spans, 0);
  SoloCohort solo;
  auto restoring = BeginRestore(*one.store, one.record, one.spans, got, solo, RestoreReads::kEach,
                                RestoreMode::kProgressive);
  REQUIRE_THAT(restoring.status(), IsOk());
  REQUIRE_THAT((*restoring)->WaitFor(0), IsOk());
  CHECK_THAT((*restoring)->WaitAll(), HasCode(Code::kInvalidArgument, "progressively"));
}

TEST_CASE("a damaged lower half ends a progressive restore at WaitAll, by name") {
  OneState one(1, Model());
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  const uint64_t header = 8 + Decoder(*one.disk.ReadAt(pack, 0, 8)).U64();
  REQUIRE(one.disk.Flip(pack, header + 3 * kMiB));  // of 'w', the lower half
  ToySpans got(one.spans, 0), want(one.spans, 0);
  want.Fill(10);
  Patched sink(got);
  SoloCohort solo;
  auto restoring = BeginRestore(*one.store, one.record, one.spans, sink, solo, RestoreReads::kEach,
                                RestoreMode::kProgressive);
  REQUIRE_THAT(restoring.status(), IsOk());
  for (size_t i = 0; i < one.spans.size(); ++i) REQUIRE_THAT((*restoring)->WaitFor(i), IsOk());
  CHECK((got.bytes[5] == want.bytes[5]));
  CHECK_THAT((*restoring)->WaitAll(), HasCode(Code::kCorruption, "'w'"));
}

TEST_CASE(
    "read once: eager spans come first, each reader patches what it read, and all get a part") {
  std::vector<Span> spans = Model();
  spans[0].shape = {7, 1024, 1024};
  const int ranks = 2;
  OneState one(1, spans);
  ToySpans want(spans, 0);
  want.Fill(10);
  std::vector<std::unique_ptr<ToySpans>> got;
  for (int rank = 0; rank < ranks; ++rank) got.push_back(std::make_unique<ToySpans>(spans, rank));
  std::vector<std::vector<SharedPart>> shared(ranks);
  tests::CohortRoom room(ranks);
  const auto statuses = tests::SpawnRanks(ranks, [&](int rank) -> Status {
    tests::ThreadCohort cohort(room, rank);
    Patched sink(*got[rank]);
    STEMMA_ASSIGN_OR_RETURN(auto restoring,
                            BeginRestore(*one.store, one.record, spans, sink, cohort,
                                         RestoreReads::kOnce, RestoreMode::kProgressive));
    shared[rank] = restoring->shared();
    return restoring->WaitAll();
  });
  for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
  const auto group = [&](const SharedPart& part) {
    return spans[part.span].late ? 2 : spans[part.span].eager ? 0 : 1;
  };
  std::vector<uint64_t> read(ranks, 0);
  int last = 0;
  for (const SharedPart& part : shared[0]) {
    CHECK(group(part) >= last);
    last = group(part);
    if (last == 1) read[part.reader] += part.bytes;
    CHECK((got[part.reader]->bytes[part.span].substr(part.offset, part.bytes) ==
           want.bytes[part.span].substr(part.offset, part.bytes)));
  }
  CHECK(last == 2);
  const uint64_t parameters = spans[0].bytes() + spans[1].bytes() + spans[2].bytes();
  CHECK(read[0] + read[1] == parameters);
  for (const uint64_t bytes : read) CHECK(bytes > parameters / 2 - 5 * kMiB);
}

}  // namespace
}  // namespace stemma::lineage
