// Schedules and option checks: a step off by one changes every bit of a run.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "optim/loss_scaler.h"
#include "optim/options.h"
#include "optim/plateau.h"
#include "optim/power.h"
#include "optim/schedule.h"
#include "optim/units.h"

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

// As torch's OneCycleLR(max_lr = 1, total_steps = 41, pct_start = 11 / 41, div_factor = 25,
// final_div_factor = 1e4) over its first 40 steps: W = 10 is its end of the rise, T = 40 its last.
TEST_CASE("one_cycle rises to step W and falls to lr_min at T, by half cosines") {
  OptimSettings s;
  s.lr = 1;
  s.schedule = "one_cycle";
  s.warmup_steps = 10;
  s.lr_start = 0.04;
  s.lr_min = 0.04 / 1e4;
  REQUIRE_THAT(CheckSchedule(s, 40), IsOk());
  const double pi = std::acos(-1.0);
  for (int64_t step = 0; step < 40; ++step) {
    const double x = static_cast<double>(step);
    const double expected =
        step < 10 ? s.lr_start + (1 - s.lr_start) * (1 - std::cos(pi * x / 10)) / 2
                  : s.lr_min + (1 - s.lr_min) * (1 + std::cos(pi * (x - 10) / 30)) / 2;
    INFO(step);
    CHECK(LearningRate(s, 40, step) == Approx(expected).epsilon(1e-13));
  }
  CHECK(LearningRate(s, 40, 10) == Approx(1).epsilon(1e-15));
  s.lr_start = 0;
  CHECK(LearningRate(s, 40, 0) >= 0);
}

TEST_CASE("cosine_restarts begins at lr again, in cycles that may grow") {
  OptimSettings s;
  s.lr = 2;
  s.lr_min = 1;
  s.schedule = "cosine_restarts";
  s.warmup_steps = 3;
  s.cycle = "4step";
  REQUIRE_THAT(CheckSchedule(s, 100), IsOk());
  for (int64_t first : {3, 7, 11, 95}) {
    CHECK(LearningRate(s, 100, first) == Approx(2).epsilon(1e-15));
    CHECK(LearningRate(s, 100, first + 2) == Approx(1.5).epsilon(1e-15));
    CHECK(LearningRate(s, 100, first + 3) == Approx(1.5 - std::sqrt(0.125)).epsilon(1e-14));
  }
  s.cycle_mult = 3;  // cycles of 4, 12, 36, 108
  for (int64_t first : {3, 7, 19, 55}) {
    CHECK(LearningRate(s, 200, first) == Approx(2).epsilon(1e-15));
    CHECK(LearningRate(s, 200, first - 1) < (first == 3 ? 2.1 : 1.2));
  }
  CHECK(LearningRate(s, 200, 19 + 18) == Approx(1.5).epsilon(1e-15));
  CHECK(LearningRate(s, 1000000000000, 999999999999) >= 1);
}

TEST_CASE(
    "the range test multiplies the rate by the same factor at each step, and takes both ends") {
  OptimSettings s;
  s.lr = 10;
  s.lr_start = 1e-7;
  s.schedule = "exponential";
  REQUIRE_THAT(CheckSchedule(s, 9), IsOk());
  for (int64_t step = 0; step < 9; ++step) {
    const double expected = std::pow(10.0, static_cast<double>(step) - 7);
    CHECK(LearningRate(s, 9, step) == Approx(expected).epsilon(1e-13));
  }
  CHECK(LearningRate(s, 9, 8) == 10);
  CHECK(LearningRate(s, 1, 0) == 10);
}

TEST_CASE("lengths in samples and epochs do not depend on the batch, their steps do") {
  OptimSettings s = Author();
  s.warmup_steps = 0;
  s.warmup = "20ep";
  const auto warmup = [&](const std::string& text, int64_t batch) {
    s.warmup = text;
    const auto steps = InSteps(s, {batch, 1281167});
    REQUIRE_THAT(steps.status(), IsOk());
    CHECK(steps->warmup.empty());
    return steps->warmup_steps;
  };
  CHECK(warmup("20ep", 32768) == 782);  // 781.96: the author's warm-up
  CHECK(warmup("20ep", 16384) == 1564);
  CHECK(warmup("0.5ep", 32768) == 20);  // 19.55
  CHECK(warmup("25623340samples", 32768) == 782);
  CHECK(warmup("782step", 1) == 782);
  s.warmup = "";
  s.schedule = "steps";
  s.step_factors = "30ep:0.1, 60ep:0.01,5000:0.001";
  const auto factors = InSteps(s, {13312, 1281167});
  REQUIRE_THAT(factors.status(), IsOk());
  CHECK(factors->step_factors == "2887:0.1,5774:0.01,5000:0.001");
  CHECK_THAT(CheckSchedule(*factors, 9000), HasCode(Code::kInvalidArgument, "must increase"));
  s.schedule = "cosine_restarts";
  s.step_factors = "";
  s.cycle = "10ep";
  CHECK(InSteps(s, {13312, 1281167})->cycle == "962step");
}

