// What a sweep is asked to do: its file, the values of knobs, the plan.
#include "tools/sweep/spec.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/sweep/choices.h"
#include "tools/sweep/method.h"
#include "tools/sweep/plan_text.h"
#include "tests/unit/sweep/samples.h"

#include "tests/support/status_matchers.h"
#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using stemma::tests::HasCode;
using stemma::tests::IsOk;

TEST_CASE("values of knobs stay in their range, and even in the logarithm") {
  const SweepSpec spec = SpecOf("random", "trials = 400",
                                "optim.lr = { low = 1e-4, high = 1.0, log = true }\n"
                                "optim.warmup_steps = { low = 3, high = 6 }\n"
                                "optim.beta2 = { values = [0.9, 0.99, 0.999] }\n");
  const Base base = BaseTo(100);
  const std::unique_ptr<Method> method = MethodOf(spec, base);
  const Result<std::vector<Trial>> trials = method->Propose(History(), 1);
  REQUIRE(trials.ok());
  REQUIRE(trials->size() == 400);
  std::map<std::string, int> steps, betas;
  int small = 0;
  for (const Trial& trial : *trials) {
    const Knobs& knobs = trial.parts.at(0).knobs;
    const double rate = std::strtod(knobs.at("optim.lr").c_str(), nullptr);
    CHECK((rate >= 1e-4 && rate <= 1));
    small += rate < 1e-2 ? 1 : 0;
    ++steps[knobs.at("optim.warmup_steps")];
    ++betas[knobs.at("optim.beta2")];
    CHECK(trial.until == 100);
  }
  CHECK(std::abs(small - 200) < 60);  // six standard deviations
  CHECK(steps.size() == 4);
  for (const auto& [text, count] : steps) CHECK(std::abs(count - 100) < 52);
  CHECK(betas.size() == 3);
  // A trial is drawn by its number alone.
  const Result<std::vector<Trial>> again = MethodOf(spec, base)->Propose(History(), 7);
  CHECK(EncodeEvent(Proposal{*again}) == EncodeEvent(Proposal{*trials}));

  CHECK(ValueAt(spec.knobs[1], 0) == "1e-04");
  CHECK(std::strtod(ValueAt(spec.knobs[1], 0.5).c_str(), nullptr) == Approx(0.01));
  CHECK(ValueAt(spec.knobs[1], 1) == "1.0");
}

TEST_CASE("methods refuse what makes no sense") {
  struct Row {
    const char *method, *parameters, *knobs, *what;
  };
  const char* rate = "optim.lr = { low = 1e-3, high = 1.0, log = true }\n";
  const std::vector<Row> rows = {
      {"grid", "", rate, "s.toml:8:14: a grid needs method.points"},
      {"asha", "trials = 9\nmin_steps = 500", rate, "more than the budget of 100 steps"},
      {"pbt", "trials = 4", rate, "pbt needs method.interval"},
      {"pbt", "trials = 1\ninterval = 5", rate, "at least 2"},
      {"pbt", "interval = 5", "optim.lr = { schedules = ['0: 0.1'] }\n",
       "makes the schedule itself"},
      {"pbt", "interval = 5", "optim.name = { values = ['sgd', 'lamb'] }\n",
       "optim.name cannot be"},
      {"range", "interval = 90", rate, "from 1 to 50, half of the budget"},
      {"range", "interval = 10", "optim.lr = { values = [0.1] }\n", "raises one knob"},
      {"external", "command = './my.py'", rate, "only while the sweep runs"},
      {"random", "trials = 2", "optim.warmup_steps = { values = [500] }\n",
       "trial 0: optim.warmup_steps"},
  };
  for (const Row& row : rows) {
    const SweepSpec spec = SpecOf(row.method, row.parameters, row.knobs);
    CHECK_THAT(MakeMethod(spec, BaseTo(100)).status(), HasCode(Code::kInvalidArgument, row.what));
  }
  CHECK_THAT(MakeMethod(SpecOf("hyperband", "", rate), BaseTo(100000)).status(),
             HasCode(Code::kInvalidArgument, "trials, and 10000 are the most"));
  CHECK_THAT(MakeMethod(SpecOf("random", "trials = 2", rate), BaseTo(200000000)).status(),
             HasCode(Code::kInvalidArgument, "more than 100000000 steps"));
  std::string many;
  for (const char* key : {"lr",         "lr_min",         "beta1",         "beta2",
                          "eps",        "momentum",       "weight_decay",  "max_grad_norm",
                          "poly_power", "plateau_factor", "plateau_delta", "phi_min",
                          "phi_max",    "ratio_min",      "ratio_max",     "trust_coefficient",
                          "lars_clamp", "max_grad_value", "ema_decay",     "lr_start"}) {
    many += std::string("optim.") + key + " = { low = 0.1, high = 0.2 }\n";
  }
  many += "ops.bucket_mb = { low = 1, high = 2 }\nops.first_mb = { low = 1, high = 2 }\n";
  CHECK_THAT(MakeMethod(SpecOf("sobol", "trials = 2", many), BaseTo(100)).status(),
             HasCode(Code::kInvalidArgument, "directions for 21 knobs, and here are 22"));
}

