#include "models/train/pace.h"

#include <cmath>
#include <functional>
#include <vector>

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using tests::HasCode;
using tests::IsOk;

PaceLimits Limits(double share, int64_t every = 1, int64_t every_max = 10000) {
  return {share, every, every_max};
}

// A training whose clock is a sum: a step takes `step_s`, a capture holds it up for stall_s(its
// number) and is durable `durable_s` later.
struct FakeTraining {
  double step_s = 0.1, durable_s = 0;
  std::function<double(int)> stall_s = [](int) { return 0.01; };

  // Runs; returns the steps that were captured.
  std::vector<int64_t> Run(CapturePace& pace, int64_t steps) {
    std::vector<int64_t> captured;
    double now = 0, held_up = 0, durable_at = -1;
    for (int64_t step = 1; step <= steps; ++step) {
      now += step_s;
      pace.Observe(now, held_up);
      if (durable_at >= 0 && now >= durable_at) {
        pace.Durable(step, false);
        durable_at = -1;
      }
      if (!pace.Due(step)) continue;
      if (durable_at > now) {  // one at a time: the loop waits
        held_up += durable_at - now;
        now = durable_at;
        pace.Durable(step, true);
      }
      const double stall = stall_s(static_cast<int>(captured.size()));
      captured.push_back(step);
      pace.Captured(step);
      now += stall;
      held_up += stall;
      durable_at = now + durable_s;
    }
    share = held_up / now;
    return captured;
  }
  double share = 0;
};

TEST_CASE("the interval becomes the least that keeps the budget, and an eighth more", "[pace]") {
  struct Case {
    double step_s, stall_s, share;
    int64_t every, every_max, wanted;
  };
  const Case cases[] = {
      {0.1, 0.01, 0.01, 1, 10000, 12},       // 0.01 * 0.99 / (0.01 * 0.1) = 9.9
      {0.1, 0.01, 0.02, 1, 10000, 6},        // 4.9
      {2.0, 0.004, 0.01, 1, 10000, 1},       // 0.198
      {2.0, 0.004, 0.01, 50, 10000, 50},     // cheap: as often as asked for, not oftener
      {0.01, 0.4999, 0.01, 1, 10000, 5568},  // dear
      {0.01, 0.4999, 0.01, 1, 1000, 1000},   // dearer than every_max allows for
      {0.5, 0.25, 0.5, 1, 10000, 1},         // half of the time
  };
  for (const Case& one : cases) {
    INFO(one.step_s << " s a step, " << one.stall_s << " s a capture, share " << one.share);
    CapturePace pace(Limits(one.share, one.every, one.every_max), 0, 0);
    FakeTraining training;
    training.step_s = one.step_s;
    training.stall_s = [&](int) { return one.stall_s; };
    training.Run(pace, 400000);
    CHECK(pace.interval() == one.wanted);
    CHECK(pace.OverBudget() == (one.wanted == one.every_max));
    if (one.wanted < one.every_max) CHECK(training.share < 1.2 * one.share);
  }
}

TEST_CASE("captures do not queue: the interval is longer than a state takes to be durable",
          "[pace]") {
  CapturePace pace(Limits(0.01), 0, 0);
  FakeTraining training;
  training.durable_s = 1.75;  // 18 steps; by its cost alone a capture could come at every step
  training.stall_s = [](int) { return 0.0005; };
  const auto captured = training.Run(pace, 20000);
  CHECK(pace.interval() == 18);
  REQUIRE(captured.size() > 100);
  for (size_t i = captured.size() - 100; i < captured.size(); ++i) {
    REQUIRE(captured[i] - captured[i - 1] == 18);
  }
}

