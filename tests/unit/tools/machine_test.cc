#include "tools/cli/machine.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include <catch2/catch.hpp>

namespace stemma::cli {
namespace {

const Fact* Find(const std::vector<Fact>& facts, const std::string& name) {
  for (const Fact& fact : facts) {
    if (fact.name == name) return &fact;
  }
  return nullptr;
}

TEST_CASE("doctor leaves nothing behind in the folder it looked at", "[doctor]") {
  const std::filesystem::path dir = std::filesystem::path(std::getenv("TEST_TMPDIR")) / "store";
  std::filesystem::create_directories(dir);
  const auto facts = InspectStorage(dir.string());
  CHECK(std::filesystem::is_empty(dir));
  REQUIRE(Find(facts, "fsync"));
  CHECK(Find(facts, "fsync")->verdict != Verdict::kBad);
}

TEST_CASE("a store that is not there yet is judged by the folder it would be made in", "[doctor]") {
  const std::string dir = std::string(std::getenv("TEST_TMPDIR")) + "/a/b/c";
  const auto facts = InspectStorage(dir);
  CHECK_FALSE(std::filesystem::exists(dir));
  REQUIRE(Find(facts, "store"));
  CHECK(Find(facts, "store")->value.find("not made yet") != std::string::npos);
}

TEST_CASE("a folder that cannot be written is BAD and says why", "[doctor]") {
  const auto facts = InspectStorage("/proc");
  REQUIRE(Find(facts, "writable"));
  CHECK(Find(facts, "writable")->verdict == Verdict::kBad);
  CHECK_FALSE(Find(facts, "writable")->cure.empty());
}

TEST_CASE("a secret in the environment is not shown", "[doctor]") {
  setenv("SLURM_JOB_TOKEN", "hunter2", 1);
  setenv("OMPI_MCA_btl", "self,vader", 1);
  const auto facts = InspectMachine();
  REQUIRE(Find(facts, "SLURM_JOB_TOKEN"));
  CHECK(Find(facts, "SLURM_JOB_TOKEN")->value == "(masked)");
  CHECK(Find(facts, "OMPI_MCA_btl")->value == "self,vader");
  const auto json = nlohmann::json::parse(FactsJson(facts));
  CHECK(json["environment"]["OMPI_MCA_btl"] == "self,vader");
  CHECK(json["machine"].contains("cores"));
}

}  // namespace
}  // namespace stemma::cli
