// Which trials begin and what becomes of them: points, rungs, decisions on synthetic learning
// curves, and their replay.
#include "tools/sweep/method.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "tools/sweep/choices.h"
#include "tools/sweep/plan.h"
#include "tools/sweep/rungs.h"
#include "tools/sweep/segment.h"
#include "tools/sweep/sobol.h"
#include "tests/unit/sweep/samples.h"

#include "tests/support/status_matchers.h"
#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using stemma::tests::HasCode;
using stemma::tests::IsOk;

// A loss that falls towards a floor, which is least at lr = 0.03; curves do not cross. Rates above
// 0.5 diverge.
double Loss(const Trial& trial, int64_t step) {
  double loss = 1;
  for (size_t i = 0; i < trial.parts.size(); ++i) {
    const Part& part = trial.parts[i];
    if (part.begin >= step) break;
    const bool last = i + 1 == trial.parts.size();
    const int64_t end = last ? step : std::min(step, trial.parts[i + 1].begin);
    const double rate = std::strtod(part.knobs.at("optim.lr").c_str(), nullptr);
    if (rate > 0.5) return std::numeric_limits<double>::quiet_NaN();
    const double floor = std::abs(std::log10(rate / 0.03));
    loss = floor + (loss - floor) * std::exp(-static_cast<double>(end - part.begin) / 500);
  }
  return loss;
}

// The sweep with outcomes in an order that `seed` draws.
History Shuffled(const Method& method, int64_t slots, uint64_t seed) {
  Random random(seed, "arrival");
  History history;
  for (;;) {
    for (bool more = true; more;) {
      const auto busy = static_cast<int64_t>(history.Running().size());
      Result<std::vector<Event>> events =
          NextEvents(method, history, std::max<int64_t>(0, slots - busy));
      REQUIRE_THAT(events.status(), IsOk());
      more = !events->empty();
      for (Event& event : *events) REQUIRE_THAT(history.Add(std::move(event)), IsOk());
    }
    const std::vector<TrialId> running = history.Running();
    if (running.empty()) return history;
    const Trial& next = history.trials().at(running[random.Below(running.size())]);
    REQUIRE_THAT(history.Add(Outcome{next.id, next.until, Loss(next, next.until), "ab"}), IsOk());
  }
}

std::string Decided(const History& history) {
  std::string text;
  for (const auto& [point, decision] : history.decisions()) text += EncodeEvent(decision) + "\n";
  return text;
}

// Trials per step at which they were judged.
std::map<int64_t, int64_t> Reach(const History& history) {
  std::map<int64_t, int64_t> reach;
  for (const auto& [point, outcome] : history.outcomes()) ++reach[point.second];
  return reach;
}

TEST_CASE("Hyperband's brackets for R = 81 and eta = 3") {
  using Row = std::vector<std::pair<int64_t, int64_t>>;
  const std::vector<Row> table = {{{5, 81}},
                                  {{8, 27}, {2, 81}},
                                  {{15, 9}, {5, 27}, {1, 81}},
                                  {{34, 3}, {11, 9}, {3, 27}, {1, 81}},
                                  {{81, 1}, {27, 3}, {9, 9}, {3, 27}, {1, 81}}};
  REQUIRE(MostHalvings(81, 1, 3) == 4);
  CHECK(MostHalvings(80, 1, 3) == 3);
  CHECK(MostHalvings(81 * 50, 50, 3) == 4);
  for (int64_t s = 0; s <= 4; ++s) {
    const std::vector<Rung> rungs = Bracket(81, 3, 4, s);
    Row row;
    for (const Rung& rung : rungs) row.emplace_back(rung.trials, rung.steps);
    INFO("s = " << s);
    CHECK(row == table[static_cast<size_t>(s)]);
  }
}

