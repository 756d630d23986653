// Evaluations of held-out samples: each sample once on any number of ranks, no trace in the
// training, and rates and ends that follow from them, also over a restart.
#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "comm/world.h"
#include "core/bytes.h"
#include "core/cohort.h"
#include "lineage/storage.h"
#include "lineage/survey.h"
#include "models/train/evaluation.h"
#include "models/train/patience.h"
#include "models/train/session.h"
#include "tests/unit/train/trained_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

using models::Evaluated;

// Sample i is the number i.
class Numbers final : public models::Dataset {
 public:
  explicit Numbers(int64_t size) : size_(size) {}
  int64_t Size() const override { return size_; }
  models::SampleShape Shape() const override { return {{1}, 1}; }
  std::string Digest() const override { return "numbers"; }
  Status Read(int64_t id, const models::Cursor&, float* x, float* y) const override {
    if (id == hangs_at) hang.wait();
    x[0] = static_cast<float>(id);
    y[0] = 0;
    return id == bad ? Status(Code::kCorruption, "bad file") : Status();
  }

  int64_t bad = -1, hangs_at = -1;
  std::shared_future<void> hang;

 private:
  const int64_t size_;
};

// Which samples all ranks were shown.
struct Seen {
  std::mutex mutex;
  std::vector<int64_t> ids;
};

class Counting final : public models::Workload {
 public:
  Counting(std::shared_ptr<const models::Dataset> data, Seen* seen)
      : data_(std::move(data)), seen_(seen) {}
  std::string name() const override { return "counting"; }
  std::vector<ops::Parameter> Parameters() override { return {}; }
  std::vector<ops::Buffer> Buffers() override { return {}; }
  void SetTraining(bool training) override { modes += training ? "t" : "e"; }
  at::Tensor Loss(const models::Batch&, models::LossParts*) override { return at::zeros({}); }
  std::shared_ptr<const models::Dataset> TrainData() const override { return data_; }
  std::shared_ptr<const models::Dataset> ValidationData() const override { return data_; }
  // Every third sample has no label.
  Evaluated Evaluate(const models::Batch& batch) override {
    Evaluated out;
    double sum = 0;
    const std::lock_guard<std::mutex> lock(seen_->mutex);
    for (int64_t row = 0; row < batch.x.size(0); ++row) {
      const auto id = static_cast<int64_t>(batch.x[row][0].item<float>());
      seen_->ids.push_back(id);
      if (id % 3 == 2) continue;
      out.rows += 1;
      sum += static_cast<double>(id);
    }
    if (throws_at >= 0 && batch.x.size(0) > 0) throw std::runtime_error("no such kernel");
    out.sums = {{"loss", sum}, {second, 2 * sum}};
    return out;
  }

  std::string modes, second = "twice";
  int64_t throws_at = -1;

 private:
  const std::shared_ptr<const models::Dataset> data_;
  Seen* const seen_;
};

models::RunSettings Batches(int64_t batch) {
  models::RunSettings settings;
  settings.validate.every = "1ep";
  settings.validate.batch = batch;
  settings.train.loader_threads = 2;
  return settings;
}

// What each rank finds; `change` makes rank r's workload another one.
std::vector<Result<models::Score>> Evaluations(
    int ranks, int64_t size, int64_t batch, Seen* seen,
    const std::function<void(int rank, Counting*, Numbers*)>& change = nullptr) {
  const auto worlds = comm::World::Threads(ranks);
  std::vector<Result<models::Score>> scores(static_cast<size_t>(ranks), models::Score());
  const auto modes = SpawnRanks(ranks, [&](int rank) -> Status {
    const models::RunSettings settings = Batches(batch);
    auto data = std::make_shared<Numbers>(size);
    Counting workload(data, seen);
    if (change) change(rank, &workload, data.get());
    auto made = models::Evaluation::Make(settings, workload, *worlds[static_cast<size_t>(rank)]);
    auto& score = scores[static_cast<size_t>(rank)];
    score = made.ok() ? (*made)->Run() : Result<models::Score>(made.status());
    if (score.ok() && workload.modes != "et") return {Code::kInternal, workload.modes};
    return {};
  });
  for (const Status& mode : modes) CHECK_THAT(mode, IsOk());
  return scores;
}

