// What people type to name a state, on a small tree: two runs, a fork, two incarnations, a tag.

#include "core/digest.h"
#include "lineage/store.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

using lineage::Graph;
using lineage::Record;

void Add(Graph* graph, const std::string& run, uint32_t incarnation, int64_t step,
         const std::string& parent) {
  Record record = tests::SampleRecord();
  record.id = Sha256(run + std::to_string(incarnation) + "@" + std::to_string(step));
  record.run_name = run;
  record.incarnation = incarnation;
  record.step = step;
  record.parents.clear();
  if (!parent.empty()) {
    record.parents = {{parent, lineage::EdgeKind::kTrain}};
    graph->children[parent].push_back(record.id);
  }
  lineage::RunEntry& entry = graph->runs[run];
  entry.name = run;
  entry.ulid = tests::kSampleRun;
  entry.newest_incarnation = incarnation;
  entry.states.push_back(record.id);
  entry.head = record.id;
  graph->states[record.id] = record;
}

const Graph& Tree() {
  static const Graph graph = [] {
    Graph made;
    Add(&made, "r50", 1, 100, "");
    Add(&made, "r50", 1, 200, *made.runs["r50"].head);
    Add(&made, "r50", 2, 200, made.runs["r50"].states[0]);
    Add(&made, "r50", 2, 300, *made.runs["r50"].head);
    Add(&made, "warm", 1, 300, *made.runs["r50"].head);
    made.runs["empty"].name = "empty";
    made.tags["best"] = {"best", 2, *made.runs["warm"].head, "me", "why", 1};
    made.tags["lost"] = {"lost", 1, Sha256("nowhere"), "me", "why", 1};
    return made;
  }();
  return graph;
}

}  // namespace

std::vector<std::string> Seeds() {
  return {"r50@",     "r50",      "r50@200",  "r50@<=250", "r50@~2",     "r50@300~1",
          "tag:best", "tag:lost", "tag:nope", "empty@",    "1f2e3d4c5b", "warm@999999999999999999"};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto& tree = stemma::fuzz::Tree();
  const auto id = stemma::lineage::Resolve(tree, stemma::fuzz::View(data, size));
  stemma::fuzz::Require(!id.ok() || tree.states.count(*id) == 1, "what was found is in the graph");
  stemma::fuzz::Require(id.ok() || !id.status().message().empty(), "a refusal says why");
  return 0;
}
