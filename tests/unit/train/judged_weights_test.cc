// What an evaluation judges, the parameters or their averages, and what ends one before its time.
#include <ATen/ATen.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/cohort.h"
#include "core/exit_code.h"
#include "lineage/posix_storage.h"
#include "models/train/evaluate_state.h"
#include "models/train/signals.h"
#include "models/train/trainer.h"
#include "models/train/workload.h"
#include "tests/unit/train/trained_runs.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_workload.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

// val_loss of a state by itself, on two ranks as it was trained.
Result<double> LossOf(const std::string& folder, const lineage::Record& record,
                      const std::string& set) {
  const auto worlds = comm::World::Threads(2);
  std::vector<double> losses(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    const TinyRun run("unused", "unused", {"validate.every=4step", "validate.batch=6", set});
    STEMMA_RETURN_IF_ERROR(run.status);
    STEMMA_ASSIGN_OR_RETURN(
        const auto store, lineage::Store::Open(folder + "/store", false, lineage::PosixStorage()));
    STEMMA_ASSIGN_OR_RETURN(
        const models::Score score,
        models::EvaluateState(run.settings, *store, record, *worlds[static_cast<size_t>(rank)],
                              TinyWorkload::Make));
    losses[static_cast<size_t>(rank)] = score.val_loss();
    return {};
  });
  for (const Status& result : results) STEMMA_RETURN_IF_ERROR(result);
  CHECK(losses[0] == losses[1]);
  return losses[0];
}

TEST_CASE("averages are judged in the parameters' place, and leave no trace in the training") {
  const std::string folder = NewFolder();
  for (const char* shard : {"none", "optimizer"}) {
    INFO("ops.shard " << shard);
    const std::string plain = std::string("trained-") + shard, other = std::string("mean-") + shard;
    const Sets sets = {"train.length=7step",  "optim.lr=0.01",
                       "optim.ema_decay=0.9", "validate.every=4step",
                       "validate.batch=6",    std::string("ops.shard=") + shard};
    Train(folder, plain, sets, {});
    Train(folder, other, sets, {"validate.weights=average"});
    const States states(folder);
    CHECK(states.Bytes(plain, 7) == states.Bytes(other, 7));
    for (const int64_t step : {4, 7}) {
      INFO(step);
      const lineage::Record &trained = states.At(plain, step), &mean = states.At(other, step);
      CHECK(trained.metrics.at("val_loss") != mean.metrics.at("val_loss"));
      const auto of_trained = LossOf(folder, mean, "validate.weights=trained");
      const auto of_mean = LossOf(folder, trained, "validate.weights=average");
      REQUIRE_THAT(of_trained.status(), IsOk());
      REQUIRE_THAT(of_mean.status(), IsOk());
      CHECK(*of_trained == trained.metrics.at("val_loss"));
      CHECK(*of_mean == mean.metrics.at("val_loss"));
    }
  }
  Train(folder, "without", {"train.length=3step"}, {});
  const States states(folder);
  CHECK_THAT(LossOf(folder, states.At("without", 3), "validate.weights=average").status(),
             HasCode(Code::kIncompatible, "the state has no 'optim/ema/weight'"));
}

// A scheduler asks it to stop in the second batch of its first evaluation.
class Preempted final : public models::Workload {
 public:
  explicit Preempted(int* batches) : batches_(batches) {}
  std::string name() const override { return tiny_.name(); }
  std::vector<ops::Parameter> Parameters() override { return tiny_.Parameters(); }
  std::vector<ops::Buffer> Buffers() override { return tiny_.Buffers(); }
  void SetTraining(bool training) override { tiny_.SetTraining(training); }
  at::Tensor Loss(const models::Batch& batch, models::LossParts* parts) override {
    return tiny_.Loss(batch, parts);
  }
  std::shared_ptr<const models::Dataset> TrainData() const override { return tiny_.TrainData(); }
  std::shared_ptr<const models::Dataset> ValidationData() const override {
    return tiny_.ValidationData();
  }
  models::Evaluated Evaluate(const models::Batch& batch) override {
    if (++*batches_ == 2) std::raise(SIGTERM);
    return tiny_.Evaluate(batch);
  }

 private:
  TinyWorkload tiny_;
  int* const batches_;
};

// 20 held-out samples in batches of 5: four of them.
TEST_CASE("a stop breaks off an evaluation, but not one that the training looks at") {
  for (const bool looks : {false, true}) {
    INFO("the training looks at it: " << looks);
    const std::string folder = NewFolder();
    Sets sets = {"train.length=9step", "validate.every=4step", "validate.batch=5"};
    if (looks) sets.push_back("train.stop_patience=99");
    const auto train = [&](const std::string& name, int* batches) {
      const auto worlds = comm::World::Threads(1);
      const TinyRun run(folder + "/store", name, sets);
      REQUIRE_THAT(run.status, IsOk());
      models::TrainOptions options;
      options.dir = folder + "/" + name;
      options.progress = "off";
      options.environment_json = "{}";
      const auto make = [batches](const models::RunSettings&,
                                  Cohort&) -> Result<std::unique_ptr<models::Workload>> {
        return std::unique_ptr<models::Workload>(std::make_unique<Preempted>(batches));
      };
      const models::Outcome outcome =
          models::Train(run.settings, run.list, options, *worlds[0], make);
      INFO(outcome.cause);
      models::ResetSignals();
      return outcome.exit_code;
    };
    int never = 100, once = 0;
    CHECK(train("straight", &never) == kExitDone);
    CHECK(train("stopped", &once) == kExitTryAgain);
    CHECK(once == (looks ? 4 : 2));
    CHECK(train("stopped", &once) == kExitDone);
    const States states(folder);
    CHECK(states.Bytes("straight", 9) == states.Bytes("stopped", 9));
    CHECK(states.At("straight", 4).metrics.count("val_loss") == 1);
    CHECK(states.At("stopped", 4).metrics.count("val_loss") == (looks ? 1 : 0));
    CHECK(states.At("stopped", 9).metrics.at("val_loss") ==
          states.At("straight", 9).metrics.at("val_loss"));
  }
}

}  // namespace
}  // namespace stemma::tests
