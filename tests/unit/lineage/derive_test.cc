// States made of other states' tensors: parts, stacks, merges, new packs. Every byte is known.
#include <algorithm>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/export.h"
#include "lineage/faulty_storage.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "lineage/pack.h"
#include "lineage/query/query.h"
#include "lineage/reader/state_reader.h"
#include "lineage/reshape/derive.h"
#include "lineage/restore.h"

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

// Cut by writers, small, empty, scalar, of several types, one per rank, one sharded.
std::vector<Span> Model(int rank, int ranks) {
  std::vector<Span> spans = {ToySpans::MakeSpan("net.w", "params", DType::kF32, {61, 53}),
                             ToySpans::MakeSpan("net.bias", "params", DType::kF32, {61}),
                             ToySpans::MakeSpan("net.none", "params", DType::kF32, {0, 3}),
                             ToySpans::MakeSpan("optim/m/net.w", "optim/m", DType::kF32, {61, 53}),
                             ToySpans::MakeSpan("mean", "buffers", DType::kF64, {61, 2}),
                             ToySpans::MakeSpan("count", "buffers", DType::kI64, {}),
                             ToySpans::MakeSpan("noise", "small", DType::kU8, {13}),
                             ToySpans::MakeSpan("optim/v/net.w", "optim/v", DType::kF32, {61, 53})};
  spans[6].role = Role::kPerRank;
  spans[7].role = Role::kSharded;
  const int64_t count = spans[7].count(), begin = count * rank / ranks;
  const int64_t end = count * (rank + 1) / ranks;
  spans[7].held = {{begin, end - begin}};
  return spans;
}

tests::SpansOfRank ModelOn(int ranks) {
  return [ranks](int rank) { return Model(rank, ranks); };
}

struct Scene {
  MemoryStorage disk;
  std::unique_ptr<Store> store = OpenStore(disk);

  StateId Train(const std::string& run, int ranks, int64_t step) {
    return TrainToy(*store, run, ranks, ModelOn(ranks), {step})[0];
  }
  Record Get(const StateId& id) const { return MustLoad(*store).states.at(id); }
  std::string Bytes(const StateId& id, const std::string& span, int rank = 0) const {
    const auto bytes = ReadSpan(*store, Get(id), span, rank);
    REQUIRE_THAT(bytes.status(), IsOk());
    return *bytes;
  }
  std::vector<Span> Spans(const StateId& id) const {
    const auto spans = SpansOf(*store, Get(id));
    REQUIRE_THAT(spans.status(), IsOk());
    return *spans;
  }
  std::vector<std::string> Names(const StateId& id) const {
    std::vector<std::string> names;
    for (const Span& span : Spans(id)) names.push_back(span.name);
    return names;
  }
  Span Spec(const StateId& id, const std::string& name) const {
    for (const Span& span : Spans(id)) {
      if (span.name == name) return span;
    }
    return {};
  }
};

using Names = std::vector<std::string>;