TEST_CASE("Sobol's first points, and one in each part of an axis") {
  const std::vector<std::vector<double>> known = {{0, 0, 0},
                                                  {0.5, 0.5, 0.5},
                                                  {0.75, 0.25, 0.25},
                                                  {0.25, 0.75, 0.75},
                                                  {0.375, 0.375, 0.625},
                                                  {0.875, 0.875, 0.125},
                                                  {0.625, 0.125, 0.875},
                                                  {0.125, 0.625, 0.375}};
  for (size_t i = 0; i < known.size(); ++i) {
    CHECK(SobolPoint(static_cast<int64_t>(i), 3) == known[i]);
  }
  for (const int64_t seed : {0, 5}) {
    std::vector<std::set<int>> parts(kSobolDimensions);
    std::set<std::pair<int, int>> cells[9];
    std::vector<std::vector<double>> points;
    for (int64_t i = 0; i < 256; ++i) {
      points.push_back(ShiftedSobolPoint(i, kSobolDimensions, seed));
      for (size_t d = 0; d < parts.size(); ++d)
        parts[d].insert(static_cast<int>(points.back()[d] * 256));
      // Two axes are a net: every box of 2^-a by 2^-(8 - a) has one point.
      for (int a = 0; a <= 8; ++a) {
        cells[a].emplace(static_cast<int>(std::ldexp(points.back()[0], a)),
                         static_cast<int>(std::ldexp(points.back()[1], 8 - a)));
      }
    }
    for (const auto& axis : parts) CHECK(axis.size() == 256);
    for (const auto& boxes : cells) CHECK(boxes.size() == 256);
    for (size_t d = 0; d < parts.size(); ++d) {
      for (size_t e = 0; e < d; ++e) {
        double sum = 0;
        for (const auto& point : points) sum += (point[d] - 0.5) * (point[e] - 0.5) * 12 / 256;
        if (std::abs(sum) > 0.2)
          FAIL_CHECK("axes " << d << " and " << e << " go together: " << sum);
      }
    }
  }
  CHECK(ShiftedSobolPoint(0, 2, 5) != ShiftedSobolPoint(0, 2, 6));
}

TEST_CASE("a grid is all combinations, and sobol's trials are its points") {
  const SweepSpec spec = SpecOf("grid", "points = 5",
                                "optim.lr = { low = 1e-4, high = 1.0, log = true }\n"
                                "optim.beta2 = { values = [0.9, 0.99] }\n");
  const Result<std::vector<Trial>> grid = MethodOf(spec, BaseTo(40))->Propose(History(), 1);
  REQUIRE(grid.ok());
  REQUIRE(grid->size() == 10);
  CHECK(grid->at(0).parts[0].knobs == Knobs{{"optim.beta2", "0.9"}, {"optim.lr", "1e-04"}});
  CHECK(grid->at(4).parts[0].knobs == Knobs{{"optim.beta2", "0.9"}, {"optim.lr", "1.0"}});
  CHECK(grid->at(9).parts[0].knobs == Knobs{{"optim.beta2", "0.99"}, {"optim.lr", "1.0"}});

  SweepSpec sobol = SpecOf("sobol", "trials = 4");
  sobol.seed = 0;
  const Result<std::vector<Trial>> points = MethodOf(sobol, BaseTo(40))->Propose(History(), 1);
  REQUIRE(points.ok());
  CHECK(std::stod(points->at(1).parts[0].knobs.at("optim.lr")) == Approx(0.01));
  CHECK(points->at(2).parts[0].knobs.at("optim.weight_decay") == "0.025");
  History begun;
  REQUIRE_THAT(begun.Add(Proposal{*points}), IsOk());
  CHECK(MethodOf(sobol, BaseTo(40))->Propose(begun, 9)->empty());
}

TEST_CASE("halving keeps the best third of each rung, whatever the order of arrival") {
  struct Row {
    const char* method;
    const char* parameters;
    std::map<int64_t, int64_t> reach;
  };
  const std::vector<Row> rows = {
      {"halving", "trials = 27\nmin_steps = 9", {{9, 27}, {27, 9}, {81, 3}, {243, 1}}},
      {"hyperband",
       "min_steps = 9",
       {{9, 27}, {27, 9 + 12}, {81, 3 + 4 + 6}, {243, 1 + 1 + 2 + 4}}},
  };
  for (const Row& row : rows) {
    INFO(row.method);
    const SweepSpec spec = SpecOf(row.method, row.parameters);
    const std::unique_ptr<Method> method = MethodOf(spec, BaseTo(243));
    const History first = Shuffled(*method, 4, 1);
    CHECK(Reach(first) == row.reach);
    CHECK_THAT(Replay(*method, first), IsOk());
    for (uint64_t seed = 2; seed < 5; ++seed) {
      CHECK(Decided(Shuffled(*method, static_cast<int64_t>(seed), seed)) == Decided(first));
    }
    // Curves do not cross, so the best of all trials of a bracket is its last one.
    const Outcome* winner = Winner("min", first);
    REQUIRE(winner != nullptr);
    CHECK(winner->step == 243);
    for (const auto& [id, trial] : first.trials()) {
      const double loss = Loss(trial, 243);
      if (std::isfinite(loss) && loss < winner->metric) FAIL_CHECK("trial " << id << " was better");
    }
  }
}

