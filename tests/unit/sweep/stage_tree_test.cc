// Evaluated values, the tree of stages against brute force, and what sharing saves.
#include "tools/sweep/stage_tree.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "tools/sweep/accounting.h"

#include "tests/support/status_matchers.h"
#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using stemma::tests::HasCode;
using stemma::tests::IsOk;

// 100 steps an epoch.
Base BaseWith(std::vector<std::string> settings, int64_t end) {
  Base base;
  base.root = "recipe";
  base.build = "test";
  base.end = end;
  base.assignments = {"train.global_batch=32", "aigw.train_size=3200",
                      "train.length=" + std::to_string(end) + "step"};
  base.settings = std::move(settings);
  return base;
}

Timeline LineOf(const Base& base, const std::vector<Part>& parts) {
  Result<Timeline> line = Timeline::Make(base, parts);
  INFO(line.status().message());
  REQUIRE(line.ok());
  return *line;
}

std::string ValuesOf(const Timeline& line, int64_t begin, int64_t end) {
  REQUIRE(line.Breaks(begin, end).empty());
  return line.Cut(begin, end).values;
}

TEST_CASE("what two texts of a schedule share is what they evaluate to") {
  struct Row {
    const char* name;
    Knobs a, b;
    int64_t same;  // steps of 20000
  };
  const Knobs cosine = {{"optim.schedule", "warmup_cosine"}, {"train.length", "100ep"}};
  Knobs longer = cosine, plateau = {{"optim.schedule", "plateau"}};
  longer["train.length"] = "200ep";
  Knobs patient = plateau;
  patient["optim.plateau_patience"] = "5";
  const std::vector<Row> rows = {
      // cos(0) = 1 for both; from step 1 on they differ.
      {"a cosine over 100 and over 200 epochs", cosine, longer, 1},
      {"the same in warm-up",
       {{"optim.schedule", "warmup_cosine"},
        {"optim.warmup_steps", "500"},
        {"train.length", "100ep"}},
       {{"optim.schedule", "warmup_cosine"},
        {"optim.warmup_steps", "500"},
        {"train.length", "200ep"}},
       501},
      {"warm-up, constant, decay",
       {{"optim.schedule", "steps"}, {"optim.warmup", "1ep"}, {"optim.step_factors", "6000:0.1"}},
       {{"optim.schedule", "steps"}, {"optim.warmup", "1ep"}, {"optim.step_factors", "8000:0.1"}},
       6000},
      {"one schedule in epochs and in steps",
       {{"optim.schedule", "steps"}, {"optim.warmup", "1ep"}, {"optim.step_factors", "60ep:0.1"}},
       {{"optim.schedule", "steps"},
        {"optim.warmup_steps", "100"},
        {"optim.step_factors", "6000:1e-1"}},
       10000},
      {"a constant and a schedule without steps that have come",
       {{"optim.lr", "0.1"}},
       {{"optim.lr", "1e-1"}, {"optim.schedule", "steps"}, {"optim.step_factors", "10000:0.5"}},
       10000},
      {"a rate scaled with the batch",
       {{"optim.lr", "0.1"}},
       {{"optim.lr", "0.8"}, {"optim.lr_scaling", "linear"}, {"optim.lr_batch", "256"}},
       10000},
      {"another decay", {{"optim.weight_decay", "0.1"}}, {{"optim.weight_decay", "0.2"}}, 0},
      {"plateau, whose rate follows losses", plateau, patient, 0},
      {"the seed of the data", {{"train.seed", "1"}}, {{"train.seed", "2"}}, 0},
      {"the precision", {}, {{"train.precision", "bfloat16"}}, 0},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Base base = BaseWith({}, 20000);
    const Timeline a = LineOf(base, {{0, row.a}}), b = LineOf(base, {{0, row.b}});
    CHECK(a.FirstDifference(b, 0, 10000) == row.same);
    CHECK(b.FirstDifference(a, 0, 10000) == row.same);
    if (row.same > 0) CHECK(ValuesOf(a, 0, row.same) == ValuesOf(b, 0, row.same));
    if (row.same < 10000) CHECK(ValuesOf(a, 0, row.same + 1) != ValuesOf(b, 0, row.same + 1));
  }
}