TEST_CASE("the rate follows the batch linearly or by its root") {
  OptimSettings s;
  s.lr = 0.1;
  s.lr_scaling = "linear";  // HAL: 0.1 B / 256
  CHECK(InSteps(s, {13312, 1})->lr == Approx(5.2).epsilon(1e-15));
  CHECK(InSteps(s, {256, 1})->lr == 0.1);
  CHECK(InSteps(s, {64, 1})->lr == 0.025);
  s.lr = 0.005;
  s.lr_batch = 512;
  s.lr_scaling = "sqrt";  // untuned LAMB: 0.005 sqrt(B / 512)
  CHECK(InSteps(s, {32768, 1})->lr == 0.04);
  CHECK(InSteps(s, {32768, 1})->lr_scaling == "none");
  CHECK_THAT(CheckSchedule(s, 10), HasCode(Code::kInvalidArgument, "optim.lr_scaling is 'sqrt'"));
}

// MODELS 4.4: what Keras does with patience 3, and LibTorch's scheduler with 2.
TEST_CASE("a plateau is Keras's: the factor falls with the epoch that completes the patience") {
  OptimSettings s;
  s.lr = 8;
  s.lr_min = 1.5;
  Plateau plateau(s);
  std::vector<double> factors;
  for (double loss : {1.0, .9, .9, .9, .9, .9, .8}) {
    plateau.Observe(2 * loss, 1, false);  // two steps: the mean is weighed by samples
    plateau.Observe(loss * 2 / 3, 3, true);
    factors.push_back(plateau.factor());
  }
  CHECK(factors == std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.5});
  CHECK(plateau.Scaled(8) == 4);
  CHECK(plateau.Scaled(1) == 1);  // a warm-up below the least rate
  for (int epoch = 0; epoch < 30; ++epoch) plateau.EndEpoch(std::nan(""));
  CHECK(plateau.factor() == 0.125);  // 8 / 8 is below 1.5: no further
  CHECK(plateau.Scaled(8) == 1.5);
  plateau.EndEpoch(0.79995);  // better by less than 1e-4
  CHECK(plateau.waited() > 0);
  plateau.Observe(3, 2, false);
  Encoder out;
  plateau.Encode(&out);
  Plateau other(s);
  Decoder in(out.bytes());
  REQUIRE(other.Decode(&in));
  Encoder again;
  other.Encode(&again);
  CHECK(again.bytes() == out.bytes());
  Decoder cut(std::string_view(out.bytes()).substr(0, 20));
  CHECK_FALSE(other.Decode(&cut));
}