// What ASHA says of a rung, from the definition: how many of those seen are better.
void CheckPromotion(const History& history, const Decision& decision, double eta) {
  int64_t better = 0;
  const Outcome& own = history.outcomes().at({decision.trial, decision.step});
  for (const Point& point : decision.saw) {
    CHECK(point.second == decision.step);
    better += Better("min", history.outcomes().at(point), own) ? 1 : 0;
  }
  const double best = std::floor(static_cast<double>(decision.saw.size()) / eta);
  if (decision.kind == Decision::Kind::kPromote) {
    CHECK(static_cast<double>(better) < std::max(best, 1.0));
    CHECK(std::isfinite(own.metric));
  } else if (std::isfinite(own.metric)) {
    CHECK(static_cast<double>(better) >= best);
  }
}

TEST_CASE("ASHA promotes without waiting, and every decision follows from what it saw") {
  const SweepSpec spec = SpecOf("asha", "trials = 27\nmin_steps = 9");
  const Base base = BaseTo(243);
  const std::unique_ptr<Method> method = MethodOf(spec, base);
  std::set<std::string> courses;
  for (uint64_t seed = 1; seed < 7; ++seed) {
    INFO("seed " << seed);
    const History history = Shuffled(*method, static_cast<int64_t>(seed), seed);
    courses.insert(Decided(history));
    std::map<int64_t, int64_t> reach = Reach(history);
    CHECK(reach[9] == 27);
    CHECK(reach[243] >= 1);
    CHECK(reach[243] <= 4);
    for (const auto& [point, decision] : history.decisions()) CheckPromotion(history, decision, 3);
    CHECK_THAT(Replay(*method, history), IsOk());
    for (const auto& [id, trial] : history.trials()) {
      if (trial.until < 243) CHECK(history.Stopped(id));
    }
    // Curves do not cross: the best trial of all is never overtaken.
    const Outcome* winner = Winner("min", history);
    for (const auto& [id, trial] : history.trials()) CHECK_FALSE(Loss(trial, 243) < winner->metric);
    const Result<StageTree> tree = TreeOf(spec, base, history);
    REQUIRE(tree.ok());
    CHECK(tree->StepsOnce() < 27 * 243 / 4);
  }
  CHECK(courses.size() > 1);  // the order of arrival does matter to ASHA: that is why it is kept

  // A record that was tampered with is found.
  const History history = Shuffled(*method, 2, 1);
  History forged;
  for (Event event : history.events()) {
    auto* decision = std::get_if<Decision>(&event);
    if (decision && decision->kind == Decision::Kind::kPromote) {
      decision->saw = {{decision->trial, decision->step}};
    }
    REQUIRE_THAT(forged.Add(std::move(event)), IsOk());
  }
  CHECK_THAT(Replay(*method, forged), HasCode(Code::kCorruption, "does not follow"));
}

TEST_CASE("a trial that diverges is the worst one, not a failure") {
  const SweepSpec spec =
      SpecOf("halving", "trials = 9\nmin_steps = 9", "optim.lr = { low = 0.6, high = 0.9 }\n");
  const std::unique_ptr<Method> method = MethodOf(spec, BaseTo(81));
  const History all_lost = Shuffled(*method, 3, 1);
  CHECK(Reach(all_lost) == std::map<int64_t, int64_t>{{9, 9}});
  for (const auto& [id, trial] : all_lost.trials()) CHECK(all_lost.Stopped(id));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(Better("max", {1, 9, -5, ""}, {0, 9, nan, ""}));
  CHECK(Better("max", {1, 9, 2, ""}, {0, 9, 1, ""}));
  CHECK(Better("min", {0, 9, 1, ""}, {1, 9, 1, ""}));
  CHECK_FALSE(Better("min", {1, 9, 1, ""}, {0, 9, 1, ""}));
}

TEST_CASE("PBT's champion has a schedule that can be read off and trained alone") {
  const SweepSpec spec = SpecOf("pbt", "trials = 10\ninterval = 30\ntruncation = 0.2");
  const Base base = BaseTo(300);
  const std::unique_ptr<Method> method = MethodOf(spec, base);
  const History history = Shuffled(*method, 10, 1);
  CHECK(Decided(Shuffled(*method, 3, 8)) == Decided(history));
  CHECK_THAT(Replay(*method, history), IsOk());

  size_t exploits = 0;
  for (const auto& [point, decision] : history.decisions()) {
    CHECK(decision.step % 30 == 0);
    if (decision.kind != Decision::Kind::kExploit) continue;
    ++exploits;
    const std::vector<Part> before = history.PartsAt(decision.from, decision.step);
    REQUIRE(decision.parts.size() == before.size() + 1);
    CHECK(
        EncodeEvent(Proposal{{{0, before, 1, 0, 0}}}) ==
        EncodeEvent(Proposal{{{0, {decision.parts.begin(), decision.parts.end() - 1}, 1, 0, 0}}}));
    CHECK(decision.parts.back().begin == decision.step);
    CHECK(Better("min", history.outcomes().at({decision.from, decision.step}),
                 history.outcomes().at(point)));
    const double rate = std::strtod(decision.parts.back().knobs.at("optim.lr").c_str(), nullptr);
    CHECK((rate >= 1e-4 && rate <= 1));
  }
  CHECK(exploits >= 9 * 2);

  Result<StageTree> tree = TreeOf(spec, base, history);
  REQUIRE(tree.ok());
  CHECK(tree->StepsNaive() == 10 * 300);  // an inherited past is nobody's saving
  CHECK(tree->StepsOnce() == 10 * 300);
  const Outcome* champion = Winner("min", history);
  const Trial& trial = history.trials().at(champion->trial);
  CHECK(trial.parts.size() > 1);
  const Result<Timeline> alone = Timeline::Make(base, trial.parts);
  REQUIRE(alone.ok());
  int64_t step = 0;
  for (const StageId id : tree->Path(trial.id)) {
    const Segment& segment = tree->stages()[static_cast<size_t>(id)].segment;
    REQUIRE(segment.begin == step);
    CHECK(segment.values == alone->Cut(segment.begin, segment.end).values);
    step = segment.end;
  }
  CHECK(step == 300);
}