TEST_CASE("values do not depend on where a text ends") {
  const Base base = BaseWith({}, 400);
  const Knobs high = {{"optim.lr", "0.1"}}, low = {{"optim.lr", "0.01"}};
  const Timeline pieces = LineOf(base, {{0, high}, {200, low}});
  const Timeline again = LineOf(base, {{0, high}, {100, high}, {200, low}});
  const Timeline factors = LineOf(
      base,
      {{0, {{"optim.lr", "0.1"}, {"optim.schedule", "steps"}, {"optim.step_factors", "200:0.1"}}}});
  CHECK(pieces.Breaks(0, 400) == std::vector<int64_t>{200});
  CHECK(again.Breaks(0, 400) == std::vector<int64_t>{200});
  CHECK(factors.Breaks(0, 400).empty());
  CHECK(pieces.FirstDifference(again, 0, 400) == 400);
  // 0.1 x 0.1 is not 0.01 in float64: nothing is rounded to be shared.
  CHECK(pieces.FirstDifference(factors, 0, 400) == 200);
  CHECK(pieces.Rate(199) == 0.1);
  CHECK(pieces.Rate(200) == 0.01);
  CHECK(pieces.Cut(200, 400).settings.at("optim.lr") == "0.01");

  StageTree tree(base, 1);
  REQUIRE_THAT(tree.Add({{0, {{0, high}, {200, low}}, 400}, {1, {{0, high}}, 400}}), IsOk());
  CHECK(tree.stages().size() == 3);
  CHECK(tree.StepsOnce() == 600);
}

// Trials of 40 steps whose two knobs take one of a few values every 5 or 10 steps.
std::vector<Trial> RandomTrials(Random* random, size_t count) {
  std::vector<Trial> trials;
  const std::vector<std::string> rates = {"0.1", "0.2"}, decays = {"0", "0.01"};
  for (size_t i = 0; i < count; ++i) {
    Trial trial;
    trial.id = static_cast<TrialId>(i);
    for (int64_t step = 0; step < 40; step += random->Below(2) == 1 ? 5 : 10) {
      const bool change = step == 0 || random->Below(3) == 0;
      Knobs knobs = change ? Knobs{{"optim.lr", rates[random->Below(2)]},
                                   {"optim.weight_decay", decays[random->Below(2)]}}
                           : trial.parts.back().knobs;
      trial.parts.push_back({step, std::move(knobs)});
    }
    trial.until = 10 * (1 + static_cast<int64_t>(random->Below(4)));
    trials.push_back(std::move(trial));
  }
  return trials;
}

// What a trial does in its first n steps, n = 1, 2, ..., as texts.
std::vector<std::string> Prefixes(const Trial& trial) {
  std::vector<std::string> prefixes;
  std::string done;
  for (int64_t step = 0; step < trial.until; ++step) {
    const Part* part = &trial.parts[0];
    for (const Part& one : trial.parts) part = one.begin <= step ? &one : part;
    done += part->knobs.at("optim.lr") + "," + part->knobs.at("optim.weight_decay") + ";";
    prefixes.push_back(done);
  }
  return prefixes;
}

// A path covers its trial without a gap, with the trial's settings.
void CheckPath(const StageTree& tree, const Trial& trial) {
  int64_t step = 0;
  StageId parent = kBase;
  for (const StageId id : tree.Path(trial.id)) {
    const Stage& stage = tree.stages()[static_cast<size_t>(id)];
    CHECK(stage.parent == parent);
    REQUIRE(stage.segment.begin == step);
    CHECK(stage.references.count(trial.id) == 1);
    for (; step < stage.segment.end; ++step) {
      const Part* part = &trial.parts[0];
      for (const Part& one : trial.parts) part = one.begin <= step ? &one : part;
      if (stage.segment.settings != part->knobs) FAIL_CHECK("other settings at step " << step);
    }
    parent = id;
  }
  CHECK(step == trial.until);
  const std::vector<TrialId> ending = tree.EndingAt(parent);
  CHECK(std::count(ending.begin(), ending.end(), trial.id) == 1);
}

