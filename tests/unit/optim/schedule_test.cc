// Schedules and option checks: a step off by one changes every bit of a run.
#include <cmath>
#include <limits>
#include <string>

#include "optim/options.h"
#include "optim/power.h"
#include "optim/schedule.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using tests::HasCode;
using tests::IsOk;

// ResNet-50 with LAMB at 32,768: 90 epochs, 20 of warm-up.
OptimSettings Author() {
  OptimSettings s;
  s.lr = 0.04;
  s.schedule = "warmup_linear";
  s.warmup_steps = 782;
  s.warmup_origin = 0;
  return s;
}

TEST_CASE("warm-up from 0 reaches lr at step W, from 1 one step earlier") {
  OptimSettings s = Author();
  REQUIRE_THAT(CheckSchedule(s, 3519), IsOk());
  CHECK(LearningRate(s, 3519, 0) == 0);
  CHECK(LearningRate(s, 3519, 1) == 0.04 / 782);
  CHECK(LearningRate(s, 3519, 781) == Approx(0.04 * 781 / 782).epsilon(1e-15));
  CHECK(LearningRate(s, 3519, 782) == 0.04);
  CHECK(LearningRate(s, 3519, 783) == Approx(0.04 * 2736 / 2737).epsilon(1e-15));
  CHECK(LearningRate(s, 3519, 3518) == Approx(0.04 / 2737).epsilon(1e-12));
  s.warmup_origin = 1;
  CHECK(LearningRate(s, 3519, 0) == 0.04 / 782);
  CHECK(LearningRate(s, 3519, 781) == 0.04);
  CHECK(LearningRate(s, 3519, 782) == 0.04);
}

TEST_CASE("what follows the warm-up") {
  OptimSettings s;
  s.lr = 8;
  s.warmup_steps = 4;
  CHECK(LearningRate(s, 20, 19) == 8);
  s.schedule = "warmup_poly";
  CHECK(LearningRate(s, 20, 4) == 8);
  CHECK(LearningRate(s, 20, 12) == 2);
  s.poly_power = 0.5;
  CHECK(LearningRate(s, 20, 16) == 4);
  s.schedule = "warmup_cosine";
  s.lr_min = 2;
  CHECK(LearningRate(s, 20, 4) == 8);
  CHECK(LearningRate(s, 20, 12) == Approx(5).epsilon(1e-15));
  CHECK(LearningRate(s, 20, 19) > 2);
  s.schedule = "steps";
  s.step_factors = "10:0.5, 15:0.25";
  REQUIRE_THAT(CheckSchedule(s, 20), IsOk());
  CHECK(LearningRate(s, 20, 9) == 8);
  CHECK(LearningRate(s, 20, 10) == 4);
  CHECK(LearningRate(s, 20, 15) == 2);
}

// The bits were computed once with these operations in Python's doubles, which are IEEE's as well;
// the C library must not have a say.
TEST_CASE("a power that is no whole number: close to the true one, and the same bits everywhere") {
  for (double exponent : {0.1, 0.5, 0.9, 1.5, 2.718281828, 17.25, 64.5}) {
    for (double base = 1.0 / 4096; base < 1; base += 1.0 / 333) {
      const double expected = std::pow(base, exponent);
      const double bar = 1e-15 + 2e-16 * std::abs(std::log2(expected));
      INFO(base << " to the " << exponent);
      CHECK(std::abs(Power(base, exponent) - expected) <= bar * expected);
    }
  }
  CHECK(Power(0.25, 0.5) == 0.5);
  CHECK(Power(1.0 / 1024, 1.1) == Approx(std::pow(2.0, -11)).epsilon(1e-14));
  CHECK(Power(1, 0.3) == 1);
  CHECK(Power(0, 0.3) == 0);
  CHECK(Power(1e-300, 63.5) == 0);
  CHECK(Power(1e-300, 1e300) == 0);
  CHECK(Power(0.7, 3) == WholePower(0.7, 3));
  CHECK(Power(0.7, 0.9) == 0x1.7369f7d10f686p-1);
  CHECK(Power(0.123456789, 1.7) == 0x1.d3baed93a95b6p-6);
  CHECK(Power(0.99951171875, 2.5) == 0x1.ff600effaffecp-1);
}

TEST_CASE("a run that is all warm-up divides by nothing") {
  OptimSettings s = Author();
  s.warmup_steps = 5;
  REQUIRE_THAT(CheckSchedule(s, 5), IsOk());
  CHECK(LearningRate(s, 5, 4) == Approx(0.04 * 4 / 5).epsilon(1e-15));
  CHECK(std::isfinite(LearningRate(s, 5, 5)));
}