TEST_CASE("a command of the user's answers in JSON, and is held to the knobs") {
  const SweepSpec spec = SpecOf("external", "command = './my.py'",
                                "optim.lr = { low = 1e-3, high = 1.0 }\n"
                                "optim.beta2 = { values = [0.9, 0.99] }\n");
  std::string asked, answer;
  const auto runner = [&](const std::string&, const std::string& input) -> Result<std::string> {
    asked = input;
    return answer;
  };
  Result<std::unique_ptr<Method>> method = MakeMethod(spec, BaseTo(100), runner);
  REQUIRE(method.ok());
  History history;
  answer = R"({"trials": [{"knobs": {"optim.lr": 0.25, "optim.beta2": 0.90}, "until": 40},
                          {"knobs": {"optim.lr": "0.5", "optim.beta2": "0.99"}}]})";
  const Result<std::vector<Trial>> trials = (*method)->Propose(history, 2);
  REQUIRE_THAT(trials.status(), IsOk());
  REQUIRE(trials->size() == 2);
  CHECK(trials->at(0).parts[0].knobs == Knobs{{"optim.beta2", "0.9"}, {"optim.lr", "0.25"}});
  CHECK(trials->at(0).until == 40);
  CHECK(trials->at(1).until == 100);
  CHECK(asked.find("\"free_slots\":2") != std::string::npos);
  REQUIRE_THAT(history.Add(Proposal{*trials}), IsOk());
  CHECK((*method)->Decide(history)->empty());  // nothing is pending: nobody is asked
  REQUIRE_THAT(history.Add(Outcome{0, 40, 1.5, ""}), IsOk());
  answer = R"({"decisions": [{"trial": 0, "step": 40, "kind": "promote"}]})";
  const Result<std::vector<Decision>> decisions = (*method)->Decide(history);
  REQUIRE_THAT(decisions.status(), IsOk());
  REQUIRE(decisions->size() == 1);
  CHECK(decisions->at(0).until == 100);
  CHECK(asked.find("\"pending\":[[0,40]]") != std::string::npos);

  for (const char* wrong :
       {"hello", "[]", R"({"trials": [{}]})", R"({"trials": [{"knobs": {"optim.lr": 0.1}}]})",
        R"({"trials": [{"knobs": {"optim.lr": 2, "optim.beta2": 0.9}}]})",
        R"({"trials": [{"knobs": {"optim.lr": 0.1, "optim.beta2": 0.95}}]})",
        R"({"trials": [{"knobs": {"optim.lr": 0.1, "optim.beta2": 0.9, "optim.eps": 1}}]})",
        R"({"trials": [{"knobs": {"optim.lr": 0.1, "optim.beta2": 0.9}, "until": 400}]})"}) {
    answer = wrong;
    INFO(wrong);
    CHECK_THAT((*method)->Propose(history, 1).status(), HasCode(Code::kInvalidArgument, "./my.py"));
  }
  for (const char* wrong :
       {R"({"decisions": [{"trial": 1, "step": 100, "kind": "stop"}]})",
        R"({"decisions": [{"trial": 0, "step": 40, "kind": "win"}]})",
        R"({"decisions": [{"trial": 0, "step": 40, "kind": "promote", "until": 30}]})",
        R"({"decisions": [{"trial": 0, "step": 40, "kind": "exploit", "from": 1}]})"}) {
    answer = wrong;
    INFO(wrong);
    CHECK_THAT((*method)->Decide(history).status(), HasCode(Code::kInvalidArgument, "./my.py"));
  }
}

