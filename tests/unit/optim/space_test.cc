// How the passes go through the flat memory: what decides speed, and must leave nothing out.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "optim/space.h"

#include <catch2/catch.hpp>
#include "tests/support/fake_reducer.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using tests::FakeReducer;
using tests::IsOk;

ops::Parameter Weight(const std::string& name, std::vector<int64_t> shape) {
  return {name, ops::ParameterRole::kWeight, torch::zeros(shape)};
}

TEST_CASE("groups: which tensors stay in the cache, and whose updates are kept") {
  FakeReducer reducer({Weight("small", {100}), Weight("cached", {1024, 1024}),
                       Weight("kept", {1025, 1024}), Weight("huge", {4097, 1024})});
  OptimSettings settings;
  settings.name = "lamb";
  auto spaces = MakeSpaces(settings, reducer);
  REQUIRE_THAT(spaces.status(), IsOk());
  const Space& space = spaces->at(0);
  int64_t tensors = 0;
  for (const Group& group : space.groups) {
    CHECK(group.first_tensor == tensors);
    for (; tensors < group.end_tensor; ++tensors) {
      const TensorPart& part = space.tensors[static_cast<size_t>(tensors)];
      const std::string& name = reducer.parameters()[part.parameter].name;
      INFO(name);
      CHECK(group.cached == (name == "small" || name == "cached"));
      CHECK(group.keeps_updates == (name != "huge"));
      CHECK(group.first <= part.state);
      CHECK(part.state + part.count <= group.first + group.count);
    }
  }
  CHECK(tensors == 4);
}

TEST_CASE("backwards are runs of chunks, each run forwards; no chunk is left out") {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  std::vector<int64_t> order;
  ForChunks(5, 155, Order::kBackwards, [&](int64_t i) { order.push_back(i); });
  at::set_num_threads(before);
  const std::pair<int64_t, int64_t> runs[] = {{91, 155}, {27, 91}, {5, 27}};
  std::vector<int64_t> expected;
  for (const auto& [first, last] : runs) {
    for (int64_t i = first; i < last; ++i) expected.push_back(i);
  }
  CHECK(order == expected);
}

}  // namespace
}  // namespace stemma::optim
