// Binary search over lines of every length and every place of the first bad state, with skips.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/bisect.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

// "gg?bb": good, good, skipped, bad, bad. The answer as first and last candidate.
struct Answer {
  size_t last_good = 0, first = 0, last = 0, probes = 0;
};

Answer Search(const std::string& line) {
  std::vector<StateId> ids;
  for (size_t i = 0; i < line.size(); ++i) ids.push_back(std::to_string(i));
  std::map<StateId, int> asked;
  const auto found = Bisect(ids, [&](const StateId& id) -> Result<Verdict> {
    CHECK(++asked[id] == 1);
    const size_t at = std::stoul(id);
    CHECK((at > 0 && at + 1 < line.size()));  // the ends are known
    return line[at] == 'g' ? Verdict::kGood : line[at] == 'b' ? Verdict::kBad : Verdict::kSkip;
  });
  REQUIRE_THAT(found.status(), IsOk());
  CHECK(found->probes == asked.size());
  REQUIRE_FALSE(found->candidates.empty());
  return {std::stoul(found->last_good), std::stoul(found->candidates.front()),
          std::stoul(found->candidates.back()), found->probes};
}

TEST_CASE("the first bad state is found wherever it is, in logarithmic time") {
  for (size_t length = 2; length <= 70; ++length) {
    size_t most = 0;
    for (size_t bad = 1; bad < length; ++bad) {
      const Answer answer = Search(std::string(bad, 'g') + std::string(length - bad, 'b'));
      CHECK(answer.last_good == bad - 1);
      CHECK(answer.first == bad);
      CHECK(answer.last == bad);
      most = std::max(most, answer.probes);
    }
    CHECK(most == ProbesAtMost(length));
  }
  CHECK(ProbesAtMost(2) == 0);
  CHECK(ProbesAtMost(3) == 1);
  CHECK(ProbesAtMost(1001) == 10);
}

TEST_CASE("skipped states widen the answer only where they touch the border") {
  const struct {
    const char* line;
    size_t last_good, first, last;
  } cases[] = {
      {"g?b", 0, 1, 2},      {"g???b", 0, 1, 4},    {"gg?bb", 1, 2, 3},     {"g?gbb", 2, 3, 3},
      {"ggb?b", 1, 2, 2},    {"g?g?b?b", 2, 3, 4},  {"gg??bbbb", 1, 2, 4},  {"gggg??b", 3, 4, 6},
      {"g?????gb", 6, 7, 7}, {"gb?????b", 0, 1, 1}, {"g??g?b??b", 3, 4, 5},
  };
  for (const auto& one : cases) {
    INFO(one.line);
    const Answer answer = Search(one.line);
    CHECK(answer.last_good == one.last_good);
    CHECK(answer.first == one.first);
    CHECK(answer.last == one.last);
  }
}

TEST_CASE("a probe that fails ends the search with its reason") {
  const auto found = Bisect({"0", "1", "2"}, [](const StateId&) -> Result<Verdict> {
    return Status(Code::kIo, "no verdict");
  });
  CHECK_THAT(found.status(), HasCode(Code::kIo, "no verdict"));
}

TEST_CASE("a line follows first parents, across forks, and says why there is none") {
  Graph graph;
  const auto add = [&](const std::string& run, int64_t step, const std::vector<StateId>& parents) {
    Record record;
    record.id = Sha256(run + std::to_string(step));
    record.run_name = run;
    record.step = step;
    for (const StateId& parent : parents) record.parents.push_back({parent, EdgeKind::kTrain});
    graph.states[record.id] = record;
    return record.id;
  };
  const StateId a = add("base", 1, {}), b = add("base", 2, {a}), c = add("base", 3, {b});
  const StateId f = add("fork", 2, {b}), g = add("fork", 4, {f, c});
  CHECK(*LineBetween(graph, a, g) == std::vector<StateId>{a, b, f, g});
  CHECK(*LineBetween(graph, b, c) == std::vector<StateId>{b, c});
  CHECK_THAT(LineBetween(graph, c, g).status(),
             HasCode(Code::kInvalidArgument, "fork@4 does not come from base@3"));
  CHECK_THAT(LineBetween(graph, g, a).status(),
             HasCode(Code::kInvalidArgument, "comes from the bad one"));
  CHECK_THAT(LineBetween(graph, a, a).status(), HasCode(Code::kInvalidArgument, "both ends"));
}

}  // namespace
}  // namespace stemma::lineage
