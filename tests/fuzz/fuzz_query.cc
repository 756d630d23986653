// What people type to find states, on a small tree with every kind of column.

#include "lineage/query/query.h"

#include <map>

#include "core/digest.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

using lineage::Graph;
using lineage::Index;
using lineage::Record;

// States 0 to 7: a line of run "r50" with a fork "warm" from 3 on, and 7 with two parents.
Record State(int number) {
  Record record = tests::SampleRecord();
  record.id = Sha256("state " + std::to_string(number));
  const bool warm = number > 3 && number < 7;
  record.run = record.run_name = warm ? "warm" : "r50";
  record.step = 100 * number;
  record.parents.clear();
  if (number > 0) {
    record.parents.push_back({Sha256("state " + std::to_string(number == 7 ? 3 : number - 1)),
                              number == 4 ? lineage::EdgeKind::kFork : lineage::EdgeKind::kTrain});
  }
  if (number == 7) record.parents.push_back({Sha256("state 6"), lineage::EdgeKind::kTrain});
  record.metrics = {{"loss", 8.0 - number}, {"acc", 0.1 * number}};
  if (number == 5) record.metrics.erase("acc");
  record.attributes = {{"good", number % 2 == 0}, {"note", std::string("a b")}};
  return record;
}

const Index& Tree() {
  static const Index index = [] {
    static lineage::MemoryStorage disk;
    const auto store = lineage::Store::Open("/store", true, disk);
    Require(store.ok(), "a store");
    Graph graph;
    for (int number = 0; number < 8; ++number) {
      Record record = State(number);
      record.settings = *(*store)->PutBlob("[optim]\nlr = 0." + std::to_string(number % 3 + 1));
      lineage::RunEntry& run = graph.runs[record.run_name];
      run.name = run.ulid = record.run_name;
      run.states.push_back(record.id);
      graph.states[record.id] = record;
    }
    graph.tags["best"] = {"best", 1, Sha256("state 6"), "me", "", 1};
    graph.notes[Sha256("state 1")][lineage::kPrunedKey] = std::string("old");
    LinkGraph(&graph);
    return IndexOf(graph, **store);
  }();
  return index;
}

}  // namespace

std::vector<std::string> Seeds() {
  return {"best(loss, 3) & descendants(r50@200) & lr > 0.1",
          "metric.acc > 0.2 and (hp.optim.lr in (0.1, 0.2) or note ~ '^a.*b$')",
          "heads() | roots() - not pruned()",
          "tag:best::r50@ order by metric.loss desc limit 2",
          "lca(r50@, warm@) , path(r50@0, warm@<=500~1)",
          "!exists(metric.nan) & older(2h)",
          "step % 200 = 0 and -loss + 2 * epoch >= 1.5e0",
          "highest(acc, 2, among=run('warm'))",
          "((((r50@100))))",
          "first(all(), 2) | last(live())"};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using stemma::fuzz::Require;
  const auto& index = stemma::fuzz::Tree();
  const auto query = stemma::lineage::ParseQuery(stemma::fuzz::View(data, size));
  if (!query.ok()) {
    Require(!query.status().message().empty(), "a refusal says why");
    return 0;
  }
  const auto answer = stemma::lineage::Find(*query, index, 1);
  if (!answer.ok()) return 0;
  std::vector<bool> seen(index.size(), false);
  for (const stemma::lineage::Row row : answer->rows) {
    Require(row < index.size() && !seen[row], "each row once, and of the index");
    seen[row] = true;
  }
  (void)stemma::lineage::ColumnsOf(*query, index, 1);
  return 0;
}
