// The comparison that `bisect --where` takes.
#include <limits>
#include <optional>
#include <string>

#include "tools/cli/condition.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::cli {
namespace {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("a condition holds, does not, or asks for what is not there") {
  lineage::Record record;
  record.id = std::string(32, 'i');
  record.step = 200;
  record.samples = 6400;
  record.epoch = 1.5;
  record.metrics = {{"loss", 2.5}, {"nan", std::numeric_limits<double>::quiet_NaN()}};
  record.attributes = {
      {"n", int64_t{3}}, {"flag", true}, {"text", std::string("x")}, {"top1", 0.5}};
  lineage::Graph graph;
  graph.notes[record.id]["top1"] = 0.75;
  const struct {
    const char* text;
    std::optional<bool> holds;
  } cases[] = {
      {"loss > 2", true},        {"loss>2.5", false},   {"loss >= 2.5", true},
      {"loss<2.5", false},       {"loss <= 2.5", true}, {"loss == 25e-1", true},
      {"loss != 2.5", false},    {"loss < inf", true},  {"step >= 200", true},
      {"samples<6400", false},   {"epoch > 1", true},   {"n == 3", true},
      {"flag == 1", true},       {"top1 > 0.6", true},  {"text == 1", std::nullopt},
      {"acc > 0", std::nullopt}, {"nan < 1", true},     {"nan > 1", true},
  };
  for (const auto& one : cases) {
    INFO(one.text);
    const auto condition = ParseCondition(one.text);
    REQUIRE_THAT(condition.status(), IsOk());
    CHECK(Holds(*condition, graph, record) == one.holds);
  }
}

TEST_CASE("what is no condition is refused with the form") {
  for (const char* text : {"", "loss", "loss >", "> 2", "loss = 2", "loss => 2", "loss > two",
                           "loss > 2x", "loss > nan", "loss > 2 and lr < 1"}) {
    INFO(text);
    CHECK_THAT(ParseCondition(text).status(), HasCode(Code::kInvalidArgument, "NAME OP NUMBER"));
  }
}

}  // namespace
}  // namespace stemma::cli
