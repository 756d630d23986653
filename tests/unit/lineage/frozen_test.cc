// Frozen spans are written once, and whatever names them again is as whole as the state that they
// were written with.
#include "lineage/frozen.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lineage/audit.h"
#include "lineage/pack.h"
#include "lineage/reshape/derive.h"
#include "lineage/reshape/migrate.h"
#include "lineage/reshape/reshape.h"

#include "tests/support/frozen_scene.h"

namespace stemma::lineage {
namespace {

// What a model without the frozen spans writes at that capture: every byte is laid out by rule.
uint64_t BytesWithoutFrozen(const std::vector<Span>& spans, const Record& record) {
  std::vector<Span> others;
  for (const Span& span : spans) {
    if (span.role != Role::kFrozen || span.bytes() == 0) others.push_back(span);
  }
  const Layout layout = *Layout::Of(others);
  uint64_t bytes = 0;
  const auto writers = static_cast<uint32_t>(record.packs.size()) - record.frozen_packs;
  for (uint32_t writer = 0; writer < writers; ++writer) {
    PackIdentity identity{record.run, record.incarnation, record.capture, writer, writers, {}};
    bytes += PlanPack(layout, identity)->file_bytes;
  }
  return bytes;
}

TEST_CASE("frozen spans are written once, by any ranks, and every state that names them is whole") {
  for (const int ranks : {1, 2, 3}) {
    INFO(ranks << " ranks");
    MemoryStorage disk;
    const std::unique_ptr<Store> store = OpenStore(disk);
    std::vector<std::vector<uint64_t>> written(static_cast<size_t>(ranks));
    CheckAllOk(RunJob(*store, ranks, Model(), "base", nullptr, false,
                      Capturing({10, 20, 30, 40}, {}, [&](ToyRank& toy) {
                        written[static_cast<size_t>(toy.cohort.rank())].push_back(
                            toy.capturer->stats().bytes_written);
                      })));
    const Graph graph = MustLoad(*store);
    const Record &first = At(graph, "base@10"), &second = At(graph, "base@20");
    CHECK(first.frozen_packs == static_cast<uint32_t>(std::min(ranks, 11)));
    CHECK(first.packs.size() == 2 * first.frozen_packs);
    for (const char* name : {"base@20", "base@30", "base@40"}) {
      CHECK(FrozenOf(At(graph, name)) == FrozenOf(first));
    }
    uint64_t all = 0, again = 0;
    for (const PackRef& pack : first.packs) all += pack.bytes;
    for (const std::vector<uint64_t>& of_rank : written) {
      all -= of_rank[0];
      again += of_rank[1] - of_rank[0];
    }
    CHECK(all == 0);
    CHECK(again == BytesWithoutFrozen(Model(), second));
    const StateBytes bytes = BytesOf(graph, second);
    CHECK(bytes.own == again);
    CHECK(bytes.shared > 70 * 301 * 4);
    for (const int readers : {1, 2, 3}) CheckRestores(*store, Model(), readers);
    CheckWhole(*store);
    CHECK(Fsck(*store, {true})->orphans == 0);
  }
}

TEST_CASE("a restart, a fork and a reshape name the same packs; what is made anew has its own") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const std::vector<Span> spans = Model(Role::kFrozen, true);
  CheckAllOk(RunJob(*store, 2, spans, "base", nullptr, false, Capturing({10, 20})));
  Graph graph = MustLoad(*store);
  const Record head = At(graph, "base@20");
  CheckAllOk(RunJob(*store, 2, spans, "base", &head, true, Capturing({30}, head.id)));
  REQUIRE_THAT(store->Fork(graph, head.id, "child", {}).status(), IsOk());
  REQUIRE_THAT(ReshapeRanks(*store, graph, head.id, 3, {"wide", {}}).status(), IsOk());
  SliceOptions whole;
  whole.parts = 2;
  REQUIRE_THAT(Slice(*store, graph, head.id, whole, {"slice", {}}).status(), IsOk());
  graph = MustLoad(*store);
  for (const char* name : {"child", "wide", "slice"}) {
    const Record from = At(graph, std::string(name) + "@");
    const int ranks = name == std::string("wide") ? 3 : 2;
    CheckAllOk(RunJob(*store, ranks, spans, name, &from, true, Capturing({40, 50}, from.id)));
  }
  graph = MustLoad(*store);
  for (const char* name : {"base@30", "child@40", "child@50", "wide@40", "wide@50"}) {
    INFO(name);
    CHECK(FrozenOf(At(graph, name)) == FrozenOf(head));
  }
  CHECK(At(graph, "slice@20").frozen_packs == 0);  // a derived state holds all in its own packs
  CHECK(At(graph, "slice@40").frozen_packs > 0);
  CHECK(FrozenOf(At(graph, "slice@40")) != FrozenOf(head));
  CHECK(FrozenOf(At(graph, "slice@50")) == FrozenOf(At(graph, "slice@40")));
  CheckWhole(*store);

