#include "models/aigw/family_match.h"

#include <cstdio>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

FamilyMismatch Compared(const Binary& b, const FamilySettings& settings = {}) {
  const auto m = CompareFamilies(b, settings);
  REQUIRE_THAT(m.status(), IsOk());
  return *m;
}

// Expected: the Python references of both families, made once with another FFT and another grid.
TEST_CASE("families: ten binaries within 10 % of what the two references give") {
  const struct {
    Binary binary;
    double mismatch;
  } cases[] = {{{1, 0, 0}, 3.9e-4},    {{1, .8, .8}, 5.7e-4},  {{1, -.8, -.8}, 4.1e-4},
               {{2, .5, -.3}, 1.2e-3}, {{4, -.6, .4}, 1.1e-3}, {{8, -.8, -.8}, 3.6e-3},
               {{8, 0, 0}, 1.6e-3},    {{8, -.8, .8}, 1.6e-3}, {{8, .8, .8}, 7.9e-2},
               {{8, .8, -.8}, 1.2e-1}};
  for (const auto& one : cases) {
    INFO("q " << one.binary.q << " s1 " << one.binary.s1 << " s2 " << one.binary.s2);
    CHECK(Compared(one.binary).advanced_ligo == Approx(one.mismatch).epsilon(.1));
  }
}

TEST_CASE("families: the wrong sign of the phase is no small mismatch") {
  FamilySettings wrong;
  wrong.phase_sign = 1;
  CHECK(Compared({1, 0, 0}, wrong).advanced_ligo == Approx(.84).margin(.02));
}

TEST_CASE("families: what cannot be compared is refused") {
  CHECK_THAT(CompareFamilies({9, 0, 0}, {}).status(), HasCode(Code::kInvalidArgument, "q = 9"));
  FamilySettings settings;
  settings.total_mass = 5;
  CHECK_THAT(CompareFamilies({1, 0, 0}, settings).status(),
             HasCode(Code::kInvalidArgument, "30 to 100 solar masses"));
  settings.total_mass = 60;
  settings.hertz = {500, 500};
  CHECK_THAT(CompareFamilies({1, 0, 0}, settings).status(),
             HasCode(Code::kInvalidArgument, "500 to 500 Hz"));
}

TEST_CASE("families: the table, and a median over random binaries below 2e-3") {
  std::ostringstream out;
  REQUIRE_THAT(PrintFamilyTable(out, 40), IsOk());
  std::istringstream lines(out.str());
  std::string line;
  int binaries = 0;
  double median = 1, largest = 0;
  while (std::getline(lines, line)) {
    double q = 0, s1 = 0, s2 = 0, ligo = 0, flat = 0;
    if (std::sscanf(line.c_str(), "%lf %lf %lf %lf %lf", &q, &s1, &s2, &ligo, &flat) == 5) {
      ++binaries;
    }
    std::sscanf(line.c_str(), "median %lf", &median);
    std::sscanf(line.c_str(), "largest %lf", &largest);
  }
  WARN(out.str());
  CHECK(binaries == 10);
  CHECK(median < 2e-3);
  CHECK(median > 1e-4);
  CHECK(largest < .15);
  out.setstate(std::ios::badbit);
  CHECK_THAT(PrintFamilyTable(out, 0), HasCode(Code::kIo, "cannot be written"));
}

}  // namespace
}  // namespace stemma::models