TEST_CASE("each held-out sample counts once, whatever ranks and batches divide") {
  struct Row {
    int ranks;
    int64_t size, batch;
  };
  for (const Row& row : std::vector<Row>{{1, 10, 4},
                                         {2, 10, 4},
                                         {3, 10, 4},
                                         {3, 10, 5},
                                         {2, 7, 100},
                                         {3, 2, 8},
                                         {3, 9, 1},
                                         {1, 8, 8}}) {
    INFO(row.ranks << " ranks, " << row.size << " samples in batches of " << row.batch);
    Seen seen;
    double sum = 0, rows = 0;
    std::vector<int64_t> all;
    for (int64_t id = 0; id < row.size; ++id) {
      all.push_back(id);
      if (id % 3 != 2) sum += static_cast<double>(id), rows += 1;
    }
    for (const auto& score : Evaluations(row.ranks, row.size, row.batch, &seen)) {
      REQUIRE_THAT(score.status(), IsOk());
      CHECK(score->rows == rows);
      REQUIRE(score->values.size() == 2);
      CHECK(score->values[0] == std::make_pair(std::string("val_loss"), sum / rows));
      CHECK(score->values[1] == std::make_pair(std::string("val_twice"), 2 * sum / rows));
    }
    std::sort(seen.ids.begin(), seen.ids.end());
    CHECK(seen.ids == all);
  }
}

TEST_CASE("what one rank cannot evaluate, all ranks hear of") {
  const auto failing = [](const std::function<void(int, Counting*, Numbers*)>& change,
                          const std::string& what, int64_t size = 10) {
    Seen seen;
    for (const auto& score : Evaluations(2, size, 4, &seen, change)) {
      CHECK_FALSE(score.ok());
      CHECK_THAT(score.status().message(), Catch::Contains(what));
    }
  };
  failing([](int rank, Counting*, Numbers* data) { data->bad = rank == 1 ? 7 : -1; }, "bad file");
  failing([](int rank, Counting* workload, Numbers*) { workload->throws_at = rank - 1; },
          "no such kernel");
  failing([](int rank, Counting* workload, Numbers*) { workload->second += rank ? "?" : ""; },
          "ranks evaluate to different sums");
  failing(nullptr, "has no held-out samples", 0);
}

TEST_CASE("a reader of held-out samples may hang as long as train.data_stall_s says") {
  std::promise<void> release;
  auto data = std::make_shared<Numbers>(4);
  data->hang = release.get_future().share();
  data->hangs_at = 1;
  Seen seen;
  Counting workload(data, &seen);
  models::RunSettings settings = Batches(4);
  settings.train.data_stall_s = 0.05;
  const auto worlds = comm::World::Threads(1);
  auto made = models::Evaluation::Make(settings, workload, *worlds[0]);
  REQUIRE_THAT(made.status(), IsOk());
  const Status stalled = (*made)->Run().status();
  release.set_value();
  CHECK_THAT(stalled, HasCode(Code::kTimeout, "no sample was read for 0.05"));
}

// Of 20 samples in batches of 4; 14 of them have labels.
TEST_CASE("an evaluation that one rank does not want any more ends on all, without values") {
  Seen seen;
  const auto worlds = comm::World::Threads(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    const models::RunSettings settings = Batches(4);
    Counting workload(std::make_shared<Numbers>(20), &seen);
    STEMMA_ASSIGN_OR_RETURN(
        const auto evaluation,
        models::Evaluation::Make(settings, workload, *worlds[static_cast<size_t>(rank)]));
    int asked = 0;
    STEMMA_ASSIGN_OR_RETURN(const models::Score part,
                            evaluation->Run([&] { return ++asked == 2 && rank == 1; }));
    STEMMA_ASSIGN_OR_RETURN(const models::Score whole, evaluation->Run());
    const bool right = asked == 2 && part.values.empty() && whole.rows == 14 &&
                       whole.values.size() == 2 && workload.modes == "etet";
    return right ? Status() : Status(Code::kInternal, workload.modes);
  });
  for (const Status& result : results) CHECK_THAT(result, IsOk());
  CHECK(seen.ids.size() == 8 + 20);
}

