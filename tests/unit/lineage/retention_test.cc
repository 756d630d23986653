#include "lineage/retention.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/policy.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::HasCode;

// Runs in one line of text each; a state is named "run@step".
class Family {
 public:
  // Appends to `run`; the parent is the run's state before, or `from`.
  StateId Add(const std::string& run, int64_t step, const std::string& from = "",
              double loss = NAN) {
    Record record;
    record.run = "ulid-" + run;
    record.run_name = run;
    record.incarnation = incarnation_[run] == 0 ? 1 : incarnation_[run];
    record.step = step;
    record.id = Sha256(run + "@" + std::to_string(step) + "#" + std::to_string(record.incarnation));
    const bool fork = !from.empty() && from.substr(0, from.find('@')) != run;
    RunEntry& entry = graph.runs[run];
    if (!from.empty()) {
      record.parents = {{Id(from), fork ? EdgeKind::kFork : EdgeKind::kTrain}};
    } else if (!entry.states.empty()) {
      record.parents = {{entry.states.back(), EdgeKind::kTrain}};
    }
    if (fork) record.packs = graph.states.at(Id(from)).packs;
    if (!fork) record.packs = {{0, 1, Sha256("pack of " + record.id), 100}};
    if (!std::isnan(loss)) record.metrics["loss"] = loss;
    entry.name = run;
    entry.ulid = record.run;
    entry.newest_incarnation = record.incarnation;
    entry.states.push_back(record.id);
    names_[run + "@" + std::to_string(step)] = record.id;
    graph.states[record.id] = record;
    LinkGraph(&graph);
    return record.id;
  }
  void Restart(const std::string& run) {
    incarnation_[run] = graph.runs[run].newest_incarnation + 1;
  }
  StateId Id(const std::string& name) const { return names_.at(name); }
  void Mark(const std::string& name, const std::string& key, AttributeValue value) {
    graph.notes[Id(name)][key] = std::move(value);
  }
  std::set<int64_t> Kept(const std::string& policy, const std::string& run = "a") const {
    const Result<Policy> parsed = ParsePolicy(policy);
    REQUIRE_THAT(parsed.status(), tests::IsOk());
    std::set<int64_t> steps;
    for (const auto& [id, rule] : KeptBy(graph, *parsed)) {
      if (graph.states.at(id).run_name == run) steps.insert(graph.states.at(id).step);
    }
    return steps;
  }

  Graph graph;

 private:
  std::map<std::string, StateId> names_;
  std::map<std::string, uint32_t> incarnation_;
};

LifeFacts OldFacts(double age = 1e6) {
  LifeFacts facts;
  facts.age_s = [age](const Record&) { return std::optional<double>(age); };
  facts.scope_age_s = [age](const std::string&) { return std::optional<double>(age); };
  return facts;
}

using Steps = std::set<int64_t>;

TEST_CASE("policies keep what they say, and the two newest always") {
  Family family;
  for (int64_t step = 100; step <= 1000; step += 100) {
    family.Add("a", step, "", std::abs(static_cast<double>(step) - 400));
  }
  struct Case {
    const char* policy;
    Steps kept;
  };
  const std::vector<Case> cases = {
      {"last 3", {800, 900, 1000}},
      {"last 1", {900, 1000}},  // the last one may be damaged
      {"heads", {900, 1000}},
      {"every 500", {100, 500, 900, 1000}},    // the run's first: it has passed 0
      {"best loss 2", {400, 500, 900, 1000}},  // 300 is as good as 500, which is newer
      {"best max loss 1", {900, 1000}},
      {"best nothing 2", {900, 1000}},
      {"last 3, every 500", {100, 500, 800, 900, 1000}},
      {"thin", {100, 300, 500, 700, 800, 900, 1000}},
  };
  for (const Case& one : cases) {
    INFO(one.policy);
    CHECK(family.Kept(one.policy) == one.kept);
  }
}

