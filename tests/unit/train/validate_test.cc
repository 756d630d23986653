// What follows from evaluations, and whether a run may go on, without a network: when evaluations
// are due, what needs them, the traces of plateau and early stopping, and what a session makes of
// other data, of a run that ended early, and of settings that came later.
#include <cstdlib>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "lineage/posix_storage.h"
#include "models/train/course.h"
#include "models/train/patience.h"
#include "models/train/session.h"
#include "optim/plateau.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using lineage::AttributeValue;
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
      {{"train.stop_patience=7"}, "train.stop_patience = 7 looks at val_loss"}};
  for (const Row& row : refused) {
    CHECK_THAT(course(row.sets).status(), HasCode(Code::kInvalidArgument, row.what));
  }
}

// A store with one run, "r", of one state at step 40 of 100.
class Scene {
 public:
  // `stored`: lines of the settings that the state was stored with, beside the usual ones.
  explicit Scene(const std::map<std::string, AttributeValue>& attributes,
                 const std::vector<std::string>& stored = {}, bool without_new_keys = false)
      : list(FieldsOf(settings)) {
    const char* scratch = std::getenv("TEST_TMPDIR");
    std::string folder = std::string(scratch ? scratch : ".") + "/validate_test_XXXXXX";
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    Set({"run.name=r", "lineage.store=" + folder + "/store"});
    Set(stored);
    store = *lineage::Store::Open(settings.lineage.store, true, lineage::PosixStorage());
    auto writer = *store->StartRun("r");
    lineage::Record record = lineage::MakeRecord(*store, 40, std::nullopt);
    std::string toml = list.ToToml();
    if (without_new_keys) Forget(&toml);
    record.settings = *store->PutBlob(toml);
    record.environment = *store->PutBlob("{}");
    record.attributes = attributes;
    const auto id = writer->Append(record);
    REQUIRE_THAT(id.status(), IsOk());
    state = *id;
    REQUIRE_THAT(writer->Close(), IsOk());
  }

  void Set(const std::vector<std::string>& sets) {
    for (const std::string& set : sets) REQUIRE_THAT(list.Set(set), IsOk());
  }
  Result<Session> Open(const std::string& digest) {
    SoloCohort alone;
    return OpenSession(settings, list, {false, 100, "{}", digest}, alone);
  }
  // Its state as the first one of another run, which is what to go on with from here on.
  void Fork(const std::string& name) {
    settings.run.name = name;
    lineage::Record change;
    change.settings = *store->PutBlob(list.ToToml());
    REQUIRE_THAT(store->Fork(lineage::MustLoad(*store), state, name, change).status(), IsOk());
  }

  RunSettings settings;
  SettingsList list;
  std::unique_ptr<lineage::Store> store;
  lineage::StateId state;

 private:
  // As a program wrote it that had none of these settings.
  static void Forget(std::string* toml) {
    std::string kept;
    size_t forgotten = 0;
    for (size_t at = 0; at < toml->size();) {
      const size_t end = toml->find('\n', at);
      const std::string line = toml->substr(at, end - at);
      at = end + 1;
      const bool is_new = line.find("validate.") != std::string::npos ||
                          line.find("stop_patience") != std::string::npos ||
                          line.find("plateau_on") != std::string::npos;
      forgotten += is_new ? 1 : 0;
      if (!is_new) kept += line + "\n";
    }
    REQUIRE(forgotten >= 4);
    *toml = kept;
  }
};

const std::string kThese(64, 'a'), kOthers(64, 'b');

TEST_CASE("a run goes on with its own data, and a fork may have others and says so") {
  Scene scene({{kDataDigestKey, kThese}});
  const Status other = scene.Open(kOthers).status();
  CHECK_THAT(other, HasCode(Code::kIncompatible, "not those of run r"));
  CHECK_THAT(other, HasCode(Code::kIncompatible, "digest bbbbbbbbbbbbbbbb, and r@40 has aaaaaaaa"));
  CHECK_THAT(other, HasCode(Code::kIncompatible, "stemma fork r@40 --name NEWNAME"));
  const auto same = scene.Open(kThese);
  REQUIRE_THAT(same.status(), IsOk());
  CHECK(same->kind == StartKind::kContinue);
  scene.Fork("branch");
  const auto fork = scene.Open(kOthers);
  REQUIRE_THAT(fork.status(), IsOk());
  CHECK(fork->kind == StartKind::kFork);
  REQUIRE_FALSE(fork->notes.empty());
  CHECK_THAT(fork->notes[0], Catch::StartsWith("other training data than before the fork"));
  Scene old({});
  CHECK_THAT(old.Open(kOthers).status(), IsOk());
}

TEST_CASE("a run that ended early is complete, and a fork of it is not") {
  Scene scene({{kEndedEarlyKey, int64_t{3}}});
  const auto ended = scene.Open("");
  REQUIRE_THAT(ended.status(), IsOk());
  CHECK(ended->kind == StartKind::kComplete);
  CHECK_THAT(ended->headline, Catch::Contains("ended early by train.stop_patience"));
  scene.Fork("branch");
  const auto fork = scene.Open("");
  REQUIRE_THAT(fork.status(), IsOk());
  CHECK(fork->kind == StartKind::kFork);
}

TEST_CASE("evaluations may begin in the middle of a run, unless its course follows from them") {
  Scene plain({}, {});
  plain.Set({"validate.every=10step", "validate.batch=16"});
  CHECK_THAT(plain.Open("").status(), IsOk());
  Scene looks({}, {"validate.every=10step", "train.stop_patience=3"});
  looks.Set({"validate.every=20step"});
  CHECK_THAT(looks.Open("").status(), HasCode(Code::kInvalidArgument, "validate.every"));
  // A program that did not know a setting did what its default says.
  Scene old({}, {}, true);
  CHECK_THAT(old.Open("").status(), IsOk());
  old.Set({"validate.every=1ep", "train.stop_patience=3"});
  CHECK_THAT(old.Open("").status(), HasCode(Code::kInvalidArgument, "train.stop_patience"));
}

}  // namespace
}  // namespace stemma::models