TEST_CASE("the tree is the union of all steps, each once") {
  const Base base = BaseWith({}, 40);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    INFO("seed " << seed);
    Random random(seed, "trees");
    const std::vector<Trial> trials = RandomTrials(&random, 2 + random.Below(12));
    StageTree tree(base, 1);
    REQUIRE_THAT(tree.Add(trials), IsOk());
    std::set<std::string> steps, keys;
    int64_t naive = 0;
    for (const Trial& trial : trials) {
      for (std::string& prefix : Prefixes(trial)) steps.insert(std::move(prefix));
      naive += trial.until;
      CheckPath(tree, trial);
    }
    CHECK(tree.StepsOnce() == static_cast<int64_t>(steps.size()));
    CHECK(tree.StepsNaive() == naive);
    for (const Stage& stage : tree.stages()) keys.insert(stage.key);
    CHECK(keys.size() == tree.stages().size());

    // The same trials in another order are the same stages.
    std::vector<Trial> turned(trials.rbegin(), trials.rend());
    StageTree other(base, 1);
    REQUIRE_THAT(other.Add(turned), IsOk());
    std::set<std::string> other_keys;
    for (const Stage& stage : other.stages()) other_keys.insert(stage.key);
    CHECK(other_keys == keys);
  }
}

TEST_CASE("what was added before is shared whole, never cut") {
  const Base base = BaseWith({}, 40);
  for (uint64_t seed = 20; seed < 28; ++seed) {
    INFO("seed " << seed);
    Random random(seed, "trees");
    const std::vector<Trial> trials = RandomTrials(&random, 10);
    StageTree tree(base, 1);
    REQUIRE_THAT(tree.Add({trials.begin(), trials.begin() + 5}), IsOk());
    const std::vector<Stage> before = tree.stages();
    REQUIRE_THAT(tree.Add({trials.begin() + 5, trials.end()}), IsOk());
    for (const Stage& stage : before) {
      const Stage& now = tree.stages()[static_cast<size_t>(stage.id)];
      CHECK(now.key == stage.key);
      CHECK(now.segment.end == stage.segment.end);
    }
    for (const Trial& trial : trials) CheckPath(tree, trial);

    // Going on is found again, and adds only what is new.
    const int64_t once = tree.StepsOnce();
    REQUIRE_THAT(tree.Add({trials[0]}), IsOk());
    CHECK(tree.StepsOnce() == once);
  }
}

TEST_CASE("a stage's key holds everything that its bits depend on") {
  const Trial trial = {0, {{0, {{"optim.lr", "0.1"}}}}, 40};
  const auto key = [&](Base base, int64_t ranks) {
    StageTree tree(base, ranks);
    REQUIRE_THAT(tree.Add({trial}), IsOk());
    return tree.stages()[0].key;
  };
  const Base base = BaseWith({}, 40);
  std::set<std::string> keys = {key(base, 1), key(base, 2)};
  for (const char* setting :
       {"train.seed=2", "train.global_batch=64", "train.precision=bfloat16", "optim.beta1=0.8",
        "optim.lr_min=0", "train.log_every=3", "run.name=other"}) {
    keys.insert(key(BaseWith({setting}, 40), 1));
  }
  CHECK(keys.size() == 6);  // the last three change nothing that is computed
  Base other = base;
  other.root = std::string(64, 'a');
  keys.insert(key(other, 1));
  other = base;
  other.build = "another";
  keys.insert(key(other, 1));
  CHECK(keys.size() == 8);
}

// Eight trials that differ in the second half.
std::vector<Trial> Halves() {
  std::vector<Trial> trials;
  for (TrialId id = 0; id < 8; ++id) {
    const std::string value = std::to_string(id + 2);
    trials.push_back(
        {id, {{0, {{"optim.weight_decay", "0.01"}}}, {200, {{"optim.weight_decay", value}}}}, 400});
  }
  return trials;
}

