#include "models/aigw/phenomd.h"

#include <cmath>
#include <limits>

#include "models/aigw/phenomt.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;

const Binary kPoints[] = {{1, 0, 0}, {1, .8, -.8}, {3.3, .1, .2}, {8, .8, .8}, {8, -.8, -.8}};

TEST_CASE("phenomd: a binary outside the domain is refused by name and range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](double q, double s1, double s2) {
    return PhenomD::Make(q, s1, s2).status();
  };
  CHECK_THAT(refused(.5, 0, 0), HasCode(Code::kInvalidArgument, "q = 0.5 is outside"));
  CHECK_THAT(refused(2, nan, 0), HasCode(Code::kInvalidArgument, "s1 = "));
  CHECK_THAT(refused(2, 0, -.81), HasCode(Code::kInvalidArgument, "s2 = -0.81"));
}

TEST_CASE("phenomd: amplitude and phase are continuous with their slopes where regions meet") {
  for (const Binary& p : kPoints) {
    const auto wave = PhenomD::Make(p.q, p.s1, p.s2);
    const PhenomDStages& s = wave->stages();
    const auto kink = [](auto f, double at) {
      const double h = 1e-8;
      return std::abs((f(at + h) - f(at)) - (f(at) - f(at - h))) / h;
    };
    const auto amplitude = [&](double f) { return wave->Amplitude(f); };
    const auto phase = [&](double f) { return wave->Phase(f); };
    INFO("q " << p.q << " s1 " << p.s1);
    for (const double at : {.014, s.f_peak}) {
      CHECK(std::abs(amplitude(at * (1 + 1e-12)) / amplitude(at * (1 - 1e-12)) - 1) < 1e-9);
      CHECK(kink(amplitude, at) < 1e-4 * amplitude(at) / at);
    }
    for (const double at : {s.join1, s.join2}) {
      CHECK(std::abs(phase(at * (1 + 1e-12)) - phase(at * (1 - 1e-12))) < 1e-7);
      CHECK(kink(phase, at) < .05);  // radians per 1/M; slopes are hundreds
    }
    CHECK(wave->Amplitude(.2) > 0);
    CHECK(wave->Amplitude(.2001) == 0);
  }
}

// At low frequencies the amplitude is Newton's, A0 = sqrt(2 eta / 3) pi^(-1/6) f^(-7/6).
TEST_CASE("phenomd: Newtonian at low frequencies") {
  for (const Binary& p : kPoints) {
    const auto wave = PhenomD::Make(p.q, p.s1, p.s2);
    const double f = 1e-7, newton = std::sqrt(2 * wave->stages().eta / 3) *
                                    std::pow(3.14159265358979324, -1. / 6) * std::pow(f, -7. / 6);
    CHECK(wave->Amplitude(f) == Approx(newton).epsilon(1e-3));
    // d phi / d f -> -(5 / 128 eta) (pi f)^(-8/3) pi / 3 ... of 3 / (128 eta) (pi f)^(-5/3)
    const double h = 1e-3 * f, slope = (wave->Phase(f + h) - wave->Phase(f - h)) / (2 * h);
    const double pi_f = 3.14159265358979324 * f;
    CHECK(slope ==
          Approx(-5 / (128 * wave->stages().eta) * std::pow(pi_f, -5. / 3) / f).epsilon(1e-2));
  }
}

}  // namespace
}  // namespace stemma::models