  MemoryStorage other_disk;
  const std::unique_ptr<Store> other = OpenStore(other_disk);
  std::set<StateId> everything;
  for (const auto& [id, record] : graph.states) everything.insert(id);
  REQUIRE_THAT(Migrate(*store, graph, everything, *other, {}).status(), IsOk());
  CHECK(MustLoad(*other).states.size() == graph.states.size());
  CheckWhole(*other);
  for (const auto& [id, record] : graph.states) {
    CohortRoom room(static_cast<int>(RanksHeld(record)));
    CheckAllOk(SpawnRanks(room.size(), [&, of = &record](int rank) {
      ThreadCohort cohort(room, rank);
      return tests::CheckRestores(*other, *of, spans, cohort);
    }));
  }
}

TEST_CASE("what is trained again is written again, and each layout has its own frozen packs") {
  Thawed at;
  CHECK(FrozenOf(At(at.graph, "base@10")) == FrozenOf(At(at.graph, "base@20")));
  CHECK(At(at.graph, "base@30").frozen_packs == 0);
  CHECK(At(at.graph, "base@30").layout != At(at.graph, "base@20").layout);
  SoloCohort solo;
  for (const auto& [id, record] : at.graph.states) {
    const Role base = record.step < 30 ? Role::kFrozen : Role::kReplicated;
    CHECK_THAT(tests::CheckRestores(*at.store, record, Model(base), solo), IsOk());
  }
  const Record head = At(at.graph, "base@40");
  const auto statuses =
      RunJob(*at.store, 1, Model(), "base", &head, true, [](ToyRank& toy) -> Status {
        STEMMA_RETURN_IF_ERROR(CaptureAs(toy, 50, Role::kFrozen));
        CaptureRequest other;
        other.spans = Model();
        other.spans[1].shape = {61, 52};
        return toy.capturer->Capture(std::move(other));
      });
  CHECK_THAT(statuses[0], HasCode(Code::kInvalidArgument, "given other spans"));
  const Graph graph = MustLoad(*at.store);
  CHECK(At(graph, "base@50").frozen_packs == 1);
  CHECK(FrozenOf(At(graph, "base@50")) != FrozenOf(At(graph, "base@10")));
}

TEST_CASE("captures in flight name what the one before them writes, and fail with it") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  SoloCohort solo;
  ToySpans state(Model(), 0);
  ToyRank toy{*store, solo, state, nullptr, nullptr};
  LineageSettings settings = Settings();
  settings.depth = 2;
  settings.missed_captures_max = 9;
  REQUIRE_THAT(toy.Begin("base", false, settings), IsOk());
  const auto two = [&](int64_t step) {
    for (const int64_t at : {step, step + 1}) {
      state.Fill(at);
      CaptureRequest request;
      request.record.step = at;
      REQUIRE_THAT(toy.capturer->Capture(std::move(request)), IsOk());
      REQUIRE_THAT(toy.capturer->WaitCopied(), IsOk());
    }
    const auto durable = toy.capturer->Finish(solo);
    REQUIRE_THAT(durable.status(), IsOk());
    return durable->size();
  };
  disk.LimitBytes(30000);  // room for a log, and for what is not frozen
  CHECK(two(10) == 0);
  CHECK(IsNoSpace(toy.capturer->last_failure()));
  disk.LimitBytes(~uint64_t{0});
  CHECK(two(20) == 2);
  const Graph graph = MustLoad(*store);
  CHECK(graph.states.size() == 2);
  CHECK(FrozenOf(At(graph, "base@20")) == FrozenOf(At(graph, "base@21")));
  CHECK(Fsck(*store, {true})->orphans == 0);
  CheckRestores(*store, Model(), 1);
}

