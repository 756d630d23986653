#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/memory_storage.h"
#include "lineage/query/query.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {
namespace {

// A random family: state i has up to three parents below i. Reachability by closure of a matrix.
struct Dag {
  explicit Dag(std::mt19937* random, MemoryStorage* storage) {
    Graph graph;
    const size_t size = 1 + (*random)() % 14;
    std::vector<std::vector<size_t>> parents(size);
    before.assign(size, std::vector<bool>(size, false));
    for (size_t i = 0; i < size; ++i) {
      Record record;
      record.id = FromHex("ab0000" + std::string(1, "0123456789abcdef"[i]) + std::string(57, '0'));
      record.run = record.run_name = "r";
      record.step = static_cast<int64_t>(i);
      record.wall_ms = static_cast<int64_t>(i) + 1;
      for (size_t k = (*random)() % 3; i > 0 && k > 0; --k) {
        const size_t parent = (*random)() % i;
        if (before[parent][i]) continue;
        before[parent][i] = true;
        record.parents.push_back(
            {FromHex("ab0000" + std::string(1, "0123456789abcdef"[parent]) + std::string(57, '0')),
             EdgeKind::kTrain});
      }
      graph.runs["r"].name = graph.runs["r"].ulid = "r";
      graph.runs["r"].states.push_back(record.id);
      graph.states[record.id] = record;
    }
    for (size_t i = 0; i < size; ++i) before[i][i] = true;
    for (size_t k = 0; k < size; ++k) {
      for (size_t i = 0; i < size; ++i) {
        for (size_t j = 0; j < size; ++j)
          before[i][j] = before[i][j] || (before[i][k] && before[k][j]);
      }
    }
    LinkGraph(&graph);
    index = IndexOf(graph, *OpenStore(*storage));
  }

  std::set<int64_t> Steps(const std::string& text) const {
    const auto answer = Find(*ParseQuery(text), index);
    REQUIRE_THAT(answer.status(), tests::IsOk());
    std::set<int64_t> steps;
    for (const Row row : answer->rows) steps.insert(index.step[row]);
    return steps;
  }

  template <typename Predicate>
  std::set<int64_t> Where(Predicate predicate) const {
    std::set<int64_t> steps;
    for (size_t i = 0; i < before.size(); ++i) {
      if (predicate(i)) steps.insert(static_cast<int64_t>(i));
    }
    return steps;
  }

  std::vector<std::vector<bool>> before;  // [i][j]: i is j or an ancestor of it
  Index index;
};

TEST_CASE("sets of random families are what the closure of their edges says") {
  std::mt19937 random(20261121);
  MemoryStorage storage;
  for (int round = 0; round < 150; ++round) {
    const Dag dag(&random, &storage);
    const auto& before = dag.before;
    const size_t size = before.size(), x = random() % size, y = random() % size;
    const std::string a = "(step = " + std::to_string(x) + ")";
    const std::string b = "(step = " + std::to_string(y) + ")";
    const auto common = [&](size_t i) { return before[i][x] && before[i][y]; };
    const auto nearest = [&](size_t i) {
      for (size_t j = 0; j < size; ++j) {
        if (j != i && common(j) && before[i][j]) return false;
      }
      return common(i);
    };
    const auto on_way = [&](size_t i) {
      for (size_t top = 0; top < size; ++top) {
        if (nearest(top) && before[top][i] && (before[i][x] || before[i][y])) return true;
      }
      return false;
    };
    INFO("round " << round << ", " << size << " states, " << a << " " << b);
    CHECK(dag.Steps("::" + a) == dag.Where([&](size_t i) { return before[i][x]; }));
    CHECK(dag.Steps(a + "::") == dag.Where([&](size_t i) { return before[x][i]; }));
    CHECK(dag.Steps(a + "::" + b) ==
          dag.Where([&](size_t i) { return before[x][i] && before[i][y]; }));
    CHECK(dag.Steps("ancestors(" + a + "|" + b + ")") ==
          dag.Where([&](size_t i) { return before[i][x] || before[i][y]; }));
    CHECK(dag.Steps("lca(" + a + "," + b + ")") == dag.Where(nearest));
    CHECK(dag.Steps("path(" + a + "," + b + ")") == dag.Where(on_way));
    CHECK(dag.Steps("heads(::" + a + " | " + b + ")") == dag.Where([&](size_t i) {
      const auto in = [&](size_t j) { return before[j][x] || j == y; };
      for (size_t j = 0; j < size; ++j) {
        if (j != i && in(j) && before[i][j]) return false;
      }
      return in(i);
    }));
    CHECK(dag.Steps("roots(" + a + ":: | " + b + ")") == dag.Where([&](size_t i) {
      const auto in = [&](size_t j) { return before[x][j] || j == y; };
      for (size_t j = 0; j < size; ++j) {
        if (j != i && in(j) && before[j][i]) return false;
      }
      return in(i);
    }));
  }
}

}  // namespace
}  // namespace stemma::lineage
