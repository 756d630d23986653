#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/coverage.h"
#include "lineage/fsck.h"
#include "lineage/names.h"
#include "lineage/reader/state_reader.h"

#include "tests/support/one_state.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_storage.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::OneState;
using tests::SpawnRanks;
using tests::StepStorage;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

TEST_CASE("a state of another model is refused, with both sides in the message") {
  OneState one(2, ToySpans::SmallModel(false));
  std::vector<Span> wanted = one.spans;
  wanted[0].shape = {61, 54};
  wanted[1].name = "bias1";
  const Status status = one.RestoreTo(wanted);
  CHECK_THAT(status, HasCode(Code::kIncompatible, "w1 f32[61,53]"));
  CHECK_THAT(status, HasCode(Code::kIncompatible, "w1 f32[61,54]"));
  CHECK_THAT(status, HasCode(Code::kIncompatible, "bias1 f32[7]"));
  wanted = one.spans;
  wanted.pop_back();
  CHECK_THAT(one.RestoreTo(wanted), HasCode(Code::kIncompatible, "the program has nothing more"));
}

TEST_CASE("a pack that goes to the trash at any moment of a restore is brought back") {
  OneState one(1, ToySpans::SmallModel(false));
  const Paths paths("/store");
  const ObjectId pack = one.record.packs[0].pack;
  REQUIRE_THAT(one.disk.MakeDir(paths.TrashDir()), IsOk());
  REQUIRE_THAT(one.disk.MakeDir(paths.TrashOf(1)), IsOk());
  int moments = 0;
  for (int at = 1;; ++at) {
    StepStorage steps(one.disk, at, [&] {
      REQUIRE_THAT(one.disk.Rename(one.store->PackPath(pack), paths.Trashed(1, pack)), IsOk());
    });
    const std::unique_ptr<Store> store = *Store::Open("/store", false, steps);
    SoloCohort solo;
    INFO("at call " << at);
    CHECK_THAT(tests::CheckRestores(*store, one.record, one.spans, solo), IsOk());
    if (!steps.ran()) break;
    REQUIRE_THAT(one.store->EnsurePacks(one.record, IfPruned::kRefuse), IsOk());
    moments = at;
  }
  CHECK(moments > 5);
}

TEST_CASE("resume passes over states whose packs are gone, cut or rotten in their header") {
  OneState one(1, ToySpans::SmallModel(false));
  SoloCohort solo;
  ToySpans state(one.spans, 0);
  ToyRank toy{*one.store, solo, state, nullptr, nullptr};
  REQUIRE_THAT(toy.Begin("base", true, {}), IsOk());
  std::vector<Record> records = {one.record};
  for (const int64_t step : {20, 30, 40}) {
    records.push_back((*toy.CaptureStep(step, records.back().id))->record);
  }
  const Graph graph = *one.store->Load();
  const auto path = [&](size_t i) { return one.store->PackPath(records[i].packs[0].pack); };
  CHECK(*ResumePoint(*one.store, graph, "base", nullptr) == records[3].id);
  REQUIRE(one.disk.Flip(path(3), 100));
  REQUIRE_THAT(one.disk.Remove(path(2)), IsOk());
  REQUIRE(one.disk.Truncate(path(1), 3));
  std::vector<std::string> skipped;
  CHECK(*ResumePoint(*one.store, graph, "base", &skipped) == records[0].id);
  REQUIRE(skipped.size() == 3);
  CHECK_THAT(skipped[0], Catch::Contains("base@40") && Catch::Contains(path(3)));
  CHECK_THAT(skipped[1], Catch::Contains("base@30"));
  CHECK_THAT(skipped[2], Catch::Contains("base@20"));
  REQUIRE_THAT(one.disk.Remove(path(0)), IsOk());
  CHECK_THAT(ResumePoint(*one.store, graph, "base", &skipped).status(),
             HasCode(Code::kNotFound, "base@10"));
}

