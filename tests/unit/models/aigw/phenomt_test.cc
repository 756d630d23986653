#include "models/aigw/phenomt.h"

#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

// The order of the cuts differs between them: t_cut is below -150 for q > 3.25 and below -250 for
// q > 7.1.
const Binary kPoints[] = {{1, 0, 0},    {1, .8, -.8}, {3.2, .1, .2}, {3.3, .1, .2},
                          {7, -.5, .5}, {8, .8, .8},  {8, -.8, -.8}};

PhenomT22 Wave(const Binary& p) {
  INFO("q " << p.q << " s1 " << p.s1 << " s2 " << p.s2);
  const auto wave = PhenomT22::Make(p.q, p.s1, p.s2);
  REQUIRE_THAT(wave.status(), IsOk());
  return *wave;
}

TEST_CASE("phenomt: parameters where the fits only extrapolate are refused by name and range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](double q, double s1, double s2) {
    return PhenomT22::Make(q, s1, s2).status();
  };
  CHECK_THAT(refused(.5, 0, 0), HasCode(Code::kInvalidArgument, "q = 0.5 is outside"));
  CHECK_THAT(refused(8.001, 0, 0), HasCode(Code::kInvalidArgument, "range 1 to 8"));
  CHECK_THAT(refused(2, -.9, 0), HasCode(Code::kInvalidArgument, "s1 = -0.9"));
  CHECK_THAT(refused(2, 0, .81), HasCode(Code::kInvalidArgument, "range -0.8 to 0.8"));
  CHECK_THAT(refused(nan, 0, 0), HasCode(Code::kInvalidArgument, "q = "));
  CHECK_THAT(refused(2, 0, nan), HasCode(Code::kInvalidArgument, "s2 = "));
  CHECK_THAT(refused(1, .8, .8), IsOk());
  CHECK_THAT(refused(8, -.8, -.8), IsOk());
}

TEST_CASE("phenomt: no jump of frequency, phase or amplitude where two regions meet") {
  for (const Binary& p : kPoints) {
    const PhenomT22 wave = Wave(p);
    for (const double t : {wave.stages().t_cut, -150., 0.}) {
      const double before = std::nextafter(t, -1e9), after = std::nextafter(t, 1e9);
      INFO("q " << p.q << " t " << t);
      CHECK(std::abs(wave.Omega(before) - wave.Omega(after)) < 1e-12);
      CHECK(std::abs(wave.Phase(before) - wave.Phase(after)) < 1e-10);
      CHECK(std::abs(wave.Amplitude(before) - wave.Amplitude(after)) < 1e-12);
    }
  }
}

// A kink at -150 was the error of one-sided differences: 2.3e-7 in the amplitude.
TEST_CASE("phenomt: the amplitude's slope is continuous at -150, the frequency's at the cut") {
  for (const Binary& p : kPoints) {
    const PhenomT22 wave = Wave(p);
    const auto kink = [](auto f, double t) {
      constexpr double h = 1e-3;  // one-sided second-order slopes; their error is about h^2
      const double left = (3 * f(t) - 4 * f(t - h) + f(t - 2 * h)) / (2 * h);
      const double right = (-3 * f(t) + 4 * f(t + h) - f(t + 2 * h)) / (2 * h);
      return std::abs(left - right);
    };
    INFO("q " << p.q);
    CHECK(kink([&](double t) { return wave.Amplitude(t); }, -150) < 1e-9);
    CHECK(kink([&](double t) { return wave.Omega(t); }, wave.stages().t_cut) < 1e-9);
    CHECK(kink([&](double t) { return wave.Omega(t); }, 0) < 1e-6);
  }
}

TEST_CASE("phenomt: the closed-form phase is the integral of the frequency in every region") {
  for (const Binary& p : kPoints) {
    const PhenomT22 wave = Wave(p);
    for (const double t : {-9000., -1000., -300., -120., -20., -1., 3., 40.}) {
      constexpr double h = .01;
      const double slope = (wave.Phase(t + h) - wave.Phase(t - h)) / (2 * h);
      INFO("q " << p.q << " t " << t);
      CHECK(std::abs(slope - wave.Omega(t)) < 1e-6 * wave.Omega(t));
    }
    CHECK(wave.Phase(0) == 0);
  }
}

TEST_CASE("phenomt: the amplitude peaks at 0 and dies away, the frequency reaches the ringdown's") {
  for (const Binary& p : kPoints) {
    const PhenomT22 wave = Wave(p);
    const double peak = wave.Amplitude(0);
    INFO("q " << p.q << " s1 " << p.s1);
    for (const double t : {-1000., -150., -30., -5., 5., 30.}) CHECK(wave.Amplitude(t) < peak);
    CHECK(wave.Amplitude(200) < 1e-4 * peak);
    CHECK(std::abs(wave.Omega(300) / wave.stages().omega_ring - 1) < 1e-9);
  }
}

// Floats come from another loop, see phenomt_blocks_test.cc: within half a unit of their last
// place.
TEST_CASE("phenomt: the loop over a grid gives the bits of single values, also at the cuts") {
  for (const Binary& p : kPoints) {
    const PhenomT22 wave = Wave(p);
    const TimeGrid grid = {-10000, .1};
    std::vector<double> bulk(101300);
    std::vector<float> floats(bulk.size());
    wave.RealPart(grid, static_cast<int64_t>(bulk.size()), bulk.data());
    wave.RealPart(grid, static_cast<int64_t>(floats.size()), floats.data());
    int64_t different = 0;
    for (size_t i = 0; i < bulk.size(); ++i) {
      const double t = grid.from + static_cast<double>(i) * grid.step;
      const WaveSample all = wave.At(t);
      const double expected = wave.Amplitude(t) * std::cos(wave.Phase(t));
      different += all.amplitude * std::cos(all.phase) != expected || all.omega != wave.Omega(t);
      different += bulk[i] != expected || std::abs(floats[i] - expected) > 0x1p-26 + 1e-12;
    }
    INFO("q " << p.q);
    CHECK(different == 0);
  }
}

TEST_CASE("phenomt: a window that lies in one region, or is empty, is filled as it should be") {
  const PhenomT22 wave = Wave({2, .5, -.3});
  std::vector<double> h(3, 7);
  wave.RealPart({10, 1}, 2, h.data());
  CHECK(h[1] == wave.Amplitude(11) * std::cos(wave.Phase(11)));
  CHECK(h[2] == 7);
  wave.RealPart({-9000, 1}, 0, h.data());
  CHECK(h[1] == wave.Amplitude(11) * std::cos(wave.Phase(11)));
}

TEST_CASE("phenomt: effective spins in closed form") {
  CHECK(ChiEffective(1, .3, .5) == Approx(.4).epsilon(1e-15));
  CHECK(ChiEffective(3, .8, -.4) == Approx(.5).epsilon(1e-15));        // (2.4 - .4) / 4
  CHECK(SpinEffective(3, .8, -.4) == Approx(1 - 1.3).epsilon(1e-14));  // 1.25 .8 - 3.25 .4
  CHECK_THAT(Wave({1, 0, 0}).Fit("w_peek").status(), HasCode(Code::kNotFound, "w_peek"));
}

}  // namespace
}  // namespace stemma::models
