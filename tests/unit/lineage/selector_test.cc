#include <map>
#include <string>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;

// A family by hand: base@100,200,300; incarnation 2 resumed from 200 and made 300 again, then 400;
// b is a fork of base@200 with 250.
class Family {
 public:
  Family() {
    Add("base", 1, 100, "", "aa000001");
    Add("base", 1, 200, "aa000001", "aa000002");
    Add("base", 1, 300, "aa000002", "aa000003");
    Add("base", 2, 300, "aa000002", "bb000001");
    Add("base", 2, 400, "bb000001", "bb000002");
    Add("b", 1, 200, "aa000002", "cc000001");
    Add("b", 2, 250, "cc000001", "cc000002");
    graph.tags["best"] = {"best", 1, Id("cc000002"), "", "", 0};
    graph.tags["lost"] = {"lost", 1, Id("dd000000"), "", "", 0};
    LinkGraph(&graph);
  }

  static StateId Id(const std::string& hex8) { return FromHex(hex8 + std::string(56, '0')); }

  void Add(const std::string& run, uint32_t incarnation, int64_t step, const std::string& parent,
           const std::string& id) {
    Record record;
    record.id = Id(id);
    record.run = record.run_name = run;
    record.incarnation = incarnation;
    record.step = step;
    record.packs.push_back(
        {0, 1, run == "b" && incarnation == 1 ? Id("aa000002") : record.id, 4096});
    if (!parent.empty()) {
      const bool fork = graph.states.at(Id(parent)).run != run;
      record.parents.push_back({Id(parent), fork ? EdgeKind::kFork : EdgeKind::kTrain});
    }
    graph.states[record.id] = record;
    RunEntry& entry = graph.runs[run];
    entry.ulid = entry.name = run;
    entry.states.push_back(record.id);
    entry.newest_incarnation = incarnation;
  }

  Graph graph;
};

std::string Named(const Graph& graph, const std::string& text) {
  Result<StateId> id = Resolve(graph, text);
  return id.ok() ? Hex(*id).substr(0, 8) : id.status().message();
}

TEST_CASE("every spelling of a selector names the state it says") {
  const Family family;
  const std::map<std::string, std::string> table = {
      {"base", "bb000002"},       {"base@", "bb000002"},      {"base@100", "aa000001"},
      {"base@300", "bb000001"},   {"base@<=399", "bb000001"}, {"base@<=1000", "bb000002"},
      {"base@~1", "bb000001"},    {"base@~2", "aa000002"},    {"base@400~3", "aa000001"},
      {"base@~", "bb000001"},     {"b@250~1~1", "aa000002"},  {"tag:best", "cc000002"},
      {"tag:best~2", "aa000002"}, {"aa000003", "aa000003"},   {"AA0000030", "aa000003"},
      {"b@", "cc000002"},         {"b@200", "cc000001"}};
  for (const auto& [text, id] : table) {
    INFO(text);
    CHECK(Named(family.graph, text) == id);
  }
}

TEST_CASE("a selector that names nothing says what is near") {
  const Family family;
  const Graph& graph = family.graph;
  CHECK_THAT(Resolve(graph, "base@250").status(),
             HasCode(Code::kNotFound, "base@200 and base@300"));
  CHECK_THAT(Resolve(graph, "base@500").status(), HasCode(Code::kNotFound, "base@400"));
  CHECK_THAT(Resolve(graph, "b@<=150").status(), HasCode(Code::kNotFound, "forked from base@200"));
  CHECK_THAT(Resolve(graph, "bsae@200").status(), HasCode(Code::kNotFound, "did you mean 'base'"));
  CHECK_THAT(Resolve(graph, "tag:bst").status(), HasCode(Code::kNotFound, "did you mean 'best'"));
  CHECK_THAT(Resolve(graph, "best").status(), HasCode(Code::kNotFound, "tag:best"));
  CHECK_THAT(Resolve(graph, "tag:lost").status(), HasCode(Code::kNotFound, "fsck"));
  CHECK_THAT(Resolve(graph, "ffffffff").status(), HasCode(Code::kNotFound, "begins with"));
  CHECK_THAT(Resolve(graph, "base@100~1").status(), HasCode(Code::kNotFound, "no parent"));
}

TEST_CASE("text that is no selector is refused and not guessed") {
  const Family family;
  const Graph& graph = family.graph;
  for (const char* text :
       {"", "base@x", "base@-1", "base@~x", "aa0000", "base@99999999999999999999"}) {
    INFO(text);
    CHECK_THAT(Resolve(graph, text).status(), HasCode(Code::kInvalidArgument));
  }
  CHECK_THAT(Resolve(graph, std::string(10000, '~')).status(), HasCode(Code::kInvalidArgument));
}

TEST_CASE("an id's prefix that fits several states lists them") {
  Family family;
  family.Add("base", 2, 500, "bb000002", "bb000002" + std::string(8, '1'));
  LinkGraph(&family.graph);
  CHECK_THAT(Resolve(family.graph, "bb000002").status(),
             HasCode(Code::kInvalidArgument, "base@400, incarnation 2"));
}

TEST_CASE("several side branches at one step are listed, a single one is taken") {
  Family family;
  family.Add("base", 1, 350, "aa000003", "ee000001");
  LinkGraph(&family.graph);
  CHECK(Named(family.graph, "base@350") == "ee000001");
  family.Add("base", 1, 350, "aa000003", "ee000002");
  LinkGraph(&family.graph);
  CHECK_THAT(Resolve(family.graph, "base@350").status(),
             HasCode(Code::kInvalidArgument, "several"));
}

TEST_CASE("the head is of the newest incarnation, and never a suspect state") {
  Family family;
  family.Add("base", 1, 900, "aa000003", "ee000001");  // a fenced process's late record
  LinkGraph(&family.graph);
  CHECK(Named(family.graph, "base@") == "bb000002");
  family.Add("base", 2, 500, "bb000002", "ee000002");
  family.graph.states.at(Family::Id("ee000002")).audit = "suspect: rank 1 differs";
  LinkGraph(&family.graph);
  CHECK(Named(family.graph, "base@") == "bb000002");
  const RunEntry& run = family.graph.runs.at("base");
  CHECK(MainLine(family.graph, run).size() == 4);
  CHECK(SideBranches(family.graph, run).size() == 3);
}

TEST_CASE("a fork owns nothing and shares its parent's bytes") {
  const Family family;
  const Graph& graph = family.graph;
  const StateBytes fork = BytesOf(graph, graph.states.at(Family::Id("cc000001")));
  CHECK(fork.own == 0);
  CHECK(fork.shared == 4096);
  CHECK(BytesOf(graph, graph.states.at(Family::Id("cc000002"))).own == 4096);
  CHECK(StoredBytes(graph) == 6 * 4096);
  CHECK(Ancestors(graph, Family::Id("cc000002")).size() == 3);
}

}  // namespace
}  // namespace stemma::lineage