TEST_CASE("the order of the program's spans need not be the state's") {
  OneState one(2, ToySpans::SmallModel(false));
  std::vector<Span> turned(one.spans.rbegin(), one.spans.rend());
  ToySpans got(turned, 0), want(one.spans, 0);
  want.Fill(10);
  SoloCohort solo;
  REQUIRE_THAT(Restore(*one.store, one.record, turned, got, solo), IsOk());
  for (size_t i = 0; i < turned.size(); ++i)
    CHECK(got.bytes[i] == want.bytes[turned.size() - 1 - i]);
}

TEST_CASE("conformance_75_a_state_of_n_ranks_is_restored_on_m_bit_for_bit") {
  const std::vector<Span> spans = ToySpans::SmallModel(false);
  for (int before = 1; before <= 4; ++before) {
    OneState one(before, spans);
    for (int after = 1; after <= 4; ++after) {
      INFO(before << " ranks, then " << after);
      CohortRoom room(after);
      const auto statuses = SpawnRanks(after, [&](int rank) -> Status {
        ThreadCohort cohort(room, rank);
        ToySpans got(spans, rank), want(spans, 0);
        got.Fill(99);
        want.Fill(10);
        STEMMA_RETURN_IF_ERROR(Restore(*one.store, one.record, spans, got, cohort));
        return got.bytes == want.bytes ? Status() : Status(Code::kInternal, "other bytes");
      });
      for (const Status& status : statuses) CHECK_THAT(status, IsOk());
    }
  }
}

TEST_CASE("per-rank spans follow their rule at another number of ranks") {
  for (const OnReshape rule : {OnReshape::kTakeRank0, OnReshape::kReseed, OnReshape::kRefuse}) {
    std::vector<Span> spans = ToySpans::SmallModel(true);
    spans.back().on_reshape = rule;
    OneState one(2, spans);
    CohortRoom room(3);
    ToySpans first(spans, 0);
    first.Fill(10);
    const auto statuses = SpawnRanks(3, [&](int rank) -> Status {
      ThreadCohort cohort(room, rank);
      ToySpans got(spans, rank);
      got.Fill(99);
      const std::string own = got.bytes.back();
      STEMMA_RETURN_IF_ERROR(Restore(*one.store, one.record, spans, got, cohort));
      const std::string& want = rule == OnReshape::kReseed ? own : first.bytes.back();
      return got.bytes.back() == want ? Status() : Status(Code::kInternal, "wrong bytes");
    });
    for (const Status& status : statuses) {
      if (rule != OnReshape::kRefuse) CHECK_THAT(status, IsOk());
      if (rule == OnReshape::kRefuse) CHECK_THAT(status, HasCode(Code::kIncompatible, "'noise'"));
    }
  }
}

TEST_CASE("row 7: a flipped byte anywhere in a pack is never handed out, on any rank") {
  OneState one(2, ToySpans::SmallModel(false));
  const PackRef pack = one.record.packs[1];
  const std::string path = one.store->PackPath(pack.pack);
  int refused = 0, tried = 0;
  for (uint64_t offset = 1; offset < pack.bytes; offset += 499, ++tried) {
    REQUIRE(one.disk.Flip(path, offset));
    const Status status = one.RestoreTo(one.spans, 2);
    refused += status.code() == Code::kCorruption || status.code() == Code::kIncompatible;
    REQUIRE(one.disk.Flip(path, offset));
  }
  CHECK(refused == tried);
  CHECK_THAT(one.RestoreTo(one.spans, 2), IsOk());
}

