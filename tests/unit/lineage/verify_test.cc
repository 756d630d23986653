// verify finds every byte that is not what was written, and names what it belongs to.
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/memory_storage.h"
#include "lineage/pack.h"
#include "lineage/restore.h"
#include "lineage/verify.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

// States base@10 and base@20 of `ranks` writers, and fork@20 that shares the second one's packs.
struct Family {
  MemoryStorage disk;
  std::unique_ptr<Store> store = OpenStore(disk);
  Graph graph;
  std::vector<StateId> ids;  // base@10, base@20, fork@20

  Family(int ranks, const std::vector<Span>& spans) {
    LineageSettings settings;
    settings.writer_bytes_min = 1024;
    CohortRoom room(ranks);
    const auto statuses = SpawnRanks(ranks, [&](int rank) -> Status {
      ThreadCohort cohort(room, rank);
      ToySpans state(spans, rank);
      ToyRank toy{*store, cohort, state, nullptr, nullptr};
      STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, settings));
      STEMMA_ASSIGN_OR_RETURN(const auto first, toy.CaptureStep(10, std::nullopt));
      return toy.CaptureStep(20, first->id).status();
    });
    for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
    graph = MustLoad(*store);
    ids = {*Resolve(graph, "base@10"), *Resolve(graph, "base@20")};
    const auto fork = store->Fork(graph, ids[1], "fork", {});
    REQUIRE_THAT(fork.status(), IsOk());
    ids.push_back(*fork);
    graph = MustLoad(*store);
  }

  std::string Pack(size_t state, size_t writer = 0) const {
    return store->PackPath(graph.states.at(ids[state]).packs[writer].pack);
  }
  VerifyReport Verify(const std::vector<StateId>& states, int jobs = 1) const {
    const auto report = VerifyStates(*store, graph, states, {jobs});
    REQUIRE_THAT(report.status(), IsOk());
    return *report;
  }
};

TEST_CASE("whole states are whole, and a shared pack is read once") {
  const Family family(3, ToySpans::SmallModel(true));
  for (const int jobs : {1, 4}) {
    const VerifyReport report = family.Verify(family.ids, jobs);
    CHECK(report.clean());
    CHECK(report.states == 3);
    CHECK(report.packs == 6);
    CHECK(report.bytes == StoredBytes(family.graph));
  }
  CHECK_THAT(VerifyStates(*family.store, family.graph, {"nobody"}, {}).status(),
             HasCode(Code::kNotFound));
}

// Every place of a pack: header, data of each tensor, padding, table, end.
TEST_CASE("each flipped byte is found") {
  Family family(1, ToySpans::SmallModel(false));
  const std::string path = family.Pack(0);
  const uint64_t size = *family.disk.SizeOf(path);
  for (uint64_t at = 0; at < size; at += 97) {
    INFO("byte " << at << " of " << size);
    const auto mask = static_cast<uint8_t>(1 << at % 8);
    REQUIRE(family.disk.Flip(path, at, mask));
    const VerifyReport report = family.Verify({family.ids[0]});
    REQUIRE(report.damaged.size() == 1);
    CHECK(report.damaged[0].path == path);
    CHECK(report.damaged[0].states == std::vector<StateId>{family.ids[0]});
    const BadRange& range = report.damaged[0].range;
    if (range.end > 0) CHECK((range.begin <= at && at < range.end));
    CHECK(family.Verify({family.ids[1]}).clean());
    REQUIRE(family.disk.Flip(path, at, mask));
  }
  CHECK(family.Verify(family.ids).clean());
}

TEST_CASE("damage names the tensor of its chunk, in either plane, and every state that has it") {
  // Planes of 3 MiB each: the first three chunks are a's high plane, then b's, then the low ones.
  Family family(1, {ToySpans::MakeSpan("a", "params", DType::kF32, {3 << 19}),
                    ToySpans::MakeSpan("b", "params", DType::kF32, {3 << 19})});
  const std::string path = family.Pack(1);
  const uint64_t data = 8 + Decoder(*family.disk.ReadAt(path, 0, 8)).U64();
  const struct {
    uint64_t chunk;
    const char* tensors;
  } cases[] = {{0, "'a'"}, {2, "'a'"}, {3, "'b'"}, {5, "'b'"}, {6, "'a'"}, {11, "'b'"}};
  for (const int jobs : {1, 3}) {
    for (const auto& one : cases) {
      INFO("chunk " << one.chunk);
      const uint64_t begin = data + one.chunk * kChunkBytes;
      REQUIRE(family.disk.Flip(path, begin + 1234));
      const VerifyReport report = family.Verify(family.ids, jobs);
      REQUIRE(report.damaged.size() == 1);
      const Damage& damage = report.damaged[0];
      CHECK(damage.range.tensors == one.tensors);
      CHECK(damage.range.begin == begin);
      CHECK(damage.range.end == begin + kChunkBytes);
      CHECK(damage.states == std::vector<StateId>{family.ids[1], family.ids[2]});
      CHECK_THAT(damage.what, Catch::Contains(one.tensors));
      CHECK(family.Verify({family.ids[1]}).damaged[0].states == damage.states);
      REQUIRE(family.disk.Flip(path, begin + 1234));
    }
  }
  for (const uint64_t chunk : {0, 11}) REQUIRE(family.disk.Flip(path, data + chunk * kChunkBytes));
  CHECK(family.Verify(family.ids).damaged.size() == 2);
}

TEST_CASE("a pack that is gone or cut is damage of every state that names it") {
  Family family(2, ToySpans::SmallModel(false));
  REQUIRE(family.disk.Truncate(family.Pack(0, 1), 8192));
  REQUIRE_THAT(family.disk.Remove(family.Pack(1, 0)), IsOk());
  const VerifyReport report = family.Verify(family.ids);
  REQUIRE(report.damaged.size() == 2);
  for (const Damage& damage : report.damaged) {
    const bool cut = damage.path == family.Pack(0, 1);
    CHECK((cut || damage.path == family.Pack(1, 0)));
    CHECK(damage.states.size() == (cut ? 1 : 2));
    if (cut) CHECK_THAT(damage.what, Catch::Contains("8192 bytes, the record says"));
  }
}

}  // namespace
}  // namespace stemma::lineage