TEST_CASE("a spec says everything once") {
  const Result<SweepSpec> read = ParseSpec(
      "recipe = \"laptop.toml\"\n[sweep]\nname = \"lr\"\nmethod = \"asha\"\nmetric = \"val_loss\"\n"
      "goal = \"max\"\nbudget = 400\nranks_per_trial = 2\nslots = 3\nseed = 7\nshare_min = 5\n"
      "[method]\ntrials = 27\neta = 4\n[settings]\ntrain.length = \"400step\"\n"
      "[knobs]\noptim.lr = { low = 1e-4, high = 1, log = true }\n"
      "\"optim.beta2\" = { values = [0.9, 0.999] }\n"
      "[knobs.optim.weight_decay]\nschedules = [\"0: 0.01\", \"0: 0.01; 64samples : 0.1\"]\n",
      "dir/s.toml");
  REQUIRE_THAT(read.status(), IsOk());
  CHECK(read->recipe == "dir/laptop.toml");
  CHECK(read->name == "lr");
  CHECK(read->method == "asha");
  CHECK((read->metric == "val_loss" && read->goal == "max" && read->budget == "400"));
  CHECK((read->ranks_per_trial == 2 && read->slots == 3 && read->seed == 7));
  CHECK(read->share_min == 5);
  CHECK((read->parameters.trials == 27 && read->parameters.eta == 4));
  CHECK(read->settings == std::vector<std::string>{"train.length=400step"});
  REQUIRE(read->knobs.size() == 3);
  CHECK(read->knobs[0].choices == std::vector<std::string>{"0.9", "0.999"});
  CHECK((read->knobs[1].low == 1e-4 && read->knobs[1].high == 1 && read->knobs[1].log));
  CHECK(read->knobs[2].kind == Knob::Kind::kSchedules);

  // 64 samples are two steps of 32.
  const Result<Trial> trial = MakeTrial(*read, BaseTo(400), 0,
                                        {{"optim.beta2", "0.9"},
                                         {"optim.lr", "0.1"},
                                         {"optim.weight_decay", "0: 0.01; 64samples : 0.1"}});
  REQUIRE_THAT(trial.status(), IsOk());
  REQUIRE(trial->parts.size() == 2);
  CHECK(trial->parts[1].begin == 2);
  CHECK(trial->parts[1].knobs ==
        Knobs{{"optim.beta2", "0.9"}, {"optim.lr", "0.1"}, {"optim.weight_decay", "0.1"}});
}