TEST_CASE("a dynamic loss scale doubles after clean updates and halves at an overflow") {
  OptimSettings s;
  s.loss_scaling = "dynamic";
  s.loss_scale_steps = 3;
  LossScaler scaler(s);
  std::vector<double> scales;
  for (char what : std::string("uuuuouuouuu")) {
    what == 'u' ? scaler.Updated() : scaler.Overflowed();
    scales.push_back(scaler.scale() / 65536);
  }
  CHECK(scales == std::vector<double>{1, 1, 2, 2, 1, 1, 1, 0.5, 0.5, 0.5, 1});
  scaler.Updated();
  Encoder out;
  scaler.Encode(&out);
  LossScaler same(s);
  s.loss_scaling = "static";
  s.loss_scale = 8;
  LossScaler fixed(s);
  for (LossScaler* one : {&same, &fixed}) {
    Decoder in(out.bytes());
    REQUIRE(one->Decode(&in));
    one->Updated();
    one->Updated();
  }
  CHECK(same.scale() == 2 * 65536);
  CHECK(fixed.scale() == 8);
  Decoder zeros(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
  CHECK_FALSE(same.Decode(&zeros));
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

TEST_CASE("lengths and schedules that cannot be meant name their key") {
  const auto in_steps = [](auto change) {
    OptimSettings s;
    change(s);
    return InSteps(s, {100, 1000}).status();
  };
  const auto bad = [](const std::string& text) { return HasCode(Code::kInvalidArgument, text); };
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "ep"; }), bad("optim.warmup is 'ep': there is no"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "5"; }), bad("it has no unit"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "5min"; }), bad("'min' is no unit"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "-1ep"; }), bad("below 0"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "nanep"; }), bad("below 0"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "1.5step"; }), bad("steps are whole"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "infep"; }), bad("more steps than"));
  CHECK_THAT(in_steps([](auto& s) { s.warmup = "1ep", s.warmup_steps = 3; }), bad("one of them"));
  CHECK_THAT(in_steps([](auto& s) { s.cycle = "1x"; }), bad("optim.cycle is '1x'"));
  CHECK_THAT(in_steps([](auto& s) { s.step_factors = "3epp:1"; }), bad("optim.step_factors"));
  CHECK_THAT(in_steps([](auto& s) { s.lr_scaling = "liner"; }), bad("did you mean linear"));
  CHECK_THAT(in_steps([](auto& s) { s.lr_batch = 0; }), bad("optim.lr_batch is 0"));
  CHECK_THAT(InSteps({}, {0, 5}).status(), bad("steps of 0 samples"));
  const auto checked = [](const char* schedule, auto change) {
    OptimSettings s;
    s.schedule = schedule;
    change(s);
    return CheckSchedule(s, 100);
  };
  const auto none = [](auto&) {};
  CHECK_THAT(checked("constant", [](auto& s) { s.warmup = "1ep"; }), bad("optim::InSteps first"));
  CHECK_THAT(checked("constant", [](auto& s) { s.cycle = "3step"; }), bad("only cosine_restarts"));
  CHECK_THAT(checked("cosine_restarts", none), bad("optim.cycle is ''"));
  CHECK_THAT(checked("cosine_restarts", [](auto& s) { s.cycle = "0step"; }),
             bad("at least 1 step"));
  CHECK_THAT(checked("cosine_restarts", [](auto& s) { s.cycle = "3ep"; }), bad("InSteps first"));
  CHECK_THAT(checked("cosine_restarts", [](auto& s) { s.cycle = "3step", s.cycle_mult = 0; }),
             bad("optim.cycle_mult is 0"));
  CHECK_THAT(checked("one_cycle", none), bad("optim.warmup_steps is 0"));
  CHECK_THAT(checked("one_cycle", [](auto& s) { s.lr_start = 1; }), bad("optim.lr_start is 1"));
  CHECK_THAT(checked("exponential", none), bad("optim.lr_start is 0"));
  CHECK_THAT(checked("exponential", [](auto& s) { s.lr_start = 1e-6, s.warmup_steps = 1; }),
             bad("has no warm-up"));
  CHECK_THAT(checked("plateau", [](auto& s) { s.plateau_factor = 1; }), bad("plateau_factor is 1"));
  CHECK_THAT(checked("plateau", [](auto& s) { s.plateau_patience = 0; }), bad("plateau_patience"));
  CHECK_THAT(checked("plateau", [](auto& s) { s.plateau_delta = -1; }), bad("plateau_delta"));
  CHECK_THAT(checked("plateau", [](auto& s) { s.lr_min = 1; }), bad("optim.lr_min is 1"));
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
  CHECK_THAT(CheckChanged([](auto& s) { s.max_grad_value = -1; }), bad("optim.max_grad_value"));
  CHECK_THAT(CheckChanged([](auto& s) { s.max_grad_value = s.max_grad_norm = 1; }),
             bad("both set"));
  CHECK_THAT(CheckChanged([](auto& s) { s.ema_decay = 1; }), bad("optim.ema_decay is 1"));
  CHECK_THAT(CheckChanged([](auto& s) { s.loss_scaling = "dynmic"; }), bad("did you mean dynamic"));
  CHECK_THAT(CheckChanged([](auto& s) { s.loss_scale = 1000; }), bad("a power of two"));
  CHECK_THAT(CheckChanged([&](auto& s) { s.loss_scale = nan; }), bad("optim.loss_scale is"));
  CHECK_THAT(CheckChanged([](auto& s) { s.loss_scale_steps = 0; }), bad("optim.loss_scale_steps"));
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
