// Row 19 of the lineage design at a size for every day: a hundred runs at once. The figure
// writers_1000 (tools/bench) has a thousand.
#include "tools/bench/many_writers.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::bench {
namespace {

using tests::IsOk;

TEST_CASE("row 19: a hundred runs write into one store at once, and nothing is lost") {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/writers_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const Result<ManyWritersReport> report = WriteAtOnce(folder + "/store", {4, 25, 2});
  std::filesystem::remove_all(folder);
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->faults == std::vector<std::string>{});
  CHECK(report->states == 200);
}

}  // namespace
}  // namespace stemma::bench
