#include "ops/handshake.h"

#include <catch2/catch.hpp>
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"

namespace stemma::ops {
namespace {

using tests::HasCode;
using tests::IsOk;

std::vector<Status> Compare(const std::vector<ModelDescription>& of_rank) {
  tests::CohortRoom room(static_cast<int>(of_rank.size()));
  return tests::SpawnRanks(static_cast<int>(of_rank.size()), [&](int rank) {
    tests::ThreadCohort cohort(room, rank);
    return CompareModels(cohort, of_rank[static_cast<size_t>(rank)]);
  });
}

const ModelDescription kModel = {{{"conv1.weight", "f32[64,64,1,1]"}, {"fc.bias", "f32[10]"}}};

TEST_CASE("equal models pass on any number of ranks") {
  for (int ranks : {1, 2, 3}) {
    for (const Status& s : Compare(std::vector<ModelDescription>(ranks, kModel))) {
      CHECK_THAT(s, IsOk());
    }
  }
}

TEST_CASE("a difference is the same error on every rank and names ranks by value") {
  ModelDescription other = kModel;
  other.entries[0].second = "f32[64,3,7,7]";
  const auto results = Compare({kModel, other, kModel});
  for (const Status& s : results) {
    CHECK_THAT(s, HasCode(Code::kIncompatible,
                          "\"conv1.weight\": ranks {0,2} f32[64,64,1,1], "
                          "rank {1} f32[64,3,7,7]"));
    CHECK(s.message() == results[0].message());
    CHECK(s.message().find("fc.bias") == std::string::npos);
  }
}

TEST_CASE("a parameter that one rank lacks is named") {
  ModelDescription other = kModel;
  other.entries.pop_back();
  for (const Status& s : Compare({kModel, kModel, kModel, other})) {
    CHECK_THAT(
        s, HasCode(Code::kIncompatible, "\"fc.bias\": ranks {0,1,2} f32[10], rank {3} missing"));
  }
}

TEST_CASE("the same parameters in another order are refused") {
  ModelDescription other = kModel;
  std::swap(other.entries[0], other.entries[1]);
  for (const Status& s : Compare({kModel, other})) {
    CHECK_THAT(s, HasCode(Code::kIncompatible,
                          "entry 0: rank {0} \"conv1.weight\", rank {1} \"fc.bias\""));
  }
}

TEST_CASE("a whole other model does not fill the screen") {
  ModelDescription many;
  for (int i = 0; i < 100; ++i) many.entries.emplace_back("p" + std::to_string(i), "f32[1]");
  for (const Status& s : Compare({many, {}})) {
    CHECK_THAT(s, HasCode(Code::kIncompatible,
                          "\"p4\": rank {0} f32[1], rank {1} missing; and "
                          "95 more"));
  }
}

TEST_CASE("digests that differ name the ranks") {
  tests::CohortRoom room(3);
  const auto results = tests::SpawnRanks(3, [&](int rank) {
    tests::ThreadCohort cohort(room, rank);
    return CompareDigests(cohort, rank == 2 ? 255 : 1, "parameters");
  });
  for (const Status& s : results) {
    CHECK_THAT(s, HasCode(Code::kIncompatible,
                          "parameters differ: ranks {0,1} 0100000000000000, "
                          "rank {2} ff00000000000000"));
  }
}

}  // namespace
}  // namespace stemma::ops