TEST_CASE("a slice holds the tensors that were chosen, bit for bit", "[reshape]") {
  Scene scene;
  const StateId from = scene.Train("base", 3, 10);
  const Graph graph = MustLoad(*scene.store);
  const auto spans = Model(0, 3);
  const struct {
    std::string name;
    Choice choice;
    Names holds;
    const char* text;
  } cases[] = {
      {"params", {{}, {}, {"params"}}, {"net.w", "net.bias", "net.none"}, "slice section params"},
      {"drop",
       {{}, {"optim/*", "noise"}, {}},
       {"net.w", "net.bias", "net.none", "mean", "count"},
       "slice drop optim/* drop noise"},
      {"keep",
       {{"*net.w"}, {}, {"optim/*"}},
       {"optim/m/net.w", "optim/v/net.w"},
       "slice keep *net.w section optim/*"},
  };
  for (const auto& one : cases) {
    for (const uint32_t parts : {1u, 3u}) {
      INFO(one.name << " in " << parts);
      SliceOptions options;
      options.choice = one.choice;
      options.parts = parts;
      const NewRun run{one.name + std::to_string(parts), {}};
      const auto made = Slice(*scene.store, graph, from, options, run);
      REQUIRE_THAT(made.status(), IsOk());
      CHECK(made->tensors == one.holds.size());
      CHECK(made->packs == parts);
      CHECK(scene.Names(made->id) == one.holds);
      const Record record = scene.Get(made->id);
      CHECK(ReshapeText(record) == one.text);
      CHECK(HowMade(record) == EdgeKind::kReshape);
      CHECK(record.step == 10);
      CHECK(record.metrics.empty());
      CHECK(record.ranks_held == 0);
      for (size_t i = 0; i < spans.size(); ++i) {
        if (!std::count(one.holds.begin(), one.holds.end(), spans[i].name)) continue;
        CHECK((scene.Bytes(made->id, spans[i].name) == ToyBytes(spans, i, 10)));
      }
      const Graph after = MustLoad(*scene.store);
      CHECK(BytesOf(after, record).own == made->bytes);
      CHECK(BytesOf(after, record).shared == 0);
    }
  }
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("rows are a range of the first dimension", "[reshape]") {
  Scene scene;
  const StateId from = scene.Train("base", 2, 10);
  const Graph graph = MustLoad(*scene.store);
  SliceOptions options;
  options.choice.keep = {"net.w", "mean", "net.bias", "optim/v/net.w"};
  options.rows = Elements{7, 20};
  const auto made = Slice(*scene.store, graph, from, options, {"rows", {}});
  REQUIRE_THAT(made.status(), IsOk());
  CHECK(scene.Spec(made->id, "net.w").shape == std::vector<int64_t>{20, 53});
  CHECK(scene.Spec(made->id, "net.bias").shape == std::vector<int64_t>{20});
  const auto spans = Model(0, 2);
  const auto part = [&](size_t at, size_t row) {
    return ToyBytes(spans, at, 10).substr(7 * row, 20 * row);
  };
  CHECK((scene.Bytes(made->id, "net.w") == part(0, 53 * 4)));
  CHECK((scene.Bytes(made->id, "net.bias") == part(1, 4)));
  CHECK((scene.Bytes(made->id, "mean") == part(4, 16)));
  CHECK((scene.Bytes(made->id, "optim/v/net.w") == part(7, 53 * 4)));
  CHECK(ReshapeText(scene.Get(made->id)).find("rows 7:27") != std::string::npos);
  CHECK(std::get<int64_t>(scene.Get(made->id).attributes.at("reshape.end")) == 27);
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("what cannot be cut or put together is refused before a run is begun", "[reshape]") {
  Scene scene;
  const StateId a = scene.Train("a", 2, 10), b = scene.Train("b", 3, 10);
  const StateId odd =
      TrainToy(*scene.store, "odd", 1,
               SameOnAll({ToySpans::MakeSpan("net.w", "params", DType::kF64, {61, 53}),
                          ToySpans::MakeSpan("more", "params", DType::kF32, {2})}),
               {10})[0];
  const Graph graph = MustLoad(*scene.store);
  const auto slice = [&](SliceOptions options) {
    return Slice(*scene.store, graph, a, options, {"x", {}}).status();
  };
  const auto with = [](Names keep, std::optional<Elements> rows, bool drop = false,
                       uint32_t parts = 1) {
    SliceOptions options;
    options.choice.keep = std::move(keep);
    options.rows = rows;
    options.drop_dimension = drop;
    options.parts = parts;
    return options;
  };
  const auto none = std::optional<Elements>();
  CHECK_THAT(slice(with({"net.ww"}, none)), HasCode(Code::kNotFound, "did you mean 'net.w'"));
  CHECK_THAT(slice(with({"net.w"}, Elements{0, 62})),
             HasCode(Code::kInvalidArgument, "'net.w' [61, 53]"));
  CHECK_THAT(slice(with({"count"}, Elements{0, 1})), HasCode(Code::kInvalidArgument, "'count' []"));
  CHECK_THAT(slice(with({"net.w"}, Elements{-1, 2})), HasCode(Code::kInvalidArgument));
  CHECK_THAT(slice(with({"net.w"}, Elements{1, 0})), HasCode(Code::kInvalidArgument));
  CHECK_THAT(slice(with({"net.w"}, Elements{INT64_MAX, 1})), HasCode(Code::kInvalidArgument));
  CHECK_THAT(slice(with({"net.w"}, Elements{0, 2}, true)),
             HasCode(Code::kInvalidArgument, "one row"));
  CHECK_THAT(slice(with({"net.w"}, none, true)), HasCode(Code::kInvalidArgument, "one row"));
  CHECK_THAT(slice(with({}, none, false, 0)), HasCode(Code::kInvalidArgument, "1 to 4096 packs"));
  CHECK_THAT(slice(with({std::string(5000, '*')}, none)), HasCode(Code::kInvalidArgument, "4096"));
  SliceOptions nothing;
  nothing.choice = {{"net.w"}, {"net.*"}, {}};
  CHECK_THAT(slice(nothing), HasCode(Code::kNotFound, "no tensor is left by: keep net.w drop"));

  const auto stack = [&](std::vector<StateId> of, Choice choice = {}) {
    return Stack(*scene.store, graph, of, {std::move(choice), 1}, {"x", {}}).status();
  };
  CHECK_THAT(stack({a}), HasCode(Code::kInvalidArgument, "2 to 64"));
  CHECK_THAT(stack({a, a}), HasCode(Code::kInvalidArgument, "named twice"));
  CHECK_THAT(stack({a, StateId(32, 'x')}), HasCode(Code::kNotFound));
  CHECK_THAT(stack({a, b}), HasCode(Code::kIncompatible, "each of 2 ranks, b@10 of 3"));
  CHECK_THAT(stack({a, odd}), HasCode(Code::kIncompatible, "odd@10 and a@10"));
  CHECK_THAT(stack({a, odd}, {{"net.w"}, {}, {}}), HasCode(Code::kIncompatible, "'net.w'"));
  CHECK_THAT(stack({a, odd}, {{"mean"}, {}, {}}), HasCode(Code::kNotFound, "odd@10: no tensor"));
  CHECK_THAT(Merge(*scene.store, graph, {a, odd}, {}, {"x", {}}).status(),
             HasCode(Code::kIncompatible, "both a@10 and odd@10 have a tensor 'net.w'"));
  CHECK_THAT(Rebalance(*scene.store, graph, a, 2, {"b", {}}).status(),
             HasCode(Code::kInvalidArgument, "'b' exists"));
  CHECK(MustLoad(*scene.store).runs.size() == 3);
}

TEST_CASE("a stack has its members as rows, and all of them as parents", "[reshape]") {
  Scene scene;
  const StateId a = scene.Train("a", 2, 10), b = scene.Train("b", 2, 20),
                c = scene.Train("c", 2, 30);
  const Graph before = MustLoad(*scene.store);
  const auto made = Stack(*scene.store, before, {a, b, c}, {{}, 2}, {"e", {}});
  REQUIRE_THAT(made.status(), IsOk());
  const auto spans = Model(0, 2);
  CHECK(scene.Spec(made->id, "net.w").shape == std::vector<int64_t>{3, 61, 53});
  CHECK(scene.Spec(made->id, "count").shape == std::vector<int64_t>{3});
  CHECK(scene.Spec(made->id, "noise").role == Role::kPerRank);
  for (size_t i = 0; i < spans.size(); ++i) {
    for (const int rank : {0, 1}) {
      INFO(spans[i].name << " of rank " << rank);
      const std::string want = ToyBytes(spans, i, 10, rank) + ToyBytes(spans, i, 20, rank) +
                               ToyBytes(spans, i, 30, rank);
      CHECK((scene.Bytes(made->id, spans[i].name, rank) == want));
    }
  }
  SliceOptions third;
  third.rows = Elements{2, 1};
  third.drop_dimension = true;
  const auto member = Slice(*scene.store, MustLoad(*scene.store), made->id, third, {"m", {}});
  REQUIRE_THAT(member.status(), IsOk());
  CHECK(scene.Get(member->id).layout == scene.Get(c).layout);
  for (const Span& span : spans) {
    CHECK((scene.Bytes(member->id, span.name, 1) == scene.Bytes(c, span.name, 1)));
  }
  // All parents in graph, index and queries.
  const Graph graph = MustLoad(*scene.store);
  CHECK(Predecessors(graph, made->id) == std::vector<StateId>{a, b, c});
  CHECK(Successors(graph, b) == std::vector<StateId>{made->id});
  CHECK(Ancestors(graph, member->id) == std::vector<StateId>{made->id, a, b, c});
  CHECK(Descendants(graph, c) == std::vector<StateId>{made->id, member->id});
  CHECK(IsForkPoint(graph, c));
  const Index index = IndexOf(graph, *scene.store);
  CHECK(index.ParentsOf(index.Find(made->id)).size() == 3);
  const auto found = [&](const std::string& text) {
    const auto answer = Find(*ParseQuery(text), index);
    REQUIRE_THAT(answer.status(), IsOk());
    std::vector<std::string> names;
    for (const Row row : answer->rows) names.push_back(index.runs[index.run[row]].name);
    std::sort(names.begin(), names.end());
    return names;
  };
  CHECK(found("parents(e@)") == Names{"a", "b", "c"});
  CHECK(found("ancestors(m@)") == Names{"a", "b", "c", "e", "m"});
  CHECK(found("descendants(b@)") == Names{"b", "e", "m"});
  CHECK(found("roots(::m@)") == Names{"a", "b", "c"});
  CHECK(found("path(a@, c@)") == Names{});
  CHECK(found("lca(m@, b@)") == Names{"b"});
  CHECK(found("attr.'reshape.how' = 'stack'") == Names{"e"});
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("a merge holds what each of the states holds", "[reshape]") {
  Scene scene;
  const StateId a = scene.Train("a", 2, 10);
  const StateId other =
      TrainToy(*scene.store, "other", 1,
               SameOnAll({ToySpans::MakeSpan("head", "params", DType::kF32, {5})}), {7})[0];
  const auto made = Merge(*scene.store, MustLoad(*scene.store), {other, a},
                          {{{}, {"noise"}, {}}, 1}, {"both", {}});
  // The pattern must fit in each: `other` has no noise.
  CHECK_THAT(made.status(), HasCode(Code::kNotFound, "other@7: no tensor fits 'noise'"));
  SliceOptions quiet;
  quiet.choice.drop = {"noise"};
  const auto part = Slice(*scene.store, MustLoad(*scene.store), a, quiet, {"quiet", {}});
  REQUIRE_THAT(part.status(), IsOk());
  const auto both =
      Merge(*scene.store, MustLoad(*scene.store), {other, part->id}, {}, {"both", {}});
  REQUIRE_THAT(both.status(), IsOk());
  CHECK(both->tensors == 8);
  CHECK(scene.Get(both->id).step == 7);
  CHECK((scene.Bytes(both->id, "head") == scene.Bytes(other, "head")));
  CHECK((scene.Bytes(both->id, "optim/v/net.w") == scene.Bytes(a, "optim/v/net.w")));
  REQUIRE_THAT(ExportSafetensors(*scene.store, scene.Get(both->id), "/m.safetensors", {}).status(),
               IsOk());
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("rebalanced packs are equal in size and hold the same state", "[reshape]") {
  Scene scene;
  const StateId from = scene.Train("base", 3, 10);
  const Record parent = scene.Get(from);
  for (const uint32_t parts : {1u, 2u, 3u, 7u}) {
    INFO(parts << " parts");
    const NewRun run{"r" + std::to_string(parts), {}};
    const auto made = Rebalance(*scene.store, MustLoad(*scene.store), from, parts, run);
    REQUIRE_THAT(made.status(), IsOk());
    const Record record = scene.Get(made->id);
    CHECK(record.layout == parent.layout);  // the same structure has the same name
    CHECK(record.logical_bytes == parent.logical_bytes);
    CHECK(record.metrics == parent.metrics);
    CHECK(record.world == 3);
    CHECK(record.packs.size() <= parts);
    CHECK(record.packs.size() == made->packs);
    CHECK_THAT(RestoresOn(*scene.store, record, 3, ModelOn(3)), IsOk());
  }
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("a large state is cut into packs that differ by little", "[reshape]") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const auto spans = SameOnAll({ToySpans::MakeSpan("w", "params", DType::kF32, {700, 1000})});
  const StateId from = TrainToy(*store, "base", 1, spans, {10})[0];
  const auto made = Rebalance(*store, MustLoad(*store), from, 8, {"r", {}});
  REQUIRE_THAT(made.status(), IsOk());
  const Record record = MustLoad(*store).states.at(made->id);
  REQUIRE(record.packs.size() == 8);
  uint64_t least = ~uint64_t{0}, most = 0;
  for (const PackRef& pack : record.packs) {
    least = std::min(least, pack.bytes);
    most = std::max(most, pack.bytes);
  }
  CHECK(most - least <= 2 * kPackAlign);
  CHECK_THAT(RestoresOn(*store, record, 2, spans), IsOk());
}

TEST_CASE("a derived state outlives its parent's bytes, and damage there is named", "[reshape]") {
  Scene scene;
  const StateId from = scene.Train("base", 1, 10);
  const auto made = Rebalance(*scene.store, MustLoad(*scene.store), from, 2, {"r", {}});
  REQUIRE_THAT(made.status(), IsOk());
  const std::string pack = scene.store->PackPath(scene.Get(from).packs[0].pack);
  const uint64_t data = 8 + Decoder(*scene.disk.ReadAt(pack, 0, 8)).U64();
  REQUIRE(scene.disk.Flip(pack, data + 5));
  const Status damaged =
      Rebalance(*scene.store, MustLoad(*scene.store), from, 2, {"x", {}}).status();
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "state base@10"));
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "'net.w'"));
  CHECK(MustLoad(*scene.store).runs.at("x").states.empty());
  REQUIRE_THAT(scene.store->Mark(from, kPrunedKey, std::string("enough")), IsOk());
  REQUIRE_THAT(scene.disk.Remove(pack), IsOk());
  CHECK_THAT(RestoresOn(*scene.store, scene.Get(made->id), 1, ModelOn(1)), IsOk());
  CHECK_THAT(Rebalance(*scene.store, MustLoad(*scene.store), from, 2, {"y", {}}).status(),
             HasCode(Code::kNotFound, "its bytes are gone"));
  CHECK(FsckErrors(*scene.store) == Names());
}