TEST_CASE("a policy that makes no sense is refused and says what would") {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "rules such as"},           {"last", "'last N'"},
      {"last 0", "1 or more"},         {"last -3", "1 or more"},
      {"lasst 3", "'last'"},           {"best 3", "K lowest"},
      {"best loss x", "K lowest"},     {"heads 2", "alone"},
      {"last 3,, heads", "between"},   {"every 1e3", "1 or more"},
      {"best min loss 2", "K lowest"},
  };
  for (const auto& [text, says] : cases) {
    CHECK_THAT(ParsePolicy(text).status(), HasCode(Code::kInvalidArgument, says));
  }
}

// What retention by names and numbers got wrong elsewhere.
TEST_CASE("retention goes by lineage") {
  Family family;
  SECTION("the tenth state is newer than the ninth, whatever its name sorts like") {
    for (const int64_t step : {8, 9, 10, 11}) family.Add("a", step);
    CHECK(family.Kept("last 2") == Steps{10, 11});
  }
  SECTION("a stale higher step of an abandoned branch does not win over the current run") {
    for (const int64_t step : {10, 20, 30, 40}) family.Add("a", step);
    family.Restart("a");
    family.Add("a", 21, "a@20");
    family.Add("a", 22);
    CHECK(family.Kept("last 2") == Steps{21, 22});
    CHECK(family.Kept("last 3") == Steps{20, 21, 22});
  }
  SECTION("the best is not rotated out, a NaN is never the best, best and last are not swapped") {
    family.Add("a", 10, "", 0.5);
    family.Add("a", 20, "", NAN);
    for (const int64_t step : {30, 40, 50}) family.Add("a", step, "", 1.0);
    family.graph.states.at(family.Id("a@20")).metrics["loss"] = NAN;
    CHECK(family.Kept("best loss 1") == Steps{10, 40, 50});
  }
  SECTION("a suspect, quarantined or pruned state takes nobody's place") {
    for (const int64_t step : {10, 20, 30, 40, 50}) family.Add("a", step);
    family.graph.states.at(family.Id("a@50")).audit = "suspect: rank 1";
    family.Mark("a@40", kQuarantinedKey, std::string("bit rot"));
    family.Mark("a@30", kPrunedKey, std::string("by hand"));
    LinkGraph(&family.graph);
    CHECK(family.Kept("last 2") == Steps{10, 20});
  }
  SECTION("every run keeps its own, and what a living fork came from") {
    for (const int64_t step : {10, 20, 30, 40}) family.Add("a", step);
    family.Add("b", 10, "a@10");
    CHECK(family.Kept("forkpoints") == Steps{10, 30, 40});
    CHECK(family.Kept("heads", "b") == Steps{10});
    family.Mark("b@10", kPrunedKey, std::string("over"));
    CHECK(family.Kept("forkpoints") == Steps{30, 40});
  }
}

TEST_CASE("what thin keeps today it kept yesterday") {
  Family family;
  Steps before;
  for (int64_t step = 1; step <= 130; ++step) {
    family.Add("a", step);
    const Steps kept = family.Kept("thin");
    for (const int64_t old : kept) CHECK((old == step || before.count(old) == 1));
    before = kept;
  }
  CHECK(before.size() < 30);
  CHECK(before.count(1) == 1);
}

TEST_CASE("a quarantined end of a living run is no root's place, and stays to be mended") {
  Family family;
  for (const int64_t step : {10, 20, 30, 40}) family.Add("a", step);
  family.Mark("a@40", kQuarantinedKey, std::string("bit rot"));
  LifeFacts facts = OldFacts();
  facts.living = {IncarnationKey("ulid-a", 1)};
  const Roots roots(family.graph, facts);
  CHECK(roots.Why(family.Id("a@40")) == "quarantined end of living run a");
  CHECK(roots.Why(family.Id("a@30")) == "head of living run a");
  CHECK(roots.Why(family.Id("a@20")) == "second newest of living run a");
  CHECK(roots.Why(family.Id("a@10")).empty());
}