TEST_CASE("a bad spec is refused with its place and the way out") {
  struct Row {
    const char *text, *what;
  };
  const std::string head = "recipe = 'r.toml'\n[sweep]\nname = 's'\n";
  const std::vector<Row> rows = {
      {"[knobs", "s.toml:4:"},
      {"methd = 'grid'", "s.toml:4:1: unknown key 'sweep.methd'; did you mean 'sweep.method'?"},
      {"method = 'gird'", "s.toml:4:1: no method is called 'gird'; did you mean 'grid'?"},
      {"goal = 'least'", "s.toml:4:1: sweep.goal"},
      {"slots = 0", "s.toml:4:1: sweep.slots"},
      {"[other]\na = 1", "unknown key 'other.a'"},
      {"[method]\neta = 3", "s.toml:5:1: method grid has no parameter 'eta'"},
      {"[settings]\noptim.lrr = 1", "did you mean 'optim.lr'?"},
      {"[settings]\noptim.lr = -1", "s.toml:5:7: optim.lr"},
      {"[settings]\nrun.name = 'x'", "is given to each run by the sweep"},
      {"[knobs]\noptim.lrr = { values = [1] }", "did you mean 'optim.lr'?"},
      {"[knobs]\noptim.lr = 0.1", "is a plain value; write { values = [...] }"},
      {"[knobs]\noptim.lr = [0.1]", "is a plain value"},
      {"[knobs]\noptim.lr = { vaules = [0.1] }", "did you mean 'values'?"},
      {"[knobs]\noptim.lr = { values = 0.1 }", "values is a list"},
      {"[knobs]\noptim.lr = { values = [] }", "is an empty list"},
      {"[knobs]\noptim.lr = { values = [0.1, 'x'] }", "s.toml:5:29: optim.lr = x"},
      {"[knobs]\noptim.lr = { values = [0.1, 0.1] }", "twice"},
      {"[knobs]\noptim.lr = { low = 0.1 }", "low and high"},
      {"[knobs]\noptim.lr = { low = 1, high = 0.1 }", "low must be below high"},
      {"[knobs]\noptim.lr = { low = 0, high = 0.1, log = true }", "begins above 0"},
      {"[knobs]\noptim.lr = { low = 0.1, high = 1, values = [1] }", "one of the three"},
      {"[knobs]\noptim.warmup_steps = { low = 0.5, high = 1 }", "expected"},
      {"[knobs]\noptim.name = { low = 0.5, high = 1 }", "is no number"},
      {"[knobs]\ntrain.log_every = { values = [1, 2] }", "does not affect what is trained"},
      {"[settings]\noptim.lr = 1\n[knobs]\noptim.lr = { values = [1] }", "is in [settings] and in"},
      {"[knobs]\noptim.lr = { schedules = ['0.1'] }", "is no \"FROM: VALUE\""},
      {"[knobs]\noptim.lr = { schedules = ['5step: 0.1'] }", "is not where one begins"},
      {"[knobs]\noptim.lr = { schedules = ['0: 0.1; 5step: high'] }", "optim.lr = high"},
      {"", "[knobs] is empty"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK_THAT(ParseSpec(head + row.text, "s.toml").status(),
               HasCode(Code::kInvalidArgument, row.what));
  }
  CHECK_THAT(ParseSpec("[sweep]\nname = 's'", "s.toml").status(),
             HasCode(Code::kInvalidArgument, "a sweep begins at one of"));
  CHECK_THAT(ParseSpec("state = 'a'\n[sweep]\nname = 'a b'", "s.toml").status(),
             HasCode(Code::kInvalidArgument, "s.toml:3:1: sweep.name"));
  CHECK_THAT(ReadSpec("there/is/none.toml").status(),
             HasCode(Code::kInvalidArgument, "there/is/none.toml"));
}

TEST_CASE("a sweep begins at a recipe or at a state, and says what does not fit") {
  const std::string knob = "[knobs]\noptim.lr = { values = [0.1, 0.2] }\n";
  const auto spec = [](const std::string& text) {
    Result<SweepSpec> made = ParseSpec(text, "s.toml");
    REQUIRE_THAT(made.status(), IsOk());
    return *made;
  };
  const std::string of_state = "state = 'r50@100'\n[sweep]\nname = 's'\n";
  const BaseState state = {"ab12", 100, 1, "train.length = \"400step\"\noptim.lr = 0.5\n"};
  const Result<Base> base = BaseFromState(spec(of_state + "budget = '50step'\n" + knob), state);
  REQUIRE_THAT(base.status(), IsOk());
  CHECK((base->root == "ab12" && base->is_state && base->begin == 100 && base->end == 150));
  CHECK(BaseFromState(spec(of_state + knob), state)->end == 400);
  struct Row {
    std::string text, what;
  };
  const std::vector<Row> rows = {
      {"budget = 301\n" + knob, "would end at step 401, but train.length is 400"},
      {"budget = '3weeks'\n" + knob, "sweep.budget"},
      {"ranks_per_trial = 2\n" + knob, "`stemma reshape`"},
      {"[settings]\ntrain.length = '100step'\n" + knob, "train.length ends there"},
      {"[settings]\ntrain.seed = 2\n" + knob, "[settings] train.seed cannot change"},
      {"[knobs]\ntrain.seed = { values = [1, 2] }\n", "s.toml:5:26: train.seed cannot differ"},
      {"[settings]\ntrain.global_batch = 33\n" + knob, "train.global_batch cannot change"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK_THAT(BaseFromState(spec(of_state + row.text), state).status(),
               HasCode(Code::kInvalidArgument, row.what));
  }
  CHECK_THAT(BaseFromRecipe(spec("recipe = 'none.toml'\n[sweep]\nname = 's'\n" + knob)).status(),
             HasCode(Code::kInvalidArgument, "none.toml"));
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/sweep_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/r.toml") << "train.length = '40step'\noptim.lr = 0.3\n";
  const std::string recipe = "recipe = '" + folder + "/r.toml'\n[sweep]\nname = 's'\n";
  CHECK(BaseFromRecipe(spec(recipe + knob))->end == 40);
  CHECK_THAT(BaseFromRecipe(spec(recipe + "ranks_per_trial = 3\n" + knob)).status(),
             HasCode(Code::kInvalidArgument, "does not divide among"));
  CHECK_THAT(
      BaseFromRecipe(spec(recipe + "[knobs]\ntrain.seed = { schedules = ['0: 1'] }")).status(),
      HasCode(Code::kInvalidArgument, "cannot change during a trial"));
  const auto refused = [&](const std::string& text, const std::string& what) {
    CHECK_THAT(BaseFromRecipe(spec(recipe + text)).status(), HasCode(Code::kInvalidArgument, what));
  };
  const std::string judged = "metric = 'val_loss'\n" + knob;
  refused(judged, "there is none: set validate.every");
  CHECK_THAT(BaseFromRecipe(spec(recipe + judged + "[settings]\nvalidate.every = '1ep'")).status(),
             IsOk());
  refused("[settings]\ntrain.stop_patience = 3\n" + knob, "train.stop_patience = 3 would end");
  refused("[knobs]\ntrain.stop_patience = { values = [1, 2] }", "cannot be a knob");
  // Without a budget a trial is as long as its own train.length.
  const Result<Base> own =
      BaseFromRecipe(spec(recipe + "[knobs]\ntrain.length = { values = ['10step', '20step'] }"));
  REQUIRE_THAT(own.status(), IsOk());
  CHECK(own->own_ends);
}

TEST_CASE("events survive their line, and history refuses what contradicts it") {
  const double inf = std::numeric_limits<double>::infinity();
  const Trial trial = {0, {{0, {{"optim.lr", "0.1"}}}}, 40, 0, 2};
  Decision exploit;
  exploit.kind = Decision::Kind::kExploit;
  exploit.step = 40;
  exploit.until = 80;
  exploit.parts = {{0, {{"optim.lr", "0.1"}}}, {40, {{"optim.lr", "0.2"}}}};
  exploit.saw = {{0, 40}};
  const std::vector<Event> events = {Proposal{{trial}}, Outcome{0, 40, -inf, "ab"}, exploit,
                                     Outcome{0, 80, std::nan(""), ""},
                                     Decision{Decision::Kind::kStop, 0, 80, 80, 0, {}, {}}};
  History history;
  for (const Event& event : events) {
    const std::string line = EncodeEvent(event);
    const Result<Event> read = DecodeEvent(line);
    REQUIRE_THAT(read.status(), IsOk());
    CHECK(EncodeEvent(*read) == line);
    CHECK(line.find('\n') == std::string::npos);
    REQUIRE_THAT(history.Add(*read), IsOk());
  }
  CHECK(history.Stopped(0));
  CHECK(history.trials().at(0).inherited == 40);
  CHECK(history.PartsAt(0, 40).size() == 1);
  CHECK(history.PartsAt(0, 80).size() == 2);
  for (const Event& event : events) CHECK_THAT(history.Add(event), HasCode(Code::kInvalidArgument));
  CHECK(history.events().size() == events.size());
  for (const char* line : {"", "{", "[]", "{}", R"({"event": "outcome"})", R"({"event": "won"})",
                           R"({"event": "proposal", "trials": [{"id": 0}]})",
                           R"({"event": "decision", "kind": "stop", "trial": 0, "step": 1,
                               "until": 1, "saw": [[1]]})"}) {
    INFO(line);
    CHECK_THAT(DecodeEvent(line).status(), HasCode(Code::kCorruption));
  }
}

TEST_CASE("a plan says what is shared, and its commands train it") {
  SweepSpec spec = SpecOf("grid", "",
                          "optim.weight_decay = { schedules = ['0: 0.01; 20step: 0', '0: 0.01; "
                          "20step: 0.1', '0: 0.01; 20step: 1', '0: 0.01'] }\n");
  spec.ranks_per_trial = 2;
  const Base base = BaseTo(40);
  const Result<Forecast> forecast = ForecastOf(spec, base, *MethodOf(spec, base));
  REQUIRE_THAT(forecast.status(), IsOk());
  const std::string text = PlanText(spec, base, *forecast, {});
  for (const char* part :
       {"37.50 % of 160 steps", "100 are trained, in 5 stages", "factor 1.60",
        "4 trials to step 40", "  0 to 20  4 trials", "|- 20 to 40  1 trial  "}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
  const std::vector<std::string> lines = PlanCommands(spec, base, forecast->first, "st ore");
  REQUIRE(lines.size() == 9);
  const std::string root = RunName(spec, forecast->first.stages()[0]);
  CHECK(lines[0] == "mpirun -n 2 stemma train r.toml --run " + root +
                        " --store 'st ore' --set optim.weight_decay=0.01 --set train.stop_at=20");
  CHECK(lines[1].find("stemma fork " + root + "@20 --name s.") == 0);
  CHECK(lines[2].find("mpirun -n 2 stemma train --run s.") == 0);
}

}  // namespace
}  // namespace stemma::sweep