// One bit of an element, on all ranks alike.
Status CaptureChanged(ToyRank& toy, const std::string& span, size_t byte) {
  STEMMA_RETURN_IF_ERROR(Capturing({10})(toy));
  toy.state.Fill(20);
  for (size_t i = 0; i < toy.state.spans.size(); ++i) {
    if (toy.state.spans[i].name == span) toy.state.bytes[i].at(byte) ^= 1;
  }
  CaptureRequest request;
  request.record.step = 20;
  STEMMA_RETURN_IF_ERROR(toy.capturer->Capture(std::move(request)));
  STEMMA_RETURN_IF_ERROR(toy.capturer->WaitCopied());
  return toy.capturer->Finish(toy.cohort).status();
}

TEST_CASE("row 26: a frozen tensor that was changed is found by the next audit, by name") {
  struct Case {
    const char* span;
    size_t byte;  // of the span
    const char* element;
  };
  for (const int ranks : {1, 3}) {
    for (const Case& one : {Case{"base.w", 4 * 1234 + 3, "element 1234 on"},  // high plane
                            Case{"base.w", 4 * 21069, "element 21069 on"},    // low plane, last
                            Case{"base.h", 8 * 8, "element 8 on"}}) {
      MemoryStorage disk;
      const std::unique_ptr<Store> store = OpenStore(disk);
      const auto statuses =
          RunJob(*store, ranks, Model(), "base", nullptr, false,
                 [&](ToyRank& toy) { return CaptureChanged(toy, one.span, one.byte); });
      for (const Status& status : statuses) {
        INFO(status.message());
        CHECK_THAT(status, HasCode(Code::kCorruption, "frozen '" + std::string(one.span) +
                                                          "' was changed, from " + one.element));
      }
      CHECK(MustLoad(*store).states.size() == 1);
    }
  }
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  CHECK_THAT(RunJob(*store, 1, Model(), "base", nullptr, false,
                    [&](ToyRank& toy) { return CaptureChanged(toy, "head.w", 5); })[0],
             IsOk());
}

TEST_CASE("as many audits as there are rounds look at every chunk, whatever the ranks") {
  std::vector<Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {800000}),
                             ToySpans::MakeSpan("h", "params", DType::kF32, {8})};
  spans[0].role = Role::kFrozen;
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  CheckAllOk(RunJob(*store, 1, spans, "base", nullptr, false, Capturing({10})));
  const Record record = At(MustLoad(*store), "base@10");
  const Layout layout = *Layout::Of(spans);
  ToySpans state(spans, 0);
  state.Fill(10);
  for (const int ranks : {1, 2}) {
    std::vector<std::unique_ptr<FrozenSet>> sets;
    for (int rank = 0; rank < ranks; ++rank) {
      sets.push_back(std::make_unique<FrozenSet>(*store, record, layout));
      REQUIRE_THAT(sets.back()->Audit(state, rank, ranks, 1), IsOk());  // all of its share
    }
    for (const size_t element : {size_t{0}, size_t{524287}, size_t{524288}, size_t{799999}}) {
      state.bytes[0][4 * element] ^= 1;
      state.bytes[0][4 * element + 2] ^= 1;  // both planes
      int found = 0;
      for (uint64_t capture = 2; capture < 2 + kAuditEvery; ++capture) {
        for (int rank = 0; rank < ranks; ++rank) {
          const Status audit = sets[static_cast<size_t>(rank)]->Audit(state, rank, ranks, capture);
          if (audit.ok()) continue;
          ++found;
          CHECK_THAT(audit, HasCode(Code::kCorruption, "element " + std::to_string(element)));
        }
      }
      CHECK(found == 2);  // the chunk of its upper half, and that of the lower
      state.bytes[0][4 * element] ^= 1;
      state.bytes[0][4 * element + 2] ^= 1;
    }
  }
}

}  // namespace
}  // namespace stemma::lineage
