// What settings come to in a training: schedules by epochs, a rate that falls on a plateau, a loss
// scale, averages of the weights and 16-bit forwards, stopped in the middle and continued.
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "lineage/posix_storage.h"
#include "models/layers/losses.h"
#include "models/train/autocast.h"
#include "models/train/course.h"
#include "models/train/threads.h"
#include "tests/unit/train/live_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

using lineage::Record;
using lineage::Store;
using Sets = std::vector<std::string>;

std::string NewFolder() {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/course_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

// Trains on so many ranks to the end of train.length; a second call goes on.
void Train(const std::string& folder, const std::string& name, int ranks, const Sets& sets) {
  const auto worlds = comm::World::Threads(ranks);
  const auto results = SpawnRanks(ranks, [&](int rank) -> Status {
    const TinyRun run(folder + "/store", name, sets);
    STEMMA_RETURN_IF_ERROR(run.status);
    return TrainTiny(run, folder, *worlds[static_cast<size_t>(rank)]);
  });
  for (const Status& result : results) REQUIRE_THAT(result, IsOk());
}

// The run's state at `step`: its record, and its tensors but for the small record.
struct State {
  Record record;
  std::vector<std::string> names;
  std::string bytes, small;
};

State StateOf(const std::string& folder, const std::string& run, int64_t step) {
  const auto store = Store::Open(folder + "/store", false, lineage::PosixStorage());
  REQUIRE_THAT(store.status(), IsOk());
  const auto graph = (*store)->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  const Record* record = StateAt(*graph, run, step);
  REQUIRE(record != nullptr);
  State state;
  state.record = *record;
  const auto spans = lineage::SpansOf(**store, *record);
  REQUIRE_THAT(spans.status(), IsOk());
  for (const lineage::Span& span : *spans) {
    const auto bytes = lineage::ReadSpan(**store, *record, span.name);
    REQUIRE_THAT(bytes.status(), IsOk());
    state.names.push_back(span.name);
    (span.name == "train" ? state.small : state.bytes) += *bytes;
  }
  return state;
}

Sets With(Sets sets, const Sets& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

// 8 steps an epoch. No epoch after the first is better by 1e9, so the rate halves after each.
TEST_CASE("stopped inside an epoch, plateau, loss scale and averages go on bit for bit") {
  const std::string folder = NewFolder();
  const Sets sets = {
      "optim.schedule=plateau",     "optim.plateau_patience=1", "optim.plateau_delta=1e9",
      "optim.loss_scaling=dynamic", "optim.loss_scale_steps=3", "optim.ema_decay=0.9",
      "train.precision=bfloat16",   "train.micro_batches=2",    "optim.lr=0.01"};
  Train(folder, "straight", 2, With(sets, {"train.length=26step"}));
  Train(folder, "stopped", 2, With(sets, {"train.length=13step"}));
  Train(folder, "stopped", 2, With(sets, {"train.length=26step"}));
  const State straight = StateOf(folder, "straight", 26), stopped = StateOf(folder, "stopped", 26);
  CHECK(straight.bytes == stopped.bytes);
  CHECK(straight.small == stopped.small);
  CHECK(straight.record.metrics.at("lr") == 0.0025);
  const std::vector<std::string> names = {"weight",           "bias",           "optim/m/weight",
                                          "optim/m/bias",     "optim/v/weight", "optim/v/bias",
                                          "optim/ema/weight", "optim/ema/bias"};
  for (const std::string& name : names) {
    CHECK(std::count(straight.names.begin(), straight.names.end(), name) == 1);
  }
}

TEST_CASE("in float32 a loss scale changes no bit of a training, and 16 bits hardly any") {
  const std::string folder = NewFolder();
  const Sets sets = {"train.length=5step", "optim.max_grad_norm=0.5"};
  Train(folder, "plain", 1, sets);
  Train(folder, "scaled", 1, With(sets, {"optim.loss_scaling=static", "optim.loss_scale=1024"}));
  Train(folder, "half", 1, With(sets, {"train.precision=bfloat16"}));
  const State plain = StateOf(folder, "plain", 5), scaled = StateOf(folder, "scaled", 5);
  CHECK(plain.bytes == scaled.bytes);
  CHECK(plain.record.metrics.at("grad_norm") == scaled.record.metrics.at("grad_norm"));
  const State half = StateOf(folder, "half", 5);
  CHECK(plain.bytes != half.bytes);
  const double loss = plain.record.metrics.at("loss");
  CHECK(half.record.metrics.at("loss") == Approx(loss).epsilon(0.01));
}

TEST_CASE("warm-up by epochs and a rate that follows the batch, in the training's own steps") {
  const std::string folder = NewFolder();
  Train(folder, "r", 1,
        {"train.length=2ep", "optim.warmup=1ep", "optim.lr_scaling=linear", "optim.lr_batch=16",
         "optim.lr=0.02", "lineage.every=4"});
  // 8 steps of warm-up, origin 1, to 0.02 * 8 / 16.
  CHECK(StateOf(folder, "r", 4).record.metrics.at("lr") == 0.005);
  CHECK(StateOf(folder, "r", 8).record.metrics.at("lr") == 0.01);
  CHECK(StateOf(folder, "r", 16).record.metrics.at("lr") == 0.01);
}

TEST_CASE("what cannot be honoured is refused before anything is built") {
  models::RunSettings settings;
  settings.train.precision = "float16";
  CHECK_THAT(models::CourseOf(settings, 64).status(),
             HasCode(Code::kInvalidArgument, "float16 needs device.kind = cuda"));
  settings.device.kind = "cuda";
  CHECK_THAT(models::CourseOf(settings, 64).status(),
             HasCode(Code::kInvalidArgument, "Set optim.loss_scaling = dynamic"));
  settings.optim.loss_scaling = "dynamic";
  CHECK_THAT(models::CourseOf(settings, 64).status(), IsOk());
  settings.optim.warmup = "5min";
  CHECK_THAT(models::CourseOf(settings, 64).status(),
             HasCode(Code::kInvalidArgument, "optim.warmup is '5min'"));
}

TEST_CASE("what needs the samples of an epoch is refused where they are not known, and only that") {
  models::RunSettings settings;
  settings.train.length = "3200samples";
  settings.optim.schedule = "warmup_linear";
  settings.optim.warmup = "320samples";
  settings.validate.every = "20step";
  const Result<models::Course> course = models::CourseOf(settings, 0);
  REQUIRE_THAT(course.status(), IsOk());
  CHECK((course->total_steps == 100 && course->optim.warmup_steps == 10));
  const auto refused = [&settings](const std::string& what) {
    CHECK_THAT(models::CourseOf(settings, 0).status(), HasCode(Code::kInvalidArgument, what));
  };
  settings.validate.every = "1ep";
  refused("validate.every = \"1ep\": the samples of an epoch are not known");
  settings.validate.every.clear();
  settings.optim.warmup = "1ep";
  refused("optim.warmup is '1ep': the samples of an epoch are not known");
  settings.optim.warmup.clear();
  settings.train.last_batch = "short";
  refused("train.length = \"3200samples\": the samples of an epoch are not known");
}

// With a workload of its own on each rank.
std::vector<Status> TrainMade(const std::string& folder, int ranks, const Sets& sets,
                              const std::function<models::Workload*(int rank)>& make) {
  const auto worlds = comm::World::Threads(ranks);
  return SpawnRanks(ranks, [&](int rank) -> Status {
    const TinyRun run(folder + "/store", "r", sets);
    STEMMA_RETURN_IF_ERROR(run.status);
    models::TrainOptions options;
    options.dir = folder;
    options.progress = "off";
    options.environment_json = "{}";
    const models::Outcome outcome = models::Train(
        run.settings, run.list, options, *worlds[static_cast<size_t>(rank)],
        [&](const models::RunSettings&, Cohort&) -> Result<std::unique_ptr<models::Workload>> {
          return std::unique_ptr<models::Workload>(make(rank));
        });
    return {outcome.exit_code == 0 ? Code::kOk : Code::kInternal, outcome.cause};
  });
}

// As class folders may be, that each host has a copy of.
TEST_CASE("ranks with data sets of other sizes do not begin to train") {
  const auto results = TrainMade(NewFolder(), 2, {"train.length=1step"},
                                 [](int rank) { return new TinyWorkload(64 + rank); });
  for (const Status& result : results) {
    CHECK_THAT(result, HasCode(Code::kInternal, "size of the data set differs: rank {0} 64"));
  }
}

// 8 samples in batches of 6: the third rank has none of the last 2.
TEST_CASE("a rank that begins without a row adds nothing to sums, and takes none for seconds") {
  const std::string folder = NewFolder();
  for (const char* length : {"train.length=1step", "train.length=2step"}) {
    const auto results = TrainMade(
        folder, 3, {"train.global_batch=6", "train.last_batch=short", "lineage.budget=1%", length},
        [](int) { return new TinyWorkload(8, true); });
    for (const Status& result : results) REQUIRE_THAT(result, IsOk());
  }
  CHECK(StateOf(folder, "r", 1).record.metrics.at("rows") == 1);
  CHECK(StateOf(folder, "r", 2).record.metrics.at("rows") == 1);
}

// The tiny workload with a buffer that is not averaged and counts what its rank has computed.
class Counting final : public models::Workload {
 public:
  explicit Counting(int64_t samples) : tiny_(samples), calls_(at::zeros({}, at::kLong)) {}
  std::string name() const override { return tiny_.name(); }
  std::vector<ops::Parameter> Parameters() override { return tiny_.Parameters(); }
  std::vector<ops::Buffer> Buffers() override {
    std::vector<ops::Buffer> buffers = tiny_.Buffers();
    buffers.push_back({"calls", calls_, false});
    return buffers;
  }
  void SetTraining(bool training) override { tiny_.SetTraining(training); }
  at::Tensor Loss(const models::Batch& batch, models::LossParts* parts) override {
    calls_.add_(1);
    return tiny_.Loss(batch, parts);
  }
  std::shared_ptr<const models::Dataset> TrainData() const override { return tiny_.TrainData(); }

 private:
  TinyWorkload tiny_;
  at::Tensor calls_;
};

// 11 samples: a step of 4 before the fork, then 6 and 1, of which the second rank has none. Counted
// by steps alone the 6 would end an epoch, and the 1 would be the first batch of the next.
TEST_CASE("a fork with another batch knows which of its batches is short, and what it has seen") {
  const std::string folder = NewFolder();
  const auto train = [&](const Sets& sets) {
    const auto results =
        TrainMade(folder, 2, With({"train.last_batch=short", "lineage.every=1"}, sets),
                  [](int) { return new Counting(11); });
    for (const Status& result : results) REQUIRE_THAT(result, IsOk());
  };
  train({"train.global_batch=4", "train.length=1step"});
  CHECK(StateOf(folder, "r", 1).record.samples == 4u);

  const Sets sets = {"run.name=branch", "train.global_batch=6", "train.length=4step",
                     "ops.digest_every=1"};
  const TinyRun branch(folder + "/store", "branch", With({"train.last_batch=short"}, sets));
  REQUIRE_THAT(branch.status, IsOk());
  const auto store = Store::Open(folder + "/store", false, lineage::PosixStorage());
  REQUIRE_THAT(store.status(), IsOk());
  const auto graph = (*store)->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  const auto fork = (*store)->ForkWithSettings(*graph, StateOf(folder, "r", 1).record.id, "branch",
                                               {}, branch.list.ToToml());
  REQUIRE_THAT(fork.status(), IsOk());
  train(sets);
  const std::vector<uint64_t> seen = {10, 11, 17};
  for (size_t i = 0; i < seen.size(); ++i) {
    const Record record = StateOf(folder, "branch", static_cast<int64_t>(i) + 2).record;
    CHECK(record.samples == seen[i]);
    CHECK(record.cursor.epoch == (i == 0 ? 0u : 1u));
  }
}

// Cores as bits: \x0f are the first four of a host.
TEST_CASE("a rank shares its cores with those ranks of its host that may use them too") {
  using Ranks = std::vector<models::RankCores>;
  const Ranks unbound = {{"a", "\x0f"}, {"a", "\x0f"}, {"b", "\x0f"}, {"b", "\x0f"}};
  const Ranks bound = {{"a", "\x03"}, {"a", "\x0c"}, {"b", "\x03"}, {"b", "\x0c"}};
  const Ranks sockets = {{"a", "\x03"}, {"a", "\x03"}, {"a", "\x0c"}};
  const Ranks unknown = {{"a", ""}, {"a", "\x03"}};
  CHECK(models::RanksSharing(unbound, 1, 2) == 2);
  CHECK(models::RanksSharing(bound, 1, 2) == 1);
  CHECK(models::RanksSharing(sockets, 0, 3) == 2);
  CHECK(models::RanksSharing(sockets, 2, 3) == 1);
  CHECK(models::RanksSharing(unknown, 1, 2) == 2);
  // A group of two of the four ranks of its host.
  CHECK(models::RanksSharing({{"a", "\x0f"}, {"a", "\x0f"}}, 0, 4) == 4);
}

TEST_CASE("an autocast guard covers the forward and leaves nothing behind") {
  models::RunSettings settings;
  settings.train.precision = "bfloat16";
  const at::Tensor weight = at::ones({8, 8}).requires_grad_(true);
  at::Tensor loss;
  {
    const models::AutocastGuard guard(settings);
    const at::Tensor out = at::ones({2, 8}).matmul(weight);
    CHECK(out.scalar_type() == at::kBFloat16);
    loss = out.to(at::kFloat).sum();
  }
  CHECK_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  loss.backward();
  CHECK(weight.grad().scalar_type() == at::kFloat);
  settings.train.precision = "float32";
  const models::AutocastGuard guard(settings);
  CHECK(at::ones({2, 8}).matmul(weight).scalar_type() == at::kFloat);
}

TEST_CASE("label smoothing is the cross-entropy with the smoothed label") {
  const at::Tensor logits = at::arange(15, at::kFloat).reshape({3, 5}).sin().requires_grad_(true);
  const at::Tensor labels = at::arange(3, at::kLong) + 1;
  const at::Tensor log_p = logits.detach().log_softmax(1);
  double expected = 0;
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t k = 0; k < 5; ++k) {
      const double share = (k == row + 1 ? 0.9 : 0) + 0.1 / 5;
      expected -= share * log_p[row][k].item<double>();
    }
  }
  const at::Tensor loss = models::SumOfCrossEntropy(logits, labels, 0.1);
  CHECK(loss.item<double>() == Approx(expected).epsilon(1e-6));
  CHECK(models::SumOfCrossEntropy(logits, labels).item<double>() != Approx(expected).epsilon(1e-3));
  loss.backward();  // softmax - smoothed label
  CHECK(logits.grad().sum().item<double>() == Approx(0).margin(1e-6));
  CHECK(logits.grad()[0][0].item<double>() ==
        Approx(log_p[0][0].exp().item<double>() - 0.02).epsilon(1e-5));
  CHECK(models::SumOfCrossEntropy(logits.to(at::kBFloat16), labels).scalar_type() == at::kFloat);
}

}  // namespace
}  // namespace stemma::tests
