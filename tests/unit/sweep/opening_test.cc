#include "tools/sweep/opening.h"

#include <string>

#include "lineage/memory_storage.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"
#include "tests/support/toy_sweep.h"

#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using tests::IsOk;

TEST_CASE("a rank has the cores of as many slots as the sweep begins with") {
  lineage::MemoryStorage disk;
  const auto store = lineage::Store::Open("/store", true, disk);
  REQUIRE_THAT(store.status(), IsOk());
  const auto threads = [&](const std::string& extra, const HostFacts& host) {
    const std::string text = "recipe = \"toy.toml\"\n[sweep]\nname = \"s\"\nslots = 2\n" + extra;
    const auto graph = (*store)->Load();
    REQUIRE_THAT(graph.status(), IsOk());
    const auto sweep = OpenSweep(**store, *graph, text, tests::ToySpecPath(), host);
    REQUIRE_THAT(sweep.status(), IsOk());
    return ThreadsOf(*sweep);
  };
  const std::string rates = "[knobs]\noptim.lr = { values = [0.1, 0.2] }\n";
  CHECK(threads(rates, {"build", 16, 0}) == 8);
  CHECK(threads(rates, {"build", 16, 4}) == 4);  // --slots=4
  CHECK(threads(rates, {"build", 2, 4}) == 1);   // more slots than cores
  CHECK(threads("[settings]\ndevice.threads = 3\n" + rates, {"build", 16, 4}) == 3);
  CHECK(threads("[knobs]\ndevice.threads = { values = [1, 2] }\n", {"build", 16, 4}) == 0);
}

}  // namespace
}  // namespace stemma::sweep