TEST_CASE("eight trials that share half of their steps save 43.75 %") {
  StageTree tree(BaseWith({}, 400), 2);
  REQUIRE_THAT(tree.Add(Halves()), IsOk());
  REQUIRE(tree.stages().size() == 9);
  CHECK(tree.RefCount(0) == 8);
  const Accounting expected = Expected(tree, 2);
  CHECK(expected.naive == 6400);
  CHECK(expected.spent == 3600);
  CHECK(expected.SavedShare() == 0.4375);
  CHECK(expected.Factor() == Approx(1.7778).epsilon(1e-4));

  // Measured: 10 a stage, forks of 1, one capture, one attempt that failed; trial 7 was stopped.
  std::map<StageId, StageCost> costs;
  for (const Stage& stage : tree.stages()) costs[stage.id] = {10, stage.id == 0 ? 0.0 : 1.0, 0, 0};
  costs[0].capture = 2;
  costs[3].again = 5;
  const Accounting sum = Account(tree, costs, {7});
  CHECK(sum.naive == 160);
  CHECK(sum.saved == 70);
  CHECK(sum.overhead == 15);
  CHECK(sum.spent == 105);
  CHECK(sum.pruned == 11);
  CHECK(sum.Factor() == Approx(160.0 / 105));
}

TEST_CASE("stages are urgent by what still depends on them, and losers go without their past") {
  const Base base = BaseWith({}, 400);
  StageTree tree(base, 1);
  std::vector<Trial> trials = Halves();
  trials.push_back({8, {{0, {{"optim.weight_decay", "0.5"}}}}, 300});
  REQUIRE_THAT(tree.Add(trials), IsOk());
  const StageId shared = tree.Path(0)[0], alone = tree.Path(8)[0];
  CHECK(tree.Ready() == std::vector<StageId>{shared, alone});
  CHECK(tree.Remaining(shared) == 400);
  tree.Done(shared);
  CHECK(tree.Remaining(shared) == 200);
  const std::vector<StageId> ready = tree.Ready();
  REQUIRE(ready.size() == 9);
  CHECK(ready[0] == alone);  // 300 steps are left there, 200 elsewhere
  for (const Stage& stage : tree.stages()) tree.Done(stage.id);
  CHECK(tree.Ready().empty());

  const std::vector<StageId> prunable = tree.Prunable({3, 8});
  CHECK(prunable.size() == 7);
  const std::vector<StageId> kept = tree.Path(3);
  for (const StageId id : prunable) CHECK(std::count(kept.begin(), kept.end(), id) == 0);

  const Stage& child = tree.stages()[static_cast<size_t>(tree.Path(0)[1])];
  CHECK(child.Sets(base) == std::vector<std::string>{"optim.weight_decay=2", "train.stop_at=400"});
  CHECK_THAT(tree.Add({{9, {{0, {}}}, 401}}), HasCode(Code::kInvalidArgument, "trial 9"));
  CHECK(tree.Path(9).empty());
}

TEST_CASE("a fork is not told what it cannot change, and short prefixes are not cut off") {
  const Base base = BaseWith({"train.seed=3"}, 40);
  const Knobs low = {{"aigw.train_size", "3200"}, {"optim.lr", "0.1"}};
  Knobs high = low;
  high["optim.lr"] = "0.2";
  StageTree tree(base, 1, 10);
  REQUIRE_THAT(
      tree.Add(
          {{0, {{0, low}}, 40}, {1, {{0, low}, {10, high}}, 40}, {2, {{0, low}, {9, high}}, 40}}),
      IsOk());
  REQUIRE(tree.stages().size() == 5);  // trial 2 has nine steps in common: it begins alone
  CHECK(tree.stages()[0].Sets(base) == std::vector<std::string>{"aigw.train_size=3200",
                                                                "optim.lr=0.1", "train.seed=3",
                                                                "train.stop_at=10"});
  const Stage& child = tree.stages()[static_cast<size_t>(tree.Path(1)[1])];
  CHECK(child.Sets(base) == std::vector<std::string>{"optim.lr=0.2", "train.stop_at=40"});
}

}  // namespace
}  // namespace stemma::sweep
