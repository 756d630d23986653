#include "models/aigw/evaluation.h"

#include <cmath>
#include <complex>
#include <memory>
#include <vector>

#include "models/aigw/dataset.h"
#include "models/aigw/targets.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

AigwSettings Window() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 2;
  settings.last = 500;
  settings.train_size = settings.validation_size = 100000;
  return settings;
}

std::shared_ptr<const AigwDataset> Data(const AigwSettings& settings) {
  auto data = AigwDataset::Make(settings, AigwSplit::kTest);
  REQUIRE_THAT(data.status(), IsOk());
  return *std::move(data);
}

OverlapWindow Made(const AigwSettings& settings, double mass) {
  auto window = OverlapWindow::Make(settings, mass);
  REQUIRE_THAT(window.status(), IsOk());
  return *std::move(window);
}

// Mergers of the data set, read as `change` says.
template <typename Change>
std::vector<Reading> Readings(int64_t count, Change change) {
  const auto data = Data(Window());
  std::vector<Reading> readings;
  for (int64_t i = 0; i < count; ++i) {
    const Binary truth = data->BinaryOf(i);
    AigwValues outputs = ValuesOf(truth);
    change(i, &outputs);
    readings.push_back({truth, outputs});
  }
  return readings;
}

std::vector<Estimate> Firsts(const std::vector<Reading>& readings) {
  std::vector<Estimate> estimates;
  for (const Reading& r : readings) estimates.push_back(FirstThree(r.outputs));
  return estimates;
}

Evaluation Evaluated(const OverlapWindow& window, const std::vector<Reading>& readings) {
  auto evaluation = Evaluate(window, readings, Firsts(readings));
  REQUIRE_THAT(evaluation.status(), IsOk());
  return *std::move(evaluation);
}

TEST_CASE("aigw evaluation: whoever reads the truth has overlap 1 and no errors") {
  const auto readings = Readings(20, [](int64_t, AigwValues*) {});
  const Evaluation e = Evaluated(Made(Window(), 60), readings);
  CHECK(e.flat.smallest == Approx(1).margin(1e-9));
  CHECK(e.ligo.smallest == Approx(1).margin(1e-9));
  CHECK(e.flat.fraction_99 == 1);
  CHECK(e.flat.histogram.back() == 20);
  CHECK(e.clamped == 0);
  for (const ErrorSummary& error : e.errors) CHECK(error.percentile_90 == 0);
  CHECK(e.s_gap.mean == 0);
  for (const double explained : e.degeneracy.explained) CHECK(explained == 1);
  CHECK(e.degeneracy.alone[2] == Approx(1).margin(1e-9));
  CHECK(e.degeneracy.without_s2 < 1 - 1e-6);
}

// A e^(i phi) on the window, by the functions below Evaluate alone.
double Direct(const Binary& a, const Binary& b, double mass) {
  constexpr size_t kBins = 1024, kSamples = 500;
  const auto spectrum = [&](const Binary& binary) {
    const auto wave = PhenomT22::Make(binary.q, binary.s1, binary.s2);
    REQUIRE_THAT(wave.status(), IsOk());
    std::vector<std::complex<double>> h;
    for (size_t i = 0; i < kSamples; ++i) {
      const double t = -870 + 2. * static_cast<double>(i);
      h.push_back(std::polar(wave->Amplitude(t), wave->Phase(t)));
    }
    return SpectrumOf(h, kBins);
  };
  const std::vector<double> weights =
      mass == 0 ? std::vector<double>(kBins, 1)
                : AdvancedLigoWeights(kBins, 2 * SecondsPerMass(mass), {20, 1000});
  return MaximalOverlap(spectrum(a), spectrum(b), weights).overlap;
}

TEST_CASE("aigw evaluation: a wrong q costs the overlap that overlap.h says") {
  const auto readings =
      Readings(5, [](int64_t, AigwValues* o) { (*o)[0] += (*o)[0] > 4 ? -.5 : .5; });
  const Evaluation e = Evaluated(Made(Window(), 60), readings);
  for (size_t i = 0; i < readings.size(); ++i) {
    const Binary wrong = FirstThree(readings[i].outputs).binary;
    CHECK(e.mergers[i].flat == Approx(Direct(readings[i].truth, wrong, 0)).margin(1e-12));
    CHECK(e.mergers[i].ligo == Approx(Direct(readings[i].truth, wrong, 60)).margin(1e-12));
    CHECK(e.mergers[i].flat < .9999);
  }
  CHECK(e.errors[0].mean == Approx(.5));
  CHECK(e.errors[1].mean == 0);
  CHECK(e.outputs[3].mean == 0);  // chi_eff as said is still right, and no more that of q, s1, s2
  CHECK(e.chi_gap.mean > 0);
  CHECK(e.degeneracy.alone[0] == Approx(e.flat.median));
}

TEST_CASE("aigw evaluation: an estimate beyond the domain is put on its end and counted") {
  const Estimate e = FirstThree({.9, .85, -.2, 0, 0});
  CHECK(e.clamped);
  CHECK(e.binary.q == 1);
  CHECK(e.binary.s1 == .8);
  CHECK(e.binary.s2 == -.2);
  CHECK(!FirstThree({8, -.8, .8, 0, 0}).clamped);
  const auto readings = Readings(10, [](int64_t i, AigwValues* o) {
    if (i < 3) (*o)[2] = 2;
  });
  const Evaluation evaluated = Evaluated(Made(Window(), 60), readings);
  CHECK(evaluated.clamped == 3);
  CHECK_THAT(OverlapWindow::Make(Window(), 9).status(),
             HasCode(Code::kInvalidArgument, "10 to 300 solar masses"));
}

