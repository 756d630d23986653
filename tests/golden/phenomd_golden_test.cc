// IMRPhenomD against tests/golden/data/gw, stage by stage.
#include <algorithm>
#include <cmath>
#include <complex>
#include <fstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/aigw/phenomd.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using nlohmann::json;

template <typename Body>
void ForEachPoint(Body body) {
  std::ifstream file("tests/golden/data/gw/gw_golden.json");
  const json golden = json::parse(file);
  REQUIRE(golden["phenomD"].size() == 8);
  for (const json& point : golden["phenomD"]) {
    INFO("q " << point["q"] << " s1 " << point["s1z"] << " s2 " << point["s2z"]);
    const auto wave = PhenomD::Make(point["q"], point["s1z"], point["s2z"]);
    REQUIRE_THAT(wave.status(), tests::IsOk());
    body(*wave, point);
  }
}

double RelativeError(double value, const json& expected) {
  return std::abs(value / expected.get<double>() - 1);
}

TEST_CASE("golden: remnant, quasi-normal mode and peak of IMRPhenomD") {
  ForEachPoint([](const PhenomD& wave, const json& point) {
    const PhenomDStages& s = wave.stages();
    CHECK(RelativeError(s.final_spin, point["af"]) < 1e-12);
    CHECK(RelativeError(s.radiated_energy, point["Erad"]) < 1e-12);
    CHECK(RelativeError(s.f_ring, point["fRD"]) < 1e-12);
    CHECK(RelativeError(s.f_damp, point["fdamp"]) < 1e-12);
    CHECK(RelativeError(s.f_peak, point["fpeak"]) < 1e-12);
  });
}

TEST_CASE("golden: amplitude and phase of IMRPhenomD, and 1 - overlap with the reference") {
  double worst_amplitude = 0, worst_phase = 0, worst_mismatch = 0;
  ForEachPoint([&](const PhenomD& wave, const json& point) {
    const json& phases = point["phase_minus_phase(Mf=.018)"];
    std::complex<double> product = 0;
    double ours = 0, theirs = 0;
    REQUIRE(point["Mf"].size() == 10);
    for (size_t i = 0; i < point["Mf"].size(); ++i) {
      const double f = point["Mf"][i], amplitude = point["amp"][i], phase = phases[i];
      const double a = wave.Amplitude(f), phi = wave.Phase(f) - wave.Phase(.018);
      worst_amplitude = std::max(worst_amplitude, RelativeError(a, point["amp"][i]));
      worst_phase = std::max(worst_phase, std::abs(phi - phase));
      // The shares in h^2 differ by 10^6 over these frequencies: weights f^(7/3) even them out.
      const double weight = std::pow(f, 7. / 3);
      product += weight * std::polar(a, phi) * std::polar(amplitude, -phase);
      ours += weight * a * a;
      theirs += weight * amplitude * amplitude;
    }
    const double mismatch = 1 - std::abs(product) / std::sqrt(ours * theirs);
    worst_mismatch = std::max(worst_mismatch, mismatch);
  });
  WARN("largest errors: amplitude " << worst_amplitude << " (relative), phase " << worst_phase
                                    << " (absolute), 1 - overlap " << worst_mismatch);
  CHECK(worst_amplitude < 1e-9);
  CHECK(worst_phase < 1e-7);
  CHECK(worst_mismatch < 1e-6);
}

}  // namespace
}  // namespace stemma::models