TEST_CASE("evaluations leave no trace in a training, and stand in the states of their steps") {
  const std::string folder = NewFolder();
  const Sets sets = {"train.length=7step", "train.precision=bfloat16"};
  Train(folder, "plain", sets, {});
  Train(folder, "judged", sets, {"validate.every=4step", "validate.batch=6"});
  const States states(folder);
  CHECK(states.Bytes("plain", 7) == states.Bytes("judged", 7));
  for (const int64_t step : {2, 4, 6, 7}) {
    INFO(step);
    const auto& metrics = states.At("judged", step).metrics;
    CHECK(metrics.at("loss") == states.At("plain", step).metrics.at("loss"));
    CHECK(metrics.count("val_loss") == (step == 4 || step == 7 ? 1 : 0));
    if (metrics.count("val_loss") > 0) CHECK(metrics.at("val_one") == 1);
    CHECK(states.At("plain", step).metrics.count("val_loss") == 0);
    CHECK(std::get<std::string>(states.At("judged", step).attributes.at(models::kDataDigestKey)) ==
          "74696e79");  // "tiny"
  }
  CHECK(states.At("judged", 7).metrics.at("val_loss") > 0);
}

// No evaluation after the first is better by 1e9: the rate halves at steps 9, 15 and 21, whatever
// else is evaluated because the run ended at step 13 for a while.
TEST_CASE("a rate that falls on val_loss goes on bit for bit") {
  const std::string folder = NewFolder();
  const Sets sets = {"optim.schedule=plateau",   "optim.plateau_on=val_loss",
                     "optim.plateau_patience=2", "optim.plateau_delta=1e9",
                     "validate.every=3step",     "optim.lr=0.01"};
  Train(folder, "straight", sets, {"train.length=26step"});
  Train(folder, "stopped", sets, {"train.length=13step"});
  Train(folder, "stopped", sets, {"train.length=26step"});
  const States states(folder);
  CHECK(states.Bytes("straight", 26) == states.Bytes("stopped", 26));
  CHECK(states.At("stopped", 13).metrics.count("val_loss") == 1);
  CHECK(states.At("straight", 8).metrics.at("lr") == 0.01);
  CHECK(states.At("straight", 10).metrics.at("lr") == 0.005);
  CHECK(states.At("straight", 26).metrics.at("lr") == 0.00125);
}

// With rate 0 no evaluation is better than the first, at step 3.
TEST_CASE("a run ends early at the same step and in the same state, stopped before or not") {
  const std::string folder = NewFolder();
  const Sets sets = {"optim.lr=0", "validate.every=3step", "train.stop_patience=2"};
  Train(folder, "straight", sets, {"train.length=26step"});
  Train(folder, "stopped", sets, {"train.length=7step"});
  Train(folder, "stopped", sets, {"train.length=26step"});
  Train(folder, "stopped", sets, {"train.length=26step"});  // is complete
  const States states(folder);
  CHECK(states.Bytes("straight", 9) == states.Bytes("stopped", 9));
  for (const auto& [id, record] : states.graph.states) {
    CHECK(record.step <= 9);
    CHECK(record.attributes.count(models::kEndedEarlyKey) == (record.step == 9 ? 1 : 0));
  }
  CHECK(states.At("stopped", 9).reason == lineage::Reason::kFinal);
}

