// IMRPhenomT (2,2) against tests/golden/data/gw: stage by stage, so that the first wrong formula is
// the first failure.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/aigw/phenomt.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using nlohmann::json;

json Golden() {
  std::ifstream file("tests/golden/data/gw/gw_golden.json");
  return json::parse(file);
}

// Zero is expected to be zero.
double RelativeError(double value, double expected) {
  return expected == 0 ? std::abs(value) : std::abs(value / expected - 1);
}

double Worst(const double* values, const json& expected) {
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, RelativeError(values[i], expected[i].get<double>()));
  }
  return worst;
}

template <typename Body>
void ForEachPoint(Body body) {
  const json golden = Golden();
  REQUIRE(golden["phenomT22"].size() == 8);
  for (const json& point : golden["phenomT22"]) {
    INFO("q " << point["q"] << " s1 " << point["s1z"] << " s2 " << point["s2z"]);
    const auto wave = PhenomT22::Make(point["q"], point["s1z"], point["s2z"]);
    REQUIRE_THAT(wave.status(), tests::IsOk());
    body(*wave, point, golden["times_M"].get<std::vector<double>>());
  }
}

TEST_CASE("golden: a mistyped coefficient shows in its own fit, not only in the waveform") {
  ForEachPoint([](const PhenomT22& wave, const json& point, const std::vector<double>&) {
    REQUIRE(point["fits"].size() == 16);
    for (const auto& [name, expected] : point["fits"].items()) {
      INFO(name);
      const Result<double> fit = wave.Fit(name);
      REQUIRE_THAT(fit.status(), tests::IsOk());
      CHECK(RelativeError(*fit, expected) < 1e-12);
    }
    const PhenomTStages& s = wave.stages();
    CHECK(RelativeError(s.final_mass, point["Mf"]) < 1e-13);
    CHECK(RelativeError(s.final_spin, point["af"]) < 1e-13);
    CHECK(RelativeError(s.omega_ring, point["omega_ring"]) < 1e-13);
    CHECK(RelativeError(s.alpha1, point["alpha1"]) < 1e-13);
    CHECK(RelativeError(s.alpha2, point["alpha2"]) < 1e-13);
    CHECK(RelativeError(s.omega_peak, point["omega_peak"]) < 1e-13);
    CHECK(RelativeError(s.t_cut, point["t_cut"]) < 1e-13);
  });
}

TEST_CASE("golden: series, collocation and matching give the reference's constants") {
  ForEachPoint([](const PhenomT22& wave, const json& point, const std::vector<double>&) {
    const PhenomTStages& s = wave.stages();
    CHECK(Worst(s.k.data(), point["k0_7"]) < 1e-12);
    CHECK(Worst(s.k.data() + 8, point["k8_13"]) < 1e-8);  // an ill-conditioned system
    const double c[3] = {s.c1, s.c2, s.c3}, r[4] = {s.r1, s.r2, s.r3, s.r4};
    CHECK(Worst(c, point["c1_3"]) < 1e-11);
    CHECK(Worst(s.e.data(), point["e0_4"]) < 1e-8);
    CHECK(Worst(s.amp_merger.data(), point["amp_C"]) < 1e-9);
    CHECK(Worst(r, point["r1_4"]) < 1e-12);
    CHECK(RelativeError(ChiEffective(point["q"], point["s1z"], point["s2z"]), point["chi_eff"]) <
          1e-14);
    CHECK(RelativeError(SpinEffective(point["q"], point["s1z"], point["s2z"]), point["S_eff"]) <
          1e-14);
  });
}

TEST_CASE("golden: frequency, amplitude and phase agree to 1e-10 at every time") {
  double worst_omega = 0, worst_amplitude = 0, worst_phase = 0, worst_absolute = 0, worst_re = 0;
  ForEachPoint([&](const PhenomT22& wave, const json& point, const std::vector<double>& times) {
    for (size_t i = 0; i < times.size(); ++i) {
      const double t = times[i], phase = point["phase_minus_phase0"][i];
      const auto worse = [](double* worst, double error) { *worst = std::max(*worst, error); };
      worse(&worst_omega, RelativeError(wave.Omega(t), point["omega"][i]));
      worse(&worst_amplitude, RelativeError(wave.Amplitude(t), point["amp"][i]));
      worse(&worst_phase, RelativeError(wave.Phase(t), phase));
      worse(&worst_absolute, std::abs(wave.Phase(t) - phase));
      double re = 0;
      wave.RealPart({t, 1}, 1, &re);
      worse(&worst_re, std::abs(re - point["re_h22"][i].get<double>()));
    }
  });
  WARN("largest errors: omega " << worst_omega << ", amplitude " << worst_amplitude << ", phase "
                                << worst_phase << " (absolute " << worst_absolute << "), Re h22 "
                                << worst_re);
  CHECK(worst_omega < 1e-10);
  CHECK(worst_amplitude < 1e-10);
  CHECK(worst_phase < 1e-10);
  CHECK(worst_absolute < 1e-9);
  CHECK(worst_re < 1e-11);
}

}  // namespace
}  // namespace stemma::models
