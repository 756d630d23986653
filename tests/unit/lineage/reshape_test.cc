// Reshapes by record alone: the same packs for other ranks, or in front of another order; and the
// patterns that choose tensors.
#include <map>
#include <string>
#include <vector>

#include "lineage/faulty_storage.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/memory_storage.h"
#include "lineage/record_codec.h"
#include "lineage/reshape/choose.h"
#include "lineage/reshape/derive.h"
#include "lineage/reshape/reshape.h"
#include "lineage/restore.h"

#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"
#include "tests/support/toy_run.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::RestoresOn;
using tests::SameOnAll;
using tests::ToyBytes;
using tests::ToySpans;
using tests::TrainToy;

// A tensor, and one per rank under each rule that is asked for.
std::vector<Span> WithPerRank(const std::vector<OnReshape>& rules) {
  std::vector<Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {61, 53})};
  for (const OnReshape rule : rules) {
    spans.push_back(
        ToySpans::MakeSpan("own" + std::to_string(spans.size()), "small", DType::kU8, {9}));
    spans.back().role = Role::kPerRank;
    spans.back().on_reshape = rule;
  }
  return spans;
}

std::string TextOf(const Record& record, const char* key) {
  const auto found = record.attributes.find(key);
  return found == record.attributes.end() ? "none" : std::get<std::string>(found->second);
}

// What each rank of a job of `ranks` holds of span `at` after a restore; "" for what it was left.
std::vector<std::string> Restored(const Store& store, const Record& record,
                                  const std::vector<Span>& spans, int ranks, size_t at) {
  std::vector<std::string> bytes(static_cast<size_t>(ranks));
  tests::CohortRoom room(ranks);
  const auto statuses = tests::SpawnRanks(ranks, [&](int rank) -> Status {
    tests::ThreadCohort cohort(room, rank);
    ToySpans state(spans, rank);
    state.Fill(-1);
    const std::string before = state.bytes[at];
    STEMMA_RETURN_IF_ERROR(Restore(store, record, spans, state, cohort));
    if (state.bytes[at] != before) bytes[static_cast<size_t>(rank)] = state.bytes[at];
    return {};
  });
  for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
  return bytes;
}

TEST_CASE("a state for other ranks shares its parent's packs, and what differs per rank has a rule",
          "[reshape]") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const auto spans = WithPerRank({OnReshape::kTakeRank0, OnReshape::kReseed});
  const StateId parent = TrainToy(*store, "base", 3, SameOnAll(spans), {10})[0];
  const uint64_t stored = StoredBytes(MustLoad(*store));
  for (const uint32_t ranks : {1u, 2u, 5u}) {
    INFO(ranks << " ranks");
    const std::string name = "to" + std::to_string(ranks);
    const auto id = ReshapeRanks(*store, MustLoad(*store), parent, ranks, {name, {}});
    REQUIRE_THAT(id.status(), IsOk());
    const Graph graph = MustLoad(*store);
    const Record& record = graph.states.at(*id);
    CHECK(record.world == ranks);
    CHECK(RanksHeld(record) == 3);
    CHECK(HowMade(record) == EdgeKind::kReshape);
    CHECK(record.parents.size() == 1);
    CHECK(ReshapeText(record) == "ranks 3 -> " + std::to_string(ranks));
    CHECK(std::get<int64_t>(record.attributes.at("reshape.ranks")) == ranks);
    CHECK(BytesOf(graph, record).own == 0);
    CHECK(StoredBytes(graph) == stored);
    const int job = static_cast<int>(ranks);
    for (const std::string& bytes : Restored(*store, record, spans, job, 0)) {
      CHECK((bytes == ToyBytes(spans, 0, 10)));
    }
    for (const std::string& bytes : Restored(*store, record, spans, job, 1)) {
      CHECK((bytes == ToyBytes(spans, 1, 10, 0)));
    }
    for (const std::string& bytes : Restored(*store, record, spans, job, 2)) CHECK(bytes.empty());
    // Back at the old number, every rank has its own.
    const auto back = ReshapeRanks(*store, graph, *id, 3, {name + "-back", {}});
    REQUIRE_THAT(back.status(), IsOk());
    const Record again = MustLoad(*store).states.at(*back);
    CHECK(again.ranks_held == 0);
    CHECK_THAT(RestoresOn(*store, again, 3, SameOnAll(spans)), IsOk());
  }
  CHECK(FsckErrors(*store) == std::vector<std::string>());
}