TEST_CASE("aigw evaluation: what a summary says of known numbers") {
  std::vector<double> overlaps;
  for (int i = 100; i >= 0; --i) overlaps.push_back(.9 + .001 * i + 1e-9);
  const OverlapSummary s = SummaryOf(overlaps);
  CHECK(s.mean == Approx(.95));
  CHECK(s.median == Approx(.95));
  CHECK(s.percentile_5 == Approx(.905));
  CHECK(s.percentile_1 == Approx(.901));
  CHECK(s.smallest == Approx(.9));
  CHECK(s.fraction_99 == Approx(11. / 101));
  CHECK(s.fraction_97 == Approx(31. / 101));
  int64_t sum = 0;
  for (const int64_t bin : s.histogram) sum += bin;
  CHECK(sum == 101);
  CHECK(s.histogram[0] == 0);
  CHECK(s.histogram[1] == 50);  // 0.900 to 0.949
  CHECK(QuantileOf({1, 2, 4}, .75) == 3);
}

TEST_CASE("aigw evaluation: a guess of s2 explains nothing of it, and the wave hardly minds") {
  const auto readings = Readings(300, [](int64_t, AigwValues* o) { (*o)[2] = 0; });
  const Degeneracy d = Evaluated(Made(Window(), 60), readings).degeneracy;
  CHECK(std::abs(d.explained[2]) < .02);  // 1 - sum(t^2) / sum((t - mean)^2)
  CHECK(d.explained[0] == 1);
  CHECK(d.alone[2] == d.without_s2);
  CHECK(d.alone[0] == Approx(1).margin(1e-9));
  CHECK(d.count_by_q[0] + d.count_by_q[1] + d.count_by_q[2] == 300);
  for (const double error : d.s2_by_q) CHECK(error == Approx(.4).margin(.25));  // of a uniform one
}

// s1 and s2 are said with errors that undo each other in chi_eff and S_eff, which are right.
TEST_CASE("aigw combination: right functions of wrong parameters correct them") {
  const auto noisy = [](int64_t i, AigwValues* o) {
    (*o)[1] += .1 * std::sin(1. + static_cast<double>(i));
    (*o)[2] += .3 * std::cos(2. * static_cast<double>(i));
  };
  const auto readings = Readings(200, noisy);
  const auto combination = Combination::Fit(readings);
  REQUIRE_THAT(combination.status(), IsOk());
  int64_t inside = 0;
  for (const Reading& r : readings) {
    const Estimate e = combination->Of(r.outputs);
    CHECK(CheckBinary(e.binary.q, e.binary.s1, e.binary.s2).ok());
    if (e.clamped || r.truth.q < 1.05) continue;  // at q = 1 both functions know s1 + s2 alone
    ++inside;
    CHECK(std::abs(e.binary.s1 - r.truth.s1) < .01 * std::abs(r.outputs[1] - r.truth.s1) + 1e-3);
    CHECK(std::abs(e.binary.s2 - r.truth.s2) < .01 * std::abs(r.outputs[2] - r.truth.s2) + 1e-3);
  }
  CHECK(inside > 100);
  const Estimate truth = combination->Of(ValuesOf({3, .2, -.4}));
  CHECK(truth.binary.s2 == Approx(-.4).margin(1e-6));
  CHECK_THAT(Combination::Fit(Readings(49, noisy)).status(),
             HasCode(Code::kInvalidArgument, "50 mergers"));
}

// The constants in targets.cc are those of the distribution that binaries are drawn from.
TEST_CASE("aigw targets: standard ones have mean 0 and deviation 1, and go back") {
  constexpr int64_t kCount = 50000;
  for (const char* target_q : {"q", "inverse"}) {
    AigwSettings settings = Window();
    settings.target_q = target_q;
    settings.targets = "standard";
    const auto data = Data(settings);
    AigwValues sum{}, squares{};
    for (int64_t i = 0; i < kCount; ++i) {
      const AigwValues y = TargetsOf(settings, data->BinaryOf(i));
      for (size_t k = 0; k < y.size(); ++k) {
        sum[k] += y[k];
        squares[k] += y[k] * y[k];
      }
    }
    for (size_t k = 0; k < sum.size(); ++k) {
      INFO(target_q << " " << k);
      CHECK(std::abs(sum[k] / kCount) < .02);  // 4.5 standard errors
      CHECK(squares[k] / kCount == Approx(1).margin(.04));
    }
    std::vector<float> x(500), y(5);
    REQUIRE_THAT(data->Read(7, {}, x.data(), y.data()), IsOk());
    const AigwValues truth = ValuesOf(data->BinaryOf(7)), back = ValuesFromTargets(settings, &y[0]);
    for (size_t k = 0; k < truth.size(); ++k) CHECK(back[k] == Approx(truth[k]).margin(1e-5));
    AigwSettings raw = settings;
    raw.targets = "raw";
    CHECK(data->Digest() != Data(raw)->Digest());
  }
  AigwSettings bad = Window();
  bad.targets = "whitened";
  CHECK_THAT(Check(bad), HasCode(Code::kInvalidArgument, "aigw.targets = whitened"));
  bad = Window();
  bad.dropout = 1;
  CHECK_THAT(Check(bad), HasCode(Code::kInvalidArgument, "aigw.dropout"));
}

TEST_CASE("aigw evaluation: a finer window is sampled at 1 M, a coarser one as it is") {
  AigwSettings settings;
  CHECK(Made(settings, 60).samples() == 10130);
  CHECK(Made(settings, 60).grid().step == Approx(1));
  const OverlapWindow coarse = Made(Window(), 60);
  CHECK(coarse.samples() == 500);
  CHECK(coarse.hertz().high == Approx(.25 / SecondsPerMass(60)));
  CHECK(Made(Window(), 30).hertz().high == 1000);
}

}  // namespace
}  // namespace stemma::models