TEST_CASE("each root has its reason, and a mark does not override it") {
  Family family;
  for (const int64_t step : {10, 20, 30, 40, 50}) family.Add("a", step);
  const StateId id = family.Id("a@10");
  LifeFacts facts = OldFacts();
  const auto why = [&](bool forkpoints = false) {
    return Roots(family.graph, facts, forkpoints).Why(id);
  };
  family.Mark("a@10", kPrunedKey, std::string("by hand"));
  CHECK(why().empty());
  SECTION("tag") {
    family.graph.tags["best"] = {"best", 1, id, "", "", 0};
    CHECK(why() == "tag:best");
  }
  SECTION("keep and critical, by a note or from the record, until a note takes it back") {
    family.graph.states.at(id).attributes[kCriticalKey] = true;
    CHECK(why() == "critical");
    family.Mark("a@10", kCriticalKey, false);
    CHECK(why().empty());
    family.Mark("a@10", kKeepKey, true);
    CHECK(why() == "marked to be kept");
  }
  SECTION("the newest two of a living incarnation") {
    facts.living.insert(IncarnationKey("ulid-a", 1));
    CHECK(why().empty());
    const Roots roots(family.graph, facts);
    CHECK(roots.Why(family.Id("a@50")) == "head of living run a");
    CHECK(roots.Why(family.Id("a@40")) == "second newest of living run a");
    CHECK(roots.Why(family.Id("a@30")).empty());
  }
  SECTION("scope: open, outlived, closed") {
    const StateId scope = ScopeTarget("s");
    family.graph.notes[scope] = {{kScopeNameKey, std::string("s")}, {kScopeOpenKey, true}};
    family.Mark("a@10", ScopeKey("s"), true);
    CHECK(why() == "open scope s");
    family.graph.notes[scope][kTtlKey] = 10.0;
    CHECK(why().empty());
    CHECK(Roots(family.graph, facts).WhyExpired(id) == "scope s outlived its 10.00 s");
    family.graph.notes[scope][kScopeOpenKey] = false;
    CHECK(Roots(family.graph, facts).WhyExpired(id) == "scope s is closed");
  }
  SECTION("time to live") {
    family.Mark("a@10", kTtlKey, 2e6);
    CHECK(why().find("time to live") == 0);
    facts = OldFacts(3e6);
    CHECK(why().empty());
  }
  SECTION("young, or of unknown age") {
    facts = OldFacts(10);
    CHECK(why().find("younger") == 0);
    facts.age_s = [](const Record&) { return std::nullopt; };
    CHECK(why().find("younger") == 0);
  }
  SECTION("fork point, by policy") {
    family.Add("b", 10, "a@10");
    CHECK(why().empty());
    CHECK(why(true) == "fork point");
  }
}

TEST_CASE("a plan counts a shared pack once, and frees it only when all who name it go") {
  Family family;
  family.Add("a", 10);
  family.Add("a", 20);
  family.Add("b", 10, "a@10");
  LifeFacts facts = OldFacts();
  const StateId a = family.Id("a@10"), b = family.Id("b@10"), c = family.Id("a@20");
  const auto freed = [&](const std::set<StateId>& wanted) {
    return PlanPrune(family.graph, facts, wanted).freed_bytes;
  };
  CHECK(freed({a}) == 0);
  CHECK(freed({c}) == 100);
  CHECK(freed({a, b}) == 100);
  CHECK(freed({a, b, c}) == 200);
  const PrunePlan plan = PlanPrune(family.graph, facts, {a, c});
  for (const PruneItem& item : plan.items) {
    CHECK(item.exclusive_bytes == (item.id == c ? 100u : 0u));
    CHECK(item.shared_bytes == (item.id == a ? 100u : 0u));
  }
  family.Mark("b@10", kPrunedKey, std::string("earlier"));
  CHECK(freed({a}) == 100);
  facts.held[family.graph.states.at(a).packs[0].pack] = "intent";
  CHECK(freed({a}) == 0);
  family.graph.tags["t"] = {"t", 1, c, "", "", 0};
  CHECK(freed({c}) == 0);
}

}  // namespace
}  // namespace stemma::lineage