TEST_CASE("row 8: fsck with data names state and pack of a byte that rotted, and changes nothing") {
  OneState one(2, ToySpans::SmallModel(false));
  const PackRef pack = one.record.packs[0];
  const std::string path = one.store->PackPath(pack.pack);
  REQUIRE(one.disk.Flip(path, 8192));
  CHECK(Fsck(*one.store, {false})->errors.empty());
  Result<FsckReport> report = Fsck(*one.store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  REQUIRE(report->errors.size() == 1);
  CHECK_THAT(report->errors[0], Catch::Contains("base@10") && Catch::Contains(Hex(pack.pack)));
  CHECK(one.disk.Exists(path));
}

TEST_CASE("one span can be read alone, and a question about what is not there is answered") {
  OneState one(3, ToySpans::SmallModel(true));
  ToySpans want(one.spans, 1);
  want.Fill(10);
  for (size_t i = 0; i < one.spans.size(); ++i) {
    Result<std::string> bytes = ReadSpan(*one.store, one.record, one.spans[i].name, 1);
    REQUIRE_THAT(bytes.status(), IsOk());
    CHECK(*bytes == want.bytes[i]);
  }
  CHECK_THAT(ReadSpan(*one.store, one.record, "w2").status(), HasCode(Code::kNotFound, "'w2'"));
  CHECK_THAT(ReadSpan(*one.store, one.record, "noise", 3).status(), HasCode(Code::kNotFound));
  Result<std::vector<Span>> spans = SpansOf(*one.store, one.record);
  REQUIRE_THAT(spans.status(), IsOk());
  REQUIRE(spans->size() == one.spans.size());
  CHECK((*spans)[4].name == "mean");
}

TEST_CASE(
    "a state whose packs lack a part, or hold one twice, is refused before a byte is written") {
  OneState one(2, ToySpans::SmallModel(false));
  std::vector<PackRef> packs = one.record.packs;
  one.record.packs = {packs[0]};
  CHECK_THAT(one.RestoreTo(one.spans), HasCode(Code::kCorruption, "missing"));
  one.record.packs = {packs[0], packs[1], packs[1]};
  CHECK_THAT(one.RestoreTo(one.spans), HasCode(Code::kCorruption, "twice"));
}

TEST_CASE("fsck lists what crashes leave behind as remarks, and what must not be as errors") {
  OneState one(2, ToySpans::SmallModel(false));
  const Paths paths("/store");
  REQUIRE_THAT(one.disk.MakeDir(paths.NameDir("claimed")), IsOk());
  REQUIRE_THAT(one.disk.MakeDir(paths.RunDir(NewUlid())), IsOk());
  REQUIRE_THAT(one.disk.MakeDir(paths.IncarnationDir(one.record.run, 2)), IsOk());
  REQUIRE_THAT(WriteDurable(one.disk, paths.TmpDir() + "/object-x", "half"), IsOk());
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  Result<FsckReport> report = Fsck(*one.store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors.empty());
  std::string all;
  for (const std::string& remark : report->remarks) all += remark + "\n";
  for (const char* text : {"/names/claimed was claimed", "no name leads", "never begun", "object-x",
                           "incarnation that is over"}) {
    CHECK_THAT(all, Catch::Contains(text));
  }
  REQUIRE_THAT(one.store->SetTag("lost", std::string(32, 'x'), "", {}), IsOk());
  REQUIRE(one.disk.Truncate(pack, 4096));
  report = Fsck(*one.store, {false});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors.size() == 2);
}

TEST_CASE("an orphan's owner is read from the orphan itself") {
  OneState one(1, ToySpans::SmallModel(false));
  const Paths paths("/store");
  const std::string log = paths.LogSegment(one.record.run, 1, 1);
  const uint64_t size = *one.disk.SizeOf(log);
  REQUIRE(one.disk.Truncate(log, size - 1));  // the state's frame is torn now
  Result<FsckReport> report = Fsck(*one.store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors.empty());
  CHECK(report->orphans == 1);
  std::string all;
  for (const std::string& remark : report->remarks) all += remark + "\n";
  CHECK_THAT(all, Catch::Contains("orphan of run 'base', incarnation 1, which may be living"));
  CHECK_THAT(all, Catch::Contains("torn tail"));
  CHECK(one.store->Load()->states.empty());
}

}  // namespace
}  // namespace stemma::lineage