TEST_CASE("one capture changes the interval by a factor of two at most, and is forgotten",
          "[pace]") {
  CapturePace pace(Limits(0.01, 10), 0, 0);
  FakeTraining training;
  training.stall_s = [](int number) { return number == 20 ? 30.0 : 0.001; };
  const auto captured = training.Run(pace, 40000);
  int64_t longest = 0;
  for (size_t i = 1; i < captured.size(); ++i) {
    longest = std::max(longest, captured[i] - captured[i - 1]);
    if (i < 2) continue;
    const auto before = captured[i - 1] - captured[i - 2], now = captured[i] - captured[i - 1];
    REQUIRE(now <= 2 * before);
    REQUIRE(2 * now >= before - 1);
  }
  CHECK(longest >= 1280);  // doubled while the slow one counted
  CHECK(pace.interval() == 10);
}

TEST_CASE("the first capture, which proves the equal start, is not what the others cost",
          "[pace]") {
  CapturePace pace(Limits(0.01, 10), 0, 0);
  FakeTraining training;
  training.stall_s = [](int number) { return number == 0 ? 100.0 : 0.001; };
  const auto captured = training.Run(pace, 200);
  REQUIRE(captured.size() == 20);
  CHECK(captured.back() == 200);
}

TEST_CASE("noise below a quarter does not move the interval to and fro", "[pace]") {
  CapturePace pace(Limits(0.01), 0, 0);
  FakeTraining training;
  training.stall_s = [](int number) { return 0.02 * (1 + 0.1 * std::sin(number)); };
  training.Run(pace, 5000);
  const int64_t settled = pace.interval();
  CHECK(settled >= 20);
  CHECK(settled <= 25);
  FakeTraining again = training;
  CapturePace other(Limits(0.01), 0, settled);
  const auto captured = again.Run(other, 5000);
  for (const int64_t step : captured) CHECK(step % settled == 0);
}

TEST_CASE("a process goes on at the interval of the state it restored, within the limits",
          "[pace]") {
  CHECK(CapturePace(Limits(0.01, 10, 100), 500, 0).interval() == 10);
  CHECK(CapturePace(Limits(0.01, 10, 100), 500, 37).interval() == 37);
  CHECK(CapturePace(Limits(0.01, 10, 100), 500, 5).interval() == 10);
  CHECK(CapturePace(Limits(0.01, 10, 100), 500, 1000).interval() == 100);
  const CapturePace pace(Limits(0.01, 10, 100), 500, 37);
  CHECK_FALSE(pace.Due(536));
  CHECK(pace.Due(537));
}

TEST_CASE("a capture that was asked for counts, and the next one is a whole interval away",
          "[pace]") {
  CapturePace pace(Limits(0.01, 10, 100), 0, 0);
  pace.Observe(0.7, 0);
  pace.Captured(7);
  CHECK_FALSE(pace.Due(10));
  CHECK(pace.Due(17));
  pace.Captured(17);
  pace.Captured(17);  // no step between: no division by zero
  CHECK(pace.interval() == 10);
  CHECK(pace.Share() == 0);
}

TEST_CASE("a budget is a share in percent, of an interval that can grow", "[pace]") {
  lineage::LineageSettings settings;
  const auto parse = [&](const char* budget, int64_t every = 50, int64_t every_max = 1000) {
    settings.budget = budget;
    settings.every = every;
    settings.every_max = every_max;
    return ParsePace(settings);
  };
  REQUIRE_THAT(parse("").status(), IsOk());
  CHECK_FALSE(*parse("", 0));
  for (const char* text : {"1%", "1 %", "1.0%"}) {
    INFO(text);
    const auto limits = parse(text);
    REQUIRE_THAT(limits.status(), IsOk());
    CHECK((*limits)->share == 0.01);
    CHECK((*limits)->every == 50);
    CHECK((*limits)->every_max == 1000);
  }
  for (const char* text : {"1", "0%", "-1%", "51%", "%", "nan%", "1%%", "0.01", "one%"}) {
    INFO(text);
    CHECK_THAT(parse(text).status(), HasCode(Code::kInvalidArgument, "lineage.budget"));
  }
  CHECK_THAT(parse("1%", 0).status(), HasCode(Code::kInvalidArgument, "lineage.every"));
  CHECK_THAT(parse("1%", 50, 49).status(), HasCode(Code::kInvalidArgument, "every_max = 49"));
}

}  // namespace
}  // namespace stemma::models