Status Checked(const std::string& key, const std::string& text) {
  OptimSettings s;
  s.schedule = key == "schedule" ? text : "steps";
  s.step_factors = text;
  return CheckSchedule(s, 10);
}

TEST_CASE("a schedule that makes no sense names its key") {
  CHECK_THAT(Checked("schedule", "warmup_linaer"),
             HasCode(Code::kInvalidArgument, "did you mean warmup_linear"));
  for (const char* bad : {"", "3", "3:", "x:1", "5:0.1,5:0.2", "5:0.1,4:0.2", "3:-1", "3:1x"}) {
    INFO(bad);
    CHECK_THAT(Checked("", bad), HasCode(Code::kInvalidArgument, "optim.step_factors"));
  }
  OptimSettings s = Author();
  CHECK_THAT(CheckSchedule(s, 781), HasCode(Code::kInvalidArgument, "optim.warmup_steps is 782"));
  CHECK_THAT(CheckSchedule(s, 0), HasCode(Code::kInvalidArgument, "at least 1 step"));
  s.warmup_origin = 2;
  CHECK_THAT(CheckSchedule(s, 3519), HasCode(Code::kInvalidArgument, "optim.warmup_origin"));
  s = Author();
  s.schedule = "warmup_cosine";
  s.lr_min = 1;
  CHECK_THAT(CheckSchedule(s, 3519), HasCode(Code::kInvalidArgument, "optim.lr_min"));
}

template <typename Change>
Status CheckChanged(Change change) {
  OptimSettings s;
  change(s);
  return CheckOptions(s);
}

TEST_CASE("an option out of its range names its key") {
  REQUIRE_THAT(CheckOptions({}), IsOk());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto bad = [](const std::string& text) { return HasCode(Code::kInvalidArgument, text); };
  CHECK_THAT(CheckChanged([](auto& s) { s.name = "lamd"; }), bad("did you mean lamb"));
  CHECK_THAT(CheckChanged([](auto& s) { s.lr = -1; }), bad("optim.lr is -1: expected [0, inf)"));
  CHECK_THAT(CheckChanged([&](auto& s) { s.lr = nan; }), bad("optim.lr is"));
  CHECK_THAT(CheckChanged([](auto& s) { s.beta2 = 1; }), bad("optim.beta2 is 1"));
  CHECK_THAT(CheckChanged([](auto& s) { s.eps = 0; }), bad("optim.eps is 0"));
  CHECK_THAT(CheckChanged([](auto& s) { s.momentum = 1; }), bad("optim.momentum"));
  CHECK_THAT(CheckChanged([](auto& s) { s.phi_min = 2, s.phi_max = 1; }), bad("optim.phi_max"));
  CHECK_THAT(CheckChanged([](auto& s) { s.ratio_max = -1; }), bad("optim.ratio_max"));
  CHECK_THAT(CheckChanged([](auto& s) { s.exclude = "bias,gamma"; }), bad("optim.exclude"));
  CHECK_THAT(CheckChanged([](auto& s) { s.adapt = "some"; }), bad("optim.adapt"));
  CHECK_THAT(CheckChanged([](auto& s) { s.on_nonfinite = "go"; }), bad("optim.on_nonfinite"));
}

TEST_CASE("powers are exact where they can be, and near the library's where not") {
  CHECK(WholePower(0.5, 10) == 1.0 / 1024);
  CHECK(WholePower(0.9, 0) == 1);
  CHECK(WholePower(0.999, 100000) == Approx(std::pow(0.999, 100000)).epsilon(1e-11));
}

TEST_CASE("a bias correction that the optimizer cannot mean is refused") {
  OptimSettings s;
  const auto checked = [&](const char* name, const char* correction) {
    s.name = name;
    s.bias_correction = correction;
    return CheckOptions(s);
  };
  for (const char* name : {"adam", "adamw"}) {
    CHECK_THAT(checked(name, "moments"), IsOk());
    CHECK_THAT(checked(name, "step_size"), IsOk());
    CHECK_THAT(checked(name, "none"),
               HasCode(Code::kInvalidArgument, "'none', which is not " + std::string(name)));
  }
  CHECK_THAT(checked("lamb", "none"), IsOk());
  CHECK_THAT(checked("sgd", "moments"), IsOk());
  CHECK_THAT(checked("sgd", "step_size"), HasCode(Code::kInvalidArgument, "sgd has no moments"));
}

}  // namespace
}  // namespace stemma::optim
