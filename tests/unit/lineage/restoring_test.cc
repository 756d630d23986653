// A restore that streams: what is whole when, and what a failure half-way means.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lineage/restore.h"

#include "tests/support/one_state.h"
#include "tests/support/status_matchers.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::OneState;
using tests::ToySpans;

// Lets no byte of a late span through until it is told to.
class Gate final : public Sink {
 public:
  explicit Gate(ToySpans& state) : state_(state) {}

  Status Write(size_t span, uint64_t offset, std::string_view bytes) override {
    std::unique_lock<std::mutex> lock(mutex_);
    if (state_.spans[span].late) opened_.wait(lock, [&] { return open_; });
    ++writes_;
    return state_.Write(span, offset, bytes);
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  int writes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return writes_;
  }

 private:
  ToySpans& state_;
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int writes_ = 0;
};

// The slot stands between the parameters and the buffers, as in a program.
std::vector<Span> WithLateSlot() {
  std::vector<Span> spans = ToySpans::SmallModel(true);
  spans[3].late = true;
  return spans;
}

TEST_CASE("all but the late spans are whole while the late ones are still on their way") {
  for (const int ranks : {1, 3}) {
    OneState one(ranks, WithLateSlot());
    one.record.world = static_cast<uint32_t>(ranks);
    SoloCohort solo;
    ToySpans want(one.spans, 0), got(one.spans, 0);
    want.Fill(10);
    got.Fill(-1);
    const std::string before = got.bytes[3];
    Gate gate(got);
    auto restoring = BeginRestore(*one.store, one.record, one.spans, gate, solo);
    REQUIRE_THAT(restoring.status(), IsOk());
    for (size_t i = 0; i < one.spans.size(); ++i) {
      if (one.spans[i].late) continue;
      REQUIRE_THAT((*restoring)->WaitFor(i), IsOk());
      CHECK(got.bytes[i] == want.bytes[i]);
    }
    CHECK(got.bytes[3] == before);
    gate.Open();
    REQUIRE_THAT((*restoring)->WaitAll(), IsOk());
    CHECK(got.bytes == want.bytes);
    REQUIRE_THAT((*restoring)->WaitFor(3), IsOk());
  }
}

TEST_CASE("a late span that is damaged spoils nothing but itself, and is named") {
  std::vector<Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {300, 1000}),
                             ToySpans::MakeSpan("m/w", "optim/m", DType::kF32, {300, 1000})};
  spans[1].late = true;
  OneState one(1, spans);
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  // The slot's low plane: the last data before the table of digests.
  REQUIRE(one.disk.Flip(pack, *one.disk.SizeOf(pack) - 3 * 4096));
  SoloCohort solo;
  ToySpans want(spans, 0), got(spans, 0);
  want.Fill(10);
  auto restoring = BeginRestore(*one.store, one.record, spans, got, solo);
  REQUIRE_THAT(restoring.status(), IsOk());
  REQUIRE_THAT((*restoring)->WaitFor(0), IsOk());
  CHECK(got.bytes[0] == want.bytes[0]);
  CHECK_THAT((*restoring)->WaitFor(1), HasCode(Code::kCorruption, "'m/w'"));
  CHECK_THAT((*restoring)->WaitAll(), HasCode(Code::kCorruption, "base@10"));
}

TEST_CASE("a restore that is ended early writes nothing afterwards") {
  OneState one(2, WithLateSlot());
  SoloCohort solo;
  ToySpans got(one.spans, 0);
  Gate gate(got);
  auto restoring = BeginRestore(*one.store, one.record, one.spans, gate, solo);
  // Per-rank spans of two ranks do not fit one rank: their rule takes rank 0's.
  REQUIRE_THAT(restoring.status(), IsOk());
  REQUIRE_THAT((*restoring)->WaitFor(0), IsOk());
  gate.Open();
  *restoring = nullptr;
  const int writes = gate.writes();
  const auto bytes = got.bytes;
  CHECK(writes >= 1);
  CHECK(gate.writes() == writes);
  CHECK(got.bytes == bytes);
}

TEST_CASE("large spans are cut over several threads and come back bit for bit") {
  std::vector<Span> spans = {ToySpans::MakeSpan("a", "params", DType::kF32, {5, 1000, 1001}),
                             ToySpans::MakeSpan("b", "params", DType::kF64, {300, 1001}),
                             ToySpans::MakeSpan("c", "optim/m", DType::kBF16, {199, 4001})};
  OneState one(3, spans);
  SoloCohort solo;
  CHECK_THAT(tests::CheckRestores(*one.store, one.record, spans, solo), IsOk());
}

// Counts how often each byte was written.
class Counts final : public Sink {
 public:
  explicit Counts(const std::vector<Span>& spans) {
    for (const Span& span : spans) times.emplace_back(static_cast<size_t>(span.bytes()), '\0');
  }
  Status Write(size_t span, uint64_t offset, std::string_view bytes) override {
    for (size_t i = 0; i < bytes.size(); ++i) ++times[span][offset + i];
    return {};
  }
  std::vector<std::string> times;
};

TEST_CASE("read once: each rank reads its part of what all want, and all know whose is what") {
  std::vector<Span> spans = WithLateSlot();  // and a span per rank
  spans.push_back(ToySpans::MakeSpan("big", "params", DType::kF32, {7, 1024, 1024}));
  const int ranks = 3;
  OneState one(ranks, spans);
  std::vector<std::unique_ptr<Counts>> got;
  std::vector<std::vector<SharedPart>> shared(ranks);
  for (int rank = 0; rank < ranks; ++rank) got.push_back(std::make_unique<Counts>(spans));
  tests::CohortRoom room(ranks);
  const auto statuses = tests::SpawnRanks(ranks, [&](int rank) -> Status {
    tests::ThreadCohort cohort(room, rank);
    STEMMA_ASSIGN_OR_RETURN(auto restoring, BeginRestore(*one.store, one.record, spans, *got[rank],
                                                         cohort, RestoreReads::kOnce));
    shared[rank] = restoring->shared();
    return restoring->WaitAll();
  });
  for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
  const size_t per_rank = 6;
  for (int rank = 0; rank < ranks; ++rank) {
    CHECK(got[rank]->times[per_rank] == std::string(13, '\1'));
    REQUIRE(shared[rank].size() == shared[0].size());
    got[rank]->times[per_rank].clear();
  }
  std::vector<uint64_t> read(ranks, 0);
  for (size_t i = 0; i < shared[0].size(); ++i) {
    const SharedPart& part = shared[0][i];
    CHECK(part.span != per_rank);
    read[part.reader] += part.bytes;
    for (int rank = 0; rank < ranks; ++rank) {
      CHECK(shared[rank][i].reader == part.reader);
      CHECK(shared[rank][i].offset == part.offset);
      const std::string times = got[rank]->times[part.span].substr(part.offset, part.bytes);
      CHECK(times == std::string(part.bytes, rank == part.reader ? '\1' : '\0'));
    }
  }
  uint64_t all = 0;
  for (size_t i = 0; i < spans.size(); ++i) all += i == per_rank ? 0 : spans[i].bytes();
  CHECK(read[0] + read[1] + read[2] == all);
  for (const uint64_t bytes : read) CHECK(bytes > 0);
}

}  // namespace
}  // namespace stemma::lineage