TEST_CASE("wherever the disk fails or the machine dies, a derived state is whole or no state",
          "[reshape]") {
  for (const Fault fault :
       {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite, Fault::kDieHalf, Fault::kDieAfter}) {
    Scene scene;
    const StateId from = scene.Train("base", 2, 10);
    for (uint64_t n = 1;; ++n) {
      INFO("change " << n << ", fault " << static_cast<int>(fault));
      FaultyStorage faulty(scene.disk);
      const auto store = OpenStore(faulty);
      const std::string name = "r" + std::to_string(n);
      const Graph before = MustLoad(*store);
      faulty.FailAt(n, fault);
      const auto made = Rebalance(*store, before, from, 3, {name, {}});
      if (fault == Fault::kDieHalf || fault == Fault::kDieAfter) scene.disk.Crash();
      const Graph graph = MustLoad(*scene.store);
      if (made.ok()) CHECK(graph.states.count(made->id) == 1);
      for (const auto& [id, record] : graph.states) {
        if (record.run_name != name) continue;
        CHECK_THAT(RestoresOn(*scene.store, record, 2, ModelOn(2)), IsOk());
      }
      if (!faulty.fired()) {
        REQUIRE_THAT(made.status(), IsOk());
        break;
      }
    }
    CHECK(FsckErrors(*scene.store) == Names());
  }
}

}  // namespace
}  // namespace stemma::lineage