TEST_CASE("a reshape that cannot be is refused before anything is written", "[reshape]") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const auto spans = WithPerRank({OnReshape::kRefuse});
  const StateId parent = TrainToy(*store, "base", 2, SameOnAll(spans), {10})[0];
  const Graph graph = MustLoad(*store);
  const Status refused = ReshapeRanks(*store, graph, parent, 4, {"x", {}}).status();
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "span 'own1' differs per rank"));
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "base@10 cannot be reshaped from 2 to 4"));
  CHECK_THAT(ReshapeRanks(*store, graph, parent, 2, {"x", {}}).status(),
             HasCode(Code::kInvalidArgument, "for 2 ranks already"));
  CHECK_THAT(ReshapeRanks(*store, graph, parent, 0, {"x", {}}).status(),
             HasCode(Code::kInvalidArgument, "at least one"));
  CHECK_THAT(ReshapeRanks(*store, graph, StateId(32, 'x'), 4, {"x", {}}).status(),
             HasCode(Code::kNotFound, "no state"));
  CHECK_THAT(Shuffle(*store, graph, parent, 0, {"x", {}}).status(),
             HasCode(Code::kInvalidArgument, "order of seed 0 already"));
  CHECK_THAT(Shuffle(*store, graph, parent, 3, {"base", {}}).status(),
             HasCode(Code::kInvalidArgument, "'base' exists"));
  CHECK(MustLoad(*store).runs.size() == 1);
}

TEST_CASE("how a state was restored is not said of what is made of it", "[reshape]") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const StateId base = TrainToy(*store, "base", 1, SameOnAll(WithPerRank({})), {10})[0];
  Record change;
  change.attributes[kRestoreAttribute] = std::string(kProgressiveName);
  const Result<StateId> inexact = store->Fork(MustLoad(*store), base, "inexact", change);
  REQUIRE_THAT(inexact.status(), IsOk());
  const Graph graph = MustLoad(*store);
  REQUIRE(TextOf(graph.states.at(*inexact), kRestoreAttribute) == kProgressiveName);
  const auto made = Rebalance(*store, graph, *inexact, 1, {"made", {}});
  REQUIRE_THAT(made.status(), IsOk());
  CHECK(TextOf(MustLoad(*store).states.at(made->id), kRestoreAttribute) == "none");
}

TEST_CASE("a shuffle changes the seed of the order and keeps the place", "[reshape]") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  auto run = *store->StartRun("base");
  Record record = MakeRecord(*store, 10, std::nullopt);
  record.cursor = {7, 2, 640};
  record.attributes["kept"] = int64_t{5};
  const StateId parent = *run->Append(record);
  const ObjectId settings = *store->PutBlob("train.seed = 0\n");
  const auto id = Shuffle(*store, MustLoad(*store), parent, 0, {"other", settings});
  REQUIRE_THAT(id.status(), IsOk());
  const Record other = MustLoad(*store).states.at(*id);
  CHECK(other.cursor.seed == 0);
  CHECK(other.cursor.epoch == 2);
  CHECK(other.cursor.sample == 640);
  CHECK(other.settings == settings);
  CHECK(other.reason == Reason::kFork);  // the cursor of the record counts
  CHECK(ReshapeText(other) == "shuffle 7 -> 0");
  CHECK(std::get<int64_t>(other.attributes.at("reshape.seed")) == 0);
  CHECK(std::get<int64_t>(other.attributes.at("kept")) == 5);
  // A child's edge is its own: neither a fork nor a reshape says what its parent's edge was.
  const StateId fork = *store->Fork(MustLoad(*store), *id, "fork", {});
  const StateId again = *Shuffle(*store, MustLoad(*store), fork, 9, {"again", {}});
  const Graph graph = MustLoad(*store);
  CHECK(TextOf(graph.states.at(fork), kReshapeHow) == "none");
  CHECK(graph.states.at(fork).cursor.sample == 640);
  CHECK(TextOf(graph.states.at(again), kReshapeSet) == "0 -> 9");
  CHECK(Ancestors(graph, again) == std::vector<StateId>{fork, *id, parent});
}

