// Large-batch evidence: which runs, what is read from them, what is said. Trainings are played by
// an executor that writes their metrics.
#include "tools/batches/evidence.h"
#include "tools/batches/plan.h"
#include "tools/batches/report.h"
#include "tools/batches/table.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/train/fill_settings.h"
#include "models/train/settings.h"
#include "optim/recipe.h"
#include "optim/units.h"
#include "tools/report/chart.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::batches {
namespace {
namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;

Shape SmallShape() {
  Shape shape;
  shape.batches = {64, 256, 1024};
  shape.samples = 10240;
  shape.seeds = 2;
  return shape;
}

std::string Folder(const std::string& name) {
  const char* given = std::getenv("TEST_TMPDIR");
  const fs::path path =
      fs::path(given != nullptr ? given : fs::temp_directory_path().string()) / name;
  fs::remove_all(path);
  fs::create_directories(path);
  return path.string();
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("every optimizer runs at every batch with every seed, and with as many samples") {
  const Shape shape = SmallShape();
  REQUIRE_THAT(CheckShape(shape), IsOk());
  CHECK(SearchesOf(shape).size() == 5 + 4);
  const std::vector<Trial> trials = TrialsOf(shape, {{"sgd", 0.01}, {"adam", 0.001}});
  REQUIRE(trials.size() == 3 * 3 * 2);
  std::set<std::string> names;
  for (const Trial& trial : trials) {
    names.insert(RunOf(shape, trial));
    CHECK(StepsOf(shape, trial) * trial.batch == 10240);
    CHECK(trial.batch / shape.ranks / MicroBatchesOf(shape, trial) <= shape.micro);
    const double times = static_cast<double>(trial.batch) / 64;
    if (trial.optimizer == "sgd") CHECK(trial.rate == 0.01 * times);
    if (trial.optimizer == "adam") CHECK(trial.rate == 0.001 * times);
    if (trial.optimizer == "lamb") CHECK(trial.rate == optim::UntunedRate(trial.batch));
  }
  CHECK(names.size() == trials.size());
  CHECK(trials[0].seed == 1);
  CHECK(trials[9].seed == 2);  // one seed whole before the next
  CHECK(RunOf(shape, {"sgd", 64, 0, 0.03}) == "batches-sgd-64-lr0.03");
  CHECK(RunOf(shape, {"lamb", 1024, 2, 0.01}) == "batches-lamb-1024-s2");
}

// What the words come to in the trainer must be what WithRecipe makes of the recipe's name.
TEST_CASE("the warm-up is the untuned rule's, in steps that are the same at every batch") {
  Shape shape;
  shape.samples = 10 * 8192;
  for (const int64_t epoch : {4096, 8192}) {
    for (const int64_t batch : shape.batches) {
      const Trial trial{"lamb", batch, 1, optim::UntunedRate(batch)};
      models::RunSettings settings;
      SettingsList list = models::FieldsOf(settings);
      for (const std::string& word : WordsOf(shape, trial)) REQUIRE_THAT(list.Set(word), IsOk());
      REQUIRE_THAT(models::FillSettings(settings, &list), IsOk());
      CHECK(settings.train.global_batch == batch);
      const auto in_steps = optim::InSteps(settings.optim, {batch, epoch});
      REQUIRE_THAT(in_steps.status(), IsOk());
      optim::OptimSettings rule = settings.optim;
      rule.recipe = "untuned-resnet50";
      rule.warmup.clear();
      const auto ruled = optim::WithRecipe(rule, epoch, StepsOf(shape, trial));
      REQUIRE_THAT(ruled.status(), IsOk());
      CHECK(in_steps->warmup_steps == ruled->warmup_steps);
      CHECK(in_steps->lr == optim::UntunedRate(batch));
    }
  }
}

TEST_CASE("numbers that do not fit are refused with what would") {
  const auto refused = [](const std::function<void(Shape*)>& change, const std::string& why) {
    Shape shape = SmallShape();
    change(&shape);
    CHECK_THAT(CheckShape(shape), HasCode(Code::kInvalidArgument, why));
  };
  refused([](Shape* s) { s->samples = 10000; }, "9216 is one of the largest batch");
  refused([](Shape* s) { s->samples = 0; }, "--samples");
  refused([](Shape* s) { s->ranks = 3; }, "does not divide among 3 ranks");
  refused([](Shape* s) { s->batches = {64}; }, "at least two");
  refused([](Shape* s) { s->seeds = 0; }, "--seeds");
  refused([](Shape* s) { s->optimizers = {"lamp"}; }, "did you mean 'lamb'?");
  refused([](Shape* s) { s->optimizers = {"sgd", "sgd"}; }, "twice");
  refused([](Shape* s) { s->rates.erase("sgd"); }, "--lr: sgd");
  Shape shape;
  CHECK_THAT(ReadRates("sgd=0.1,0.01", &shape), IsOk());
  CHECK(shape.rates["sgd"] == std::vector<double>{0.01, 0.1});
  CHECK_THAT(ReadRates("lamb=0.1", &shape), HasCode(Code::kInvalidArgument, "untuned rule"));
  CHECK_THAT(ReadRates("adam=0.1,-1", &shape), HasCode(Code::kInvalidArgument, "'-1'"));
  CHECK_THAT(ReadRates("adam=", &shape), HasCode(Code::kInvalidArgument, "no rate"));
}

Row RowAt(const std::string& optimizer, int64_t batch, int64_t seed, double loss) {
  Row row;
  row.optimizer = optimizer;
  row.batch = batch;
  row.seed = seed;
  row.lr = 0.1;
  row.steps = 100;
  if (loss >= 0) row.loss = loss;
  row.diverged = loss < 0;
  row.first_loss = 3;
  row.seconds = 2;
  row.run = optimizer + std::to_string(batch) + "s" + std::to_string(seed);
  return row;
}

std::vector<Row> SomeRows() {
  return {RowAt("sgd", 64, 0, 0.1),    RowAt("sgd", 128, 1, -1),    RowAt("sgd", 64, 1, 1.0),
          RowAt("lamb", 256, 1, 1.0),  RowAt("lamb", 64, 1, 0.9),   RowAt("lamb", 64, 2, 1.1),
          RowAt("lamb", 128, 1, 1.09), RowAt("lamb", 256, 2, 1.15), RowAt("lamb", 512, 1, 1.2),
          RowAt("lamb", 1024, 1, 1.0), RowAt("adam", 64, 1, -1)};
}

TEST_CASE("means, spread and reach are over the seeds that did not diverge") {
  const std::vector<Group> groups = GroupsOf(SomeRows());
  REQUIRE(groups.size() == 5 + 2 + 1);
  CHECK(groups[0].optimizer == "lamb");
  CHECK(groups[0].batch == 64);
  CHECK(*groups[0].mean == Approx(1.0));
  CHECK(*groups[0].least == 0.9);
  CHECK(*groups[0].most == 1.1);
  CHECK(groups[5].runs == 1);  // the search for a rate is not in it
  CHECK(*groups[5].mean == 1.0);
  CHECK(groups[6].diverged == 1);
  CHECK_FALSE(groups[6].mean);

  const std::vector<Reach> reaches = ReachesOf(groups);
  REQUIRE(reaches.size() == 3);
  CHECK(reaches[0].batch == 256);  // 512 is 20 % above; 1024 comes after it and does not count
  CHECK_FALSE(reaches[0].all);
  CHECK(reaches[1].batch == 64);
  CHECK_FALSE(reaches[2].loss);
  const std::string said = VerdictText(reaches, "loss");
  CHECK(Has(said, "lamb is within 10 % of its own loss at 64 (1) up to batch 256."));
  CHECK(Has(said, "sgd is not within 10 % of its own loss at 64 (1) at any larger batch."));
  CHECK(Has(said, "adam diverged at batch 64"));
}

TEST_CASE("a table comes back as it was written, without a torn line") {
  const std::string text = TableText(SomeRows());
  const auto rows = ParseTable(text, "t.csv");
  REQUIRE_THAT(rows.status(), IsOk());
  CHECK(TableText(*rows) == text);
  CHECK(ParseTable(text + "lamb,64,3,0.1,10", "t.csv")->size() == rows->size());
  CHECK_THAT(ParseTable("a,b\n", "t.csv").status(), HasCode(Code::kInvalidArgument, "t.csv:1"));
  const auto bad = [&text](const std::string& line, const std::string& what) {
    CHECK_THAT(ParseTable(text + line + "\n", "t.csv").status(),
               HasCode(Code::kInvalidArgument, "t.csv:13: " + what));
  };
  bad("lamb,64", "2 columns");
  bad("lamb,x,1,0.1,10,1,1,1,done,r", "column batch");
  bad("lamb,64,1,0.1,10,,1,1,done,r", "column loss");
  bad("lamb,64,1,0.1,10,1,1,1,over,r", "column outcome");
  bad("lamb,64,1,nan,10,1,1,1,done,r", "column lr");
}

// Writes the metrics that a training of `loss_of(run)` would have left; null: it diverged.
class Player final : public sweep::Executor {
 public:
  explicit Player(std::string folder) : folder_(std::move(folder)) {}
  Status Start(const sweep::Job& job) override {
    started.push_back(job.run);
    job_ = job;
    return {};
  }
  Result<std::vector<sweep::Ended>> Wait(double) override {
    sweep::Ended ended{job_.run, sweep::How::kStopped, "", 1};
    if (!crashes.empty() && Has(job_.run, crashes)) {
      ended.how = sweep::How::kCrashed;
      ended.why = "no room";
      return std::vector<sweep::Ended>{ended};
    }
    fs::create_directories(folder_ + "/" + job_.run);
    std::ofstream out(folder_ + "/" + job_.run + "/metrics.jsonl");
    const double loss = loss_of(job_.run);
    if (std::isnan(loss)) ended.how = sweep::How::kDiverged;
    const int64_t end = std::isnan(loss) ? 2 : job_.run == stops ? job_.end - 1 : job_.end;
    for (int64_t step = 1; step <= end; ++step) {
      const bool late = step > job_.end - std::max<int64_t>(1, job_.end / 10);
      out << R"({"step":)" << step << R"(,"loss":)" << (late ? loss : 3.0) << "}\n";
    }
    return std::vector<sweep::Ended>{ended};
  }
  void Stop() override {}
  sweep::Work Measure(const std::string&) const override { return {2, 2, 0}; }

  std::function<double(const std::string&)> loss_of = [](const std::string&) { return 1.0; };
  std::string crashes, stops;
  std::vector<std::string> started;

 private:
  const std::string folder_;
  sweep::Job job_;
};

Hooks QuietHooks(std::vector<std::string>* kept) {
  Hooks hooks;
  hooks.recipe_of = [](const std::vector<std::string>&) -> Result<std::string> {
    return std::string("recipe");
  };
  hooks.metric_of = [](const std::string&, const std::string&) -> Result<double> { return 0.25; };
  hooks.keep = [kept](const Row& row) {
    kept->push_back(row.run);
    return Status();
  };
  hooks.stop_asked = [] { return false; };
  hooks.tell = [](const std::string&) {};
  return hooks;
}

TEST_CASE("the best rate is taken, what is done is not trained again, and the report is written") {
  const std::string folder = Folder("batches_gather");
  const Job job{SmallShape(), "loss", folder, {{"recipe", "r"}}};
  Player player(folder);
  player.loss_of = [](const std::string& run) {
    if (Has(run, "sgd-1024")) return std::nan("");
    if (Has(run, "adam-1024")) return 6.1;  // finite, and above twice the first step's 3
    return Has(run, "lr0.01") ? 0.5 : 1.0;
  };
  player.crashes = "batches-lamb-256-s2";
  std::vector<std::string> kept;
  const auto first = Gather(job, player, QuietHooks(&kept));
  REQUIRE_THAT(first.status(), IsOk());
  CHECK(first->base.at("sgd") == 0.01);
  CHECK(first->base.at("adam") == 0.01);
  CHECK(first->on_edge == std::vector<std::string>{"adam"});  // 0.01 is its largest
  REQUIRE(first->failures.size() == 1);
  CHECK(Has(first->failures[0], "batches-lamb-256-s2: no room"));
  CHECK(first->ran == 9 + 18 - 1);

  player.crashes.clear();
  player.started.clear();
  const auto second = Gather(job, player, QuietHooks(&kept));
  REQUIRE_THAT(second.status(), IsOk());
  CHECK(player.started == std::vector<std::string>{"batches-lamb-256-s2"});
  CHECK(second->found == 26);
  CHECK(kept.size() == 27);
  for (const Row& row : second->rows) {
    const bool large = row.batch == 1024 && row.optimizer != "lamb";
    CHECK(row.diverged == large);
    if (row.optimizer == "sgd" && large) CHECK_FALSE(row.loss);
  }

  const Report report{job.shape, "loss", *second, {{"host", "<here>"}}};
  REQUIRE_THAT(WriteReport(folder, report), IsOk());
  for (const char* end : {"csv", "md", "json", "svg", "html"}) {
    CHECK(fs::file_size(folder + "/batches." + end) > 200);
  }
  CHECK(Has(Findings(report), "sgd is within 10 % of its own loss at 64 (1) up to batch 256."));
  CHECK(Has(Findings(report), "160 steps at batch 64, 10 at 1024"));
  CHECK(Has(Findings(report), "That is the end of what was tried"));
  CHECK(Has(ReportPage(report), "&lt;here&gt;"));
  const report::Chart chart = BatchesChart(report);
  REQUIRE(chart.series.size() == 3);
  CHECK(chart.series[0].points.size() == 3);
  CHECK(chart.series[1].points.size() == 2);

  Job other = job;
  other.input = {{"recipe", "s"}};
  CHECK_THAT(Gather(other, player, QuietHooks(&kept)).status(),
             HasCode(Code::kInvalidArgument, "recipe differs, 'r' there and 's' here"));
}

TEST_CASE("two failures in a row for the same reason end the call, and the next one goes on") {
  const Job job{SmallShape(), "loss", Folder("batches_alike"), {}};
  Player player(job.folder);
  player.loss_of = [](const std::string&) { return 1.0; };
  player.crashes = "batches-";
  std::vector<std::string> kept, told;
  Hooks hooks = QuietHooks(&kept);
  hooks.tell = [&](const std::string& line) { told.push_back(line); };
  const auto failed = Gather(job, player, hooks);
  REQUIRE_THAT(failed.status(), IsOk());
  CHECK(player.started.size() == 2);
  CHECK(failed->failures.size() == 2);
  CHECK(Has(told.back(), "for the same reason"));
  player.crashes.clear();
  const auto all = Gather(job, player, hooks);
  REQUIRE_THAT(all.status(), IsOk());
  CHECK((all->ran == 27 && all->failures.empty()));
}

TEST_CASE("a stopped run ends the call without a row, and another metric is asked for") {
  const std::string folder = Folder("batches_stop");
  Job job{SmallShape(), "val_loss", folder, {}};
  job.shape.rates = {{"sgd", {0.01}}, {"adam", {0.001}}};
  Player player(folder);
  const std::vector<Trial> trials = TrialsOf(job.shape, {{"sgd", 0.01}, {"adam", 0.001}});
  player.stops = RunOf(job.shape, trials[2]);
  std::vector<std::string> kept;
  const auto ending = Gather(job, player, QuietHooks(&kept));
  REQUIRE_THAT(ending.status(), IsOk());
  CHECK(ending->stopped);
  REQUIRE(ending->rows.size() == 2);
  CHECK(*ending->rows[0].loss == 0.25);
  CHECK(ending->on_edge.empty());
  player.stops.clear();
  player.loss_of = [](const std::string&) { return std::nan(""); };
  job.folder = Folder("batches_none");
  job.shape.rates["sgd"] = {0.1, 0.2};
  CHECK_THAT(Gather(job, player, QuietHooks(&kept)).status(),
             HasCode(Code::kInvalidArgument, "sgd diverged at every rate"));
}

}  // namespace
}  // namespace stemma::batches
