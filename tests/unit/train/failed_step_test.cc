// What all ranks hear of a step that one rank could not do: what went wrong first, not what follows
// from it.
#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "comm/world.h"
#include "core/cohort.h"
#include "core/status.h"
#include "models/train/trainer.h"
#include "models/train/workload.h"
#include "ops/world.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_workload.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

using Breaks = std::function<void(models::Workload* tiny)>;

// The tiny workload, but for one call of Loss.
class Breaking final : public models::Workload {
 public:
  Breaking(int call, Breaks breaks) : left_(call), breaks_(std::move(breaks)) {}
  std::string name() const override { return tiny_.name(); }
  std::vector<ops::Parameter> Parameters() override { return tiny_.Parameters(); }
  std::vector<ops::Buffer> Buffers() override { return tiny_.Buffers(); }
  void SetTraining(bool training) override { tiny_.SetTraining(training); }
  at::Tensor Loss(const models::Batch& batch, models::LossParts* parts) override {
    if (left_-- == 0) breaks_(&tiny_);
    return tiny_.Loss(batch, parts);
  }
  std::shared_ptr<const models::Dataset> TrainData() const override { return tiny_.TrainData(); }

 private:
  TinyWorkload tiny_;
  int left_;  // until the call that breaks; below 0: none does
  const Breaks breaks_;
};

void Throw(models::Workload*) { throw std::runtime_error("no such kernel"); }

void LoseGradients(models::Workload* tiny) {
  for (ops::Parameter& parameter : tiny->Parameters()) parameter.tensor.mutable_grad().reset();
}

// On a thread that says so, memory runs out once.
thread_local bool is_poor = false, is_out = false;

class Poor final : public c10::Allocator {
 public:
  explicit Poor(c10::Allocator* rich) : rich_(rich) {}
  c10::DataPtr allocate(size_t bytes) override {
    if (std::exchange(is_out, false)) throw std::runtime_error("no memory left");
    return rich_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return rich_->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  c10::Allocator* const rich_;
};

// In the optimizer's first step, which asks for what it keeps.
void RunOut(ops::Phase phase, int64_t step) {
  is_out = is_poor && phase == ops::Phase::kOptimizer && step == 1;
}

// As long as it lives.
class Poverty {
 public:
  Poverty() {
    c10::SetCPUAllocator(&poor_);
    ops::FlightRecorder::SetEnterHook(&RunOut);
  }
  ~Poverty() {
    ops::FlightRecorder::SetEnterHook(nullptr);
    c10::SetCPUAllocator(rich_);
  }
  Poverty(const Poverty&) = delete;

 private:
  c10::Allocator* const rich_ = c10::GetCPUAllocator();
  Poor poor_{rich_};
};

std::string NewFolder() {
  const char* scratch = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(scratch ? scratch : ".") + "/failed_step_test_XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

// What two ranks say of a run in which rank 1 breaks in its `call`th Loss, from 0.
std::vector<std::string> CausesOf(const std::string& name, const std::string& set, int call,
                                  const Breaks& breaks) {
  const std::string folder = NewFolder();
  const auto worlds = comm::World::Threads(2);
  std::vector<std::string> causes(2);
  const auto results = SpawnRanks(2, [&](int rank) -> Status {
    const TinyRun run(folder + "/store", name, {set});
    STEMMA_RETURN_IF_ERROR(run.status);
    models::TrainOptions options;
    options.dir = folder + "/" + name;
    options.progress = "off";
    options.environment_json = "{}";
    const auto make = [&](const models::RunSettings&, Cohort&) {
      return Result<std::unique_ptr<models::Workload>>(
          std::make_unique<Breaking>(rank == 1 ? call : -1, breaks));
    };
    const models::Outcome outcome =
        models::Train(run.settings, run.list, options, *worlds[static_cast<size_t>(rank)], make);
    causes[static_cast<size_t>(rank)] = outcome.cause;
    return {};
  });
  for (const Status& result : results) REQUIRE_THAT(result, IsOk());
  return causes;
}

TEST_CASE("an exception of a step is its cause, also where it left backward passes out") {
  struct Row {
    std::string name, set;
    int call;
  };
  for (const Row& row : std::vector<Row>{{"whole", "train.micro_batches=1", 1},
                                         {"second_part", "train.micro_batches=2", 3},
                                         {"unused", "ops.unused=error", 1}}) {
    for (const std::string& cause : CausesOf(row.name, row.set, row.call, &Throw)) {
      CHECK_THAT(cause, Catch::Contains("step 2: no such kernel"));
      CHECK_THAT(cause, Catch::Contains("rank 1"));
    }
  }
}

// Its text, without where in the program it was raised.
TEST_CASE("what the reducer raised inside backward is told in its words") {
  for (const std::string& cause : CausesOf("hook", "train.micro_batches=2", 2, &LoseGradients)) {
    CHECK_THAT(cause, Catch::Contains(".grad is not in the bucket any more"));
    CHECK_THAT(cause, !Catch::Contains("Exception raised from"));
  }
}

// Replicas differ from here on, which ops.digest_every would find too, and blame the others.
TEST_CASE("an optimizer that fails on one rank alone is told to all with its cause") {
  const Poverty poverty;
  const auto become_poor = [](models::Workload*) { is_poor = true; };
  for (const char* set : {"ops.digest_every=0", "ops.digest_every=1"}) {
    const std::string name = std::string("poor") + std::string(set).back();
    for (const std::string& cause : CausesOf(name, set, 0, become_poor)) {
      CHECK_THAT(cause, Catch::Contains("step 1: Optimizer::Step: no memory left"));
      CHECK_THAT(cause, Catch::Contains("rank 1"));
    }
  }
}

}  // namespace
}  // namespace stemma::tests