TEST_CASE("wherever the disk fails or the machine dies, a reshape is whole or not there",
          "[reshape]") {
  const auto spans = WithPerRank({OnReshape::kTakeRank0});
  for (const Fault fault : {Fault::kIo, Fault::kShortWrite, Fault::kDieHalf, Fault::kDieAfter}) {
    MemoryStorage disk;
    const StateId parent = TrainToy(*OpenStore(disk), "base", 2, SameOnAll(spans), {10})[0];
    for (uint64_t n = 1;; ++n) {
      INFO("change " << n << ", fault " << static_cast<int>(fault));
      FaultyStorage faulty(disk);
      const auto store = OpenStore(faulty);
      const std::string name = "r" + std::to_string(n);
      const Graph before = MustLoad(*store);
      faulty.FailAt(n, fault);
      const auto id = ReshapeRanks(*store, before, parent, 3, {name, {}});
      if (fault == Fault::kDieHalf || fault == Fault::kDieAfter) disk.Crash();
      const auto sound = OpenStore(disk);
      const Graph graph = MustLoad(*sound);
      if (id.ok()) CHECK(graph.states.count(*id) == 1);
      const auto run = graph.runs.find(name);
      if (run != graph.runs.end()) {
        REQUIRE(run->second.states.size() == 1);
        const Record& record = graph.states.at(*run->second.head);
        CHECK(Restored(*sound, record, spans, 3, 1)[2] == ToyBytes(spans, 1, 10, 0));
      }
      if (!faulty.fired()) {
        REQUIRE_THAT(id.status(), IsOk());
        break;
      }
    }
    CHECK(FsckErrors(*OpenStore(disk)) == std::vector<std::string>());
  }
}

TEST_CASE("patterns fit whole names", "[reshape]") {
  const struct {
    const char *text, *pattern;
    bool fits;
  } cases[] = {
      {"fc.weight", "fc.weight", true},
      {"fc.weight", "*", true},
      {"fc.weight", "fc.*", true},
      {"fc.weight", "*weight", true},
      {"fc.weight", "*.w*t", true},
      {"fc.weight", "f?.*", true},
      {"fc.weight", "fc", false},
      {"fc.weight", "c.*", false},
      {"fc.weight", "*x*", false},
      {"a/b/c", "a/*c", true},
      {"", "*", true},
      {"", "?", false},
      {"aab", "*ab", true},
      {"aaab", "a*a?b", true},
      {"aab", "a*b*c", false},
      {"abc", "abc*", true},
      {"abc", "", false},
  };
  for (const auto& one : cases) {
    INFO(one.text << " by " << one.pattern);
    CHECK(FitsGlob(one.text, one.pattern) == one.fits);
  }
  const std::string text(2000, 'a');
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  CHECK_FALSE(FitsGlob(text, pattern + "*b"));  // exponential for whoever tries all stars again
}

// The field is there only where it says something, and then no program may pass over it.
TEST_CASE("ranks held reach the disk as a field that old programs refuse", "[reshape]") {
  Record record = tests::SampleRecord();
  const std::string plain = *EncodeRecord(&record);
  record.ranks_held = record.world;
  CHECK(*EncodeRecord(&record) == plain);
  record.ranks_held = record.world + 3;
  const std::string held = *EncodeRecord(&record);
  CHECK(held.size() == plain.size() + 6 + 4);
  CHECK(held.substr(held.size() - 10, 2) == std::string("\x00\x80", 2));
  CHECK(DecodeRecord(held)->ranks_held == record.world + 3);
  CHECK(RanksHeld(*DecodeRecord(plain)) == record.world);
}

}  // namespace
}  // namespace stemma::lineage
