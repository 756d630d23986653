#include "tools/cli/graph_lines.h"

#include <map>
#include <string>

#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::cli {
namespace {

using lineage::EdgeKind;
using lineage::Graph;
using lineage::Index;
using lineage::Record;
using lineage::Row;
using lineage::StateId;

StateId Id(int number) {
  StateId id(32, '\0');
  id[0] = static_cast<char>(0xa0 + number);
  return id;
}

// Adds a state; packs are named by their state, and a fork shares its parent's.
Record& Add(Graph* graph, int number, const std::string& run, int64_t step, double loss,
            const std::vector<int>& parents, EdgeKind kind = EdgeKind::kTrain) {
  Record record;
  record.id = Id(number);
  record.run = record.run_name = run;
  record.step = step;
  record.epoch = static_cast<double>(step) / 100;
  record.wall_ms = number;
  record.metrics["loss"] = loss;
  record.logical_bytes = 3000000;
  for (const int parent : parents) record.parents.push_back({Id(parent), kind});
  if (kind == EdgeKind::kFork) {
    record.packs = graph->states.at(Id(parents[0])).packs;
    record.reason = lineage::Reason::kFork;
  } else {
    record.packs = {{0, 1, record.id, 2000000}};
  }
  graph->runs[run].name = graph->runs[run].ulid = run;
  graph->runs[run].states.push_back(record.id);
  return graph->states[record.id] = record;
}

// These records have no settings, so no store is read.
Index IndexFrom(Graph graph) {
  lineage::LinkGraph(&graph);
  lineage::MemoryStorage disk;
  return IndexOf(graph, *lineage::OpenStore(disk));
}

std::string Text(Graph graph, const LogOptions& options) {
  const Index index = IndexFrom(std::move(graph));
  return LogText(index, AllRows(index), options);
}

// Two runs: r with three states, and f forked from its second.
Graph Forked() {
  Graph graph;
  Add(&graph, 1, "r", 100, 0.5, {});
  Add(&graph, 2, "r", 200, 0.25, {1});
  Add(&graph, 3, "r", 300, 0.125, {2});
  Add(&graph, 4, "f", 200, 0.25, {2}, EdgeKind::kFork).attributes["fork.set"] =
      std::string("optim.lr 0.1 -> 0.2");
  Add(&graph, 5, "f", 300, 0.0625, {4});
  graph.tags["best"] = {"best", 1, Id(5), "", "", 0};
  return graph;
}

TEST_CASE("the last line counts what is wanted: no pack that only pruned states name") {
  Graph graph = Forked();
  CHECK_THAT(Text(graph, {}),
             Catch::EndsWith("5 states, 2 runs; 8.00 MB stored for 15.0 MB logical\n"));
  graph.notes[Id(1)][lineage::kPrunedKey] = std::string("old");  // its pack is its own
  graph.notes[Id(2)][lineage::kPrunedKey] = std::string("old");  // its pack is the fork's too
  CHECK_THAT(Text(graph, {}),
             Catch::EndsWith("5 states, 2 runs; 6.00 MB stored for 9.00 MB logical\n"));
  graph.notes[Id(1)][lineage::kPrunedKey] = std::string();  // taken back
  CHECK_THAT(Text(graph, {}), Catch::EndsWith("8.00 MB stored for 12.0 MB logical\n"));
}

TEST_CASE("a quarantined state says so") {
  Graph graph = Forked();
  graph.notes[Id(2)][lineage::kQuarantinedKey] = std::string("pack x: cut");
  CHECK_THAT(Text(graph, {}), Catch::Contains("  quarantined\n"));
}

TEST_CASE("a fork is drawn as a branch that joins where it began", "[log]") {
  LogOptions options;
  options.lanes = true;
  CHECK(Text(Forked(), options) ==
        "●    a5000000  f@300  ep 3.00  loss 0.0625 (-0.19)  stored 2.00 MB  logical 3.00 MB"
        "  head  tag:best\n"
        "●    a4000000  f@200  ep 2.00  loss 0.25            stored 0 B      logical 3.00 MB"
        "  fork: optim.lr 0.1 -> 0.2\n"
        "│ ●  a3000000  r@300  ep 3.00  loss 0.125 (-0.12)   stored 2.00 MB  logical 3.00 MB"
        "  head\n"
        "├─╯\n"
        "●    a2000000  r@200  ep 2.00  loss 0.25 (-0.25)    stored 2.00 MB  logical 3.00 MB\n"
        "●    a1000000  r@100  ep 1.00  loss 0.5             stored 2.00 MB  logical 3.00 MB\n"
        "5 states, 2 runs; 8.00 MB stored for 15.0 MB logical\n");
}

TEST_CASE("a locale without UTF-8 gets the same picture in ASCII", "[log]") {
  LogOptions options;
  options.lanes = true;
  options.utf8 = false;
  const std::string text = Text(Forked(), options);
  CHECK(text.find("*    a4000000") != std::string::npos);
  CHECK(text.find("\n| *  a3000000") != std::string::npos);
  CHECK(text.find("\n|-'\n*    a2000000") != std::string::npos);
  for (const char c : text) CHECK(static_cast<unsigned char>(c) < 0x80);
}

TEST_CASE("three branches that meet, and a lane that passes between them", "[log]") {
  Graph graph;
  Add(&graph, 1, "r", 1, 1, {});
  Add(&graph, 2, "x", 1, 1, {});  // another root, older than the branches
  Add(&graph, 3, "r", 2, 1, {1});
  Add(&graph, 4, "x", 2, 1, {2});
  Add(&graph, 5, "b", 1, 1, {1}, EdgeKind::kFork);
  Add(&graph, 6, "c", 1, 1, {1}, EdgeKind::kFork);
  graph.states[Id(1)].wall_ms = 3;  // drawn before x@1, while x's lane is still open
  LogOptions options;
  options.lanes = true;
  const Index index = IndexFrom(graph);
  std::vector<LogRow> rows;
  for (const Row row : NewestFirst(index, AllRows(index))) rows.push_back({row, {}});
  std::vector<std::string> lanes;
  for (const LogLine& line : DrawLanes(index, rows, true)) lanes.push_back(line.lanes);
  CHECK(lanes ==
        std::vector<std::string>{"●", "│ ●", "│ │ ●", "│ │ │ ●", "├─┴─┼─╯", "●   │", "    ●"});
}

TEST_CASE("a reshape's lane is dashed, and a stack opens one for each of its parents", "[log]") {
  Graph graph;
  Add(&graph, 1, "r", 1, 1, {});
  Add(&graph, 2, "s", 1, 1, {});
  Record& stack = Add(&graph, 3, "e", 1, 1, {1, 2}, EdgeKind::kReshape);
  stack.attributes["reshape.how"] = std::string("stack");
  stack.attributes["reshape.set"] = std::string("of 2");
  Add(&graph, 4, "w", 1, 1, {1}, EdgeKind::kReshape).world = 8;  // by a training on other ranks
  const Index index = IndexFrom(graph);
  std::vector<LogRow> rows;
  for (const Row row : NewestFirst(index, AllRows(index))) rows.push_back({row, {}});
  const auto drawn = [&](bool utf8) {
    std::vector<std::string> lanes;
    for (const LogLine& line : DrawLanes(index, rows, utf8)) lanes.push_back(line.lanes);
    return lanes;
  };
  CHECK(drawn(true) == std::vector<std::string>{"●", "┆ ●", "┆ ├─╮", "┆ ┆ ●", "├─╯", "●"});
  CHECK(drawn(false) == std::vector<std::string>{"*", ": *", ": |-.", ": : *", "|-'", "*"});
  const std::string text = Text(graph, {});
  CHECK(text.find("reshape: stack of 2\n") != std::string::npos);
  CHECK(text.find("ranks 1 -> 8\n") != std::string::npos);
}

TEST_CASE("children come before parents even when clocks say otherwise", "[log]") {
  Graph graph;
  Add(&graph, 1, "r", 1, 1, {}).wall_ms = 900;  // a clock that was set back
  Add(&graph, 2, "r", 2, 1, {1}).wall_ms = 100;
  const Index index = IndexFrom(graph);
  std::vector<StateId> ids;
  for (const Row row : NewestFirst(index, AllRows(index))) ids.push_back(index.id[row]);
  CHECK(ids == std::vector<StateId>{Id(2), Id(1)});
}

TEST_CASE("only the newest are shown when that is asked, and the sum says so", "[log]") {
  LogOptions options;
  options.limit = 2;
  const std::string text = Text(Forked(), options);
  CHECK(text.find("a3000000") == std::string::npos);
  CHECK(text.find("2 of 5 states, 2 runs;") != std::string::npos);
}

TEST_CASE("a state that a resume left behind is marked", "[log]") {
  Graph graph;
  Add(&graph, 1, "r", 100, 1, {}).incarnation = 1;
  Add(&graph, 2, "r", 200, 1, {1}).incarnation = 1;
  Add(&graph, 3, "r", 200, 1, {1}).incarnation = 2;
  graph.runs["r"].newest_incarnation = 2;
  const std::string text = Text(graph, {});
  const size_t at = text.find("a2000000");
  REQUIRE(at != std::string::npos);
  CHECK(text.substr(at, text.find('\n', at) - at).find("left behind") != std::string::npos);
  CHECK(text.find("left behind") == text.rfind("left behind"));
}

TEST_CASE("an empty store has no lines but the sum", "[log]") {
  CHECK(Text({}, {}) == "0 states, 0 runs; 0 B stored for 0 B logical\n");
}

}  // namespace
}  // namespace stemma::cli