// Lets another job work just before the first incarnation is claimed through it.
class Overtaken final : public lineage::Storage {
 public:
  std::function<void()> before_claim;

  Status MakeDir(const std::string& path) override {
    const bool claim = path.find("/inc-") != std::string::npos;
    if (claim && before_claim) std::exchange(before_claim, nullptr)();
    return base_.MakeDir(path);
  }
  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override {
    return base_.Create(path, options);
  }
  Result<std::string> ReadAll(const std::string& path) override { return base_.ReadAll(path); }
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    return base_.ReadAt(path, offset, bytes);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return base_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return base_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return base_.List(dir); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  lineage::Storage& base_ = lineage::PosixStorage();
};

TEST_CASE("a run that another job ended early, just before it was claimed, is complete") {
  const std::string folder = NewFolder();
  Train(folder, "r", {}, {"train.length=3step"});
  const TinyRun run(folder + "/store", "r", {"train.length=9step"});
  REQUIRE_THAT(run.status, IsOk());
  Overtaken disk;
  disk.before_claim = [&] {
    const States before(folder);
    const lineage::Record& head = before.At("r", 3);
    lineage::Record end = head;
    end.parents = {{head.id, lineage::EdgeKind::kTrain}};
    end.step = 4;
    end.attributes[models::kEndedEarlyKey] = int64_t{2};
    const auto store = *lineage::Store::Open(folder + "/store", true, lineage::PosixStorage());
    const auto other = *store->NextIncarnation("r");
    REQUIRE_THAT(other->Append(end).status(), IsOk());
    REQUIRE_THAT(other->Close(), IsOk());
  };
  SoloCohort alone;
  const auto opened =
      models::OpenSession(run.settings, run.list, {false, 9, "{}", "", &disk}, alone);
  REQUIRE_THAT(opened.status(), IsOk());
  CHECK(opened->kind == models::StartKind::kComplete);
  CHECK_THAT(opened->headline, Catch::StartsWith("r is complete: r@4 ("));
  CHECK_THAT(opened->headline, Catch::Contains("ended early by train.stop_patience"));
  CHECK(opened->writer == nullptr);
  const States after(folder);  // and nothing living is left of the claim
  const auto survey = lineage::SurveyStore(*after.store, 0);
  REQUIRE_THAT(survey.status(), IsOk());
  CHECK(survey->incarnations.size() == 3);
  CHECK(survey->facts.living.empty());
}

// The digest of TinyData is "tiny".
TEST_CASE("a run goes on with its own data, and a fork may have others and says so") {
  const std::string folder = NewFolder();
  Train(folder, "r", {}, {"train.length=3step"});
  const TinyRun run(folder + "/store", "r", {"train.length=9step"});
  REQUIRE_THAT(run.status, IsOk());
  SoloCohort alone;
  const auto open = [&](const TinyRun& of, const std::string& digest) {
    return models::OpenSession(of.settings, of.list, {false, 9, "{}", digest}, alone);
  };
  const std::string tiny = Hex("tiny"), other(64, 'b');
  const Status refused = open(run, other).status();
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "the training data are not those of run r"));
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "and r@3 has " + tiny));
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "stemma fork r@3 --name NEWNAME"));
  CHECK_THAT(open(run, tiny).status(), IsOk());

  const TinyRun branch(folder + "/store", "branch", {"train.length=9step"});
  const States states(folder);
  lineage::Record change;
  change.settings = *states.store->PutBlob(branch.list.ToToml());
  const auto id = states.At("r", 3).id;
  REQUIRE_THAT(states.store->Fork(states.graph, id, "branch", change).status(), IsOk());
  const auto fork = open(branch, other);
  REQUIRE_THAT(fork.status(), IsOk());
  CHECK(fork->kind == models::StartKind::kFork);
  REQUIRE_FALSE(fork->notes.empty());
  CHECK_THAT(fork->notes[0], Catch::StartsWith("other training data than before the fork"));
}

}  // namespace
}  // namespace stemma::tests
