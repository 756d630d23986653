#include "tools/cli/trace_merge.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::cli {
namespace {

TEST_CASE("traces of several ranks become one, also a torn one", "[trace]") {
  const char* base = std::getenv("TEST_TMPDIR");
  const std::string run = std::string(base == nullptr ? "." : base) + "/run";
  std::filesystem::create_directories(run + "/inc-0001/logs");
  std::filesystem::create_directories(run + "/inc-0002/logs");
  CHECK_THAT(FindTraces(run).status(), tests::HasCode(Code::kNotFound, "diagnose.trace=on"));
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(run + "/" + name) << text;
  };
  write("inc-0001/logs/trace.0.json", "[\n{\"old\":1}\n]\n");
  write("inc-0002/logs/trace.10.json", "[\n{\"pid\":10},\n{\"pid\":10,\"na");
  write("inc-0002/logs/trace.2.json", "[\n{\"pid\":2},\n{\"pid\":2,\"x\":[1,2]}\n]\n");
  write("inc-0002/logs/flight.2.json", "{}");
  const auto paths = FindTraces(run);
  REQUIRE_THAT(paths.status(), tests::IsOk());
  REQUIRE(paths->size() == 2);
  CHECK(paths->at(0) == run + "/inc-0002/logs/trace.2.json");
  const auto merged = MergeTraces(*paths);
  REQUIRE_THAT(merged.status(), tests::IsOk());
  CHECK(merged->events == 3);
  CHECK(merged->dropped == 1);
  const auto json = nlohmann::json::parse(merged->json);
  REQUIRE(json.size() == 3);
  CHECK(json[2]["pid"] == 10);
  CHECK(nlohmann::json::parse(MergeTraces({})->json).empty());
  CHECK_THAT(MergeTraces({run + "/absent"}).status(), tests::HasCode(Code::kIo, "absent"));
}

}  // namespace
}  // namespace stemma::cli
