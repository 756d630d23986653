// What follows from evaluations, without a network: when they are due, what needs them, and the
// traces of plateau and early stopping.
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "models/train/course.h"
#include "models/train/patience.h"
#include "optim/plateau.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using tests::HasCode;
using tests::IsOk;

const std::vector<double> kTrace = {1, .9, .9, .9, .9, .9, .8};

TEST_CASE("a run ends with the evaluation that completes its patience, and any lower loss counts") {
  // The evaluation, from 1, that ends it; 0: none does.
  const std::map<int64_t, int> ends = {{1, 3}, {2, 4}, {3, 5}, {4, 6}, {5, 0}, {7, 0}};
  for (const auto& [patience, expected] : ends) {
    INFO("patience " << patience);
    Patience counted;
    int ended = 0;
    for (size_t i = 0; i < kTrace.size() && ended == 0; ++i) {
      if (counted.Observe(kTrace[i], patience)) ended = static_cast<int>(i) + 1;
    }
    CHECK(ended == expected);
    CHECK(counted.best == (expected == 0 ? .8 : .9));
  }
  Patience counted;
  CHECK_FALSE(counted.Observe(1, 2));
  CHECK_FALSE(counted.Observe(std::nextafter(1, 0), 2));
  CHECK_FALSE(counted.Observe(std::numeric_limits<double>::quiet_NaN(), 2));
  CHECK(counted.Observe(-std::numeric_limits<double>::infinity(), 2));  // no number to be better by
}

TEST_CASE("on evaluations the rate falls as on epochs") {
  optim::OptimSettings settings;
  settings.plateau_patience = 3;
  optim::Plateau plateau(settings);
  std::vector<double> factors;
  for (const double loss : kTrace) {
    plateau.EndEpoch(loss);
    factors.push_back(plateau.factor());
  }
  CHECK(factors == std::vector<double>{1, 1, 1, 1, .5, .5, .5});
}

// 64 samples in batches of 8: 8 steps an epoch.
TEST_CASE("evaluations are due in whole steps, and what looks at their loss needs them") {
  RunSettings settings;
  SettingsList list = FieldsOf(settings);
  const auto course = [&](const std::vector<std::string>& sets) {
    settings = RunSettings();
    settings.train.global_batch = 8;
    for (const std::string& set : sets) REQUIRE_THAT(list.Set(set), IsOk());
    return CourseOf(settings, 64);
  };
  const std::map<std::string, int64_t> due = {{"", 0},      {"3step", 3},     {"1ep", 8},
                                              {"0.3ep", 3}, {"20samples", 3}, {"999step", 999}};
  for (const auto& [every, steps] : due) {
    const auto made = course({"validate.every=" + every});
    REQUIRE_THAT(made.status(), IsOk());
    CHECK(made->validate_every == steps);
  }
  const std::string on = "optim.plateau_on=val_loss", plateau = "optim.schedule=plateau";
  const std::string every = "validate.every=1ep";
  CHECK_THAT(course({on, plateau, every}).status(), IsOk());
  CHECK_THAT(course({on}).status(), IsOk());  // another schedule does not look
  CHECK_THAT(course({"train.stop_patience=7", every}).status(), IsOk());
  struct Row {
    std::vector<std::string> sets;
    std::string what;
  };
  const std::vector<Row> refused = {
      {{"validate.every=5min"}, "validate.every = \"5min\": 'min' is no unit"},
      {{"validate.every=0step"}, "validate.every = \"0step\": the number must be positive"},
      {{"validate.every=2.5step"}, "no whole number of steps"},
      {{on, plateau}, "optim.plateau_on = val_loss looks at val_loss, and validate.every is \"\""},
      {{"train.stop_patience=7"}, "train.stop_patience = 7 looks at val_loss"},
      {{"validate.weights=average", every}, "optim.ema_decay = 0: no averages are kept"}};
  for (const Row& row : refused) {
    CHECK_THAT(course(row.sets).status(), HasCode(Code::kInvalidArgument, row.what));
  }
}

TEST_CASE("threads that prepare data are those asked for, or follow from device and cores") {
  RunSettings settings;
  CHECK(LoaderThreads(settings, 16) == 1);
  settings.device.kind = "cuda";
  CHECK(LoaderThreads(settings, 16) == 14);
  CHECK(LoaderThreads(settings, 2) == 1);
  settings.train.loader_threads = 20;
  CHECK(LoaderThreads(settings, 2) == 20);
}

}  // namespace
}  // namespace stemma::models