TEST_CASE("the range test stops where the loss has risen") {
  const SweepSpec spec = SpecOf("range", "interval = 10\nrise = 1.5",
                                "optim.lr = { low = 1e-3, high = 1.0, log = true }\n");
  const std::unique_ptr<Method> method = MethodOf(spec, BaseTo(100));
  const auto curve = [](const Trial&, int64_t step) {
    return step <= 50 ? 3.0 - 0.02 * static_cast<double>(step)
                      : 2.0 + 0.1 * static_cast<double>(step - 50);
  };
  const Result<History> history = Rehearse(spec, *method, curve);
  REQUIRE(history.ok());
  REQUIRE(history->trials().size() == 1);
  const Trial& trial = history->trials().at(0);
  REQUIRE(trial.parts.size() == 10);
  CHECK(trial.parts[0].knobs.at("optim.lr") == "0.001");
  CHECK(trial.parts[9].knobs.at("optim.lr") == "1.0");
  CHECK(trial.parts[3].begin == 30);
  CHECK(trial.until == 70);  // 2.0 at 50, 3.0 at 60 is not above 3.0, 4.0 at 70 is
  CHECK(history->Stopped(0));
  CHECK_THAT(Replay(*method, *history), IsOk());
}

class First : public Method {
 public:
  explicit First(Trial trial) : trial_(std::move(trial)) {}
  Result<std::vector<Trial>> Propose(const History& history, int64_t) const override {
    return history.trials().empty() ? std::vector<Trial>{trial_} : std::vector<Trial>();
  }
  Result<std::vector<Decision>> Decide(const History&) const override {
    return std::vector<Decision>();
  }

 private:
  Trial trial_;
};

TEST_CASE("a method of one's own is known by its name") {
  RegisterMethod(
      "first", [](const SweepSpec& spec, const Base& base) -> Result<std::unique_ptr<Method>> {
        STEMMA_ASSIGN_OR_RETURN(Trial trial, MakeTrial(spec, base, 0, ChoiceAt(spec, {0, 0})));
        return std::unique_ptr<Method>(std::make_unique<First>(std::move(trial)));
      });
  const SweepSpec spec = SpecOf("first", "trials = 3");
  const Result<History> history =
      Rehearse(spec, *MethodOf(spec, BaseTo(50)), [](const Trial&, int64_t) { return 1.0; });
  REQUIRE(history.ok());
  CHECK(Reach(*history) == std::map<int64_t, int64_t>{{50, 1}});
}

TEST_CASE("a trial that went farther and diverged wins against nobody who has a result") {
  const auto trial = [](TrialId id, int64_t until) {
    return Trial{id, {{0, {{"optim.lr", "0.1"}}}}, until, 0, 0};
  };
  History history;
  REQUIRE_THAT(history.Add(Proposal{{trial(0, 40), trial(1, 80), trial(2, 80)}}), IsOk());
  REQUIRE_THAT(history.Add(Outcome{1, 80, std::nan(""), ""}), IsOk());
  CHECK(Winner("min", history)->trial == 1);  // of those that diverged, if there is no other
  REQUIRE_THAT(history.Add(Outcome{0, 40, 0.5, "ab"}), IsOk());
  CHECK(Winner("min", history)->trial == 0);
  REQUIRE_THAT(history.Add(Outcome{2, 80, 0.75, "cd"}), IsOk());
  CHECK(Winner("min", history)->trial == 2);  // of those with a result, who went farthest
}

}  // namespace
}  // namespace stemma::sweep
