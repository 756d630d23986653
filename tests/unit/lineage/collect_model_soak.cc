#include <iostream>

#include "tests/unit/lineage/collect_search.h"

#include <catch2/catch.hpp>

// Danger: as in collect_model_test, with more actors at once than its minute allows. Each search
// takes a minute or so and up to 2 GB.

namespace stemma::lineage::collect_model {
namespace {

void Holds(const char* name, const Cast& cast) {
  const Found found = Explore(Rules{}, cast, false, 60'000'000);
  std::cout << name << ": " << found.states << " states, " << found.steps << " steps\n";
  for (const std::string& step : found.trace) std::cout << "    " << step << "\n";
  INFO(name);
  CHECK(found.broken == "");
  CHECK(found.complete);
}

}  // namespace

TEST_CASE("the whole cast on a disk that shows what is") {
  Cast cast;
  cast.forkers = cast.collectors = 2;
  cast.restorer = cast.writer = true;
  Holds("2 forkers, 2 collectors, writer, restorer", cast);
}

TEST_CASE("two forkers where views are stale") {
  Cast cast;
  cast.stale = true;
  cast.forkers = 2;
  Holds("stale: 2 forkers, 1 collector", cast);
}

TEST_CASE("two collectors and a restorer where views are stale") {
  Cast cast;
  cast.stale = cast.restorer = true;
  cast.collectors = 2;
  Holds("stale: 1 forker, 2 collectors, restorer", cast);
}

}  // namespace stemma::lineage::collect_model
