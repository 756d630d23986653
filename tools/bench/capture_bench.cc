// The trainer itself on ResNet-50 with LAMB (a state of 307 MB), for what its captures cost: the
// same loop, control word, optimizer, capturer and metrics as `stemma train`, on one synthetic
// batch. Under mpirun, one thread a rank:
//
//   mpirun -n 2 capture_bench FOLDER STEPS EVERY [BATCH [SIDE]]
//
// Prints nothing: FOLDER/run/metrics.jsonl has capture_stall_s and step_s of every step. So that a
// disk holds the run, packs beyond the newest few are unlinked behind the store's back, as a
// collector without a grace would do; the store is of no use afterwards.
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/digest.h"
#include "models/bench_nets/bench_model.h"
#include "models/train/trainer.h"
#include "ops/world.h"

namespace stemma::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPacksKept = 6;  // of three states of two ranks

// Samples without content: the network has its own batch.
class NoData final : public models::Dataset {
 public:
  explicit NoData(int64_t size) : size_(size) {}
  int64_t Size() const override { return size_; }
  models::SampleShape Shape() const override { return {{1}, 1}; }
  std::string Digest() const override { return Sha256("no data"); }
  Status Read(int64_t, const models::Cursor&, float* x, float* y) const override {
    *x = *y = 0;
    return {};
  }

 private:
  const int64_t size_;
};

class OneBatch final : public models::Workload {
 public:
  OneBatch(std::unique_ptr<models::BenchModel> model, int64_t samples)
      : model_(std::move(model)), data_(std::make_shared<NoData>(samples)) {}
  std::string name() const override { return "resnet50"; }
  std::vector<ops::Parameter> Parameters() override { return model_->parameters(); }
  std::vector<ops::Buffer> Buffers() override { return model_->buffers(); }
  void SetTraining(bool) override {}
  at::Tensor Loss(const models::Batch&, models::LossParts*) override { return model_->SumLoss(); }
  std::shared_ptr<const models::Dataset> TrainData() const override { return data_; }

 private:
  const std::unique_ptr<models::BenchModel> model_;
  const std::shared_ptr<const models::Dataset> data_;
};

// Unlinks all packs but the newest, now and then, until it goes.
class Sweeper {
 public:
  explicit Sweeper(fs::path packs) : packs_(std::move(packs)), thread_([this] { Run(); }) {}
  ~Sweeper() {
    ending_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!ending_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      std::vector<std::pair<fs::file_time_type, fs::path>> found;
      std::error_code gone;  // a file may be unlinked or renamed meanwhile
      for (fs::recursive_directory_iterator at(packs_, gone), end; !gone && at != end;
           at.increment(gone)) {
        if (at->is_regular_file(gone)) found.emplace_back(at->last_write_time(gone), at->path());
      }
      std::sort(found.begin(), found.end());
      for (size_t i = 0; i + kPacksKept < found.size(); ++i) fs::remove(found[i].second, gone);
    }
  }

  const fs::path packs_;
  std::atomic<bool> ending_{false};
  std::thread thread_;  // last: it uses the others
};

int Fail(const Status& status) {
  std::fprintf(stderr, "capture_bench: %s\n", status.message().c_str());
  return 1;
}

struct Command {
  std::string folder, steps, every;
  int64_t batch = 8, side = 64;
};

int Run(const Command& command) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  auto world = ops::World::Open(settings.comm, {});
  if (!world.ok()) return Fail(world.status());
  const int64_t samples = command.batch * (*world)->ranks();
  for (const std::string& set :
       {std::string("run.name=bench"), "train.length=" + command.steps + "step",
        "train.global_batch=" + std::to_string(samples), std::string("train.log_every=1000000"),
        std::string("device.threads=1"), std::string("optim.name=lamb"),
        std::string("optim.lr=0.001"), "lineage.store=" + command.folder + "/store",
        "lineage.every=" + command.every}) {
    if (const Status known = list.Set(set); !known.ok()) return Fail(known);
  }
  std::unique_ptr<Sweeper> sweeper;
  if ((*world)->rank() == 0) {
    sweeper = std::make_unique<Sweeper>(command.folder + "/store/objects/pack");
  }
  models::TrainOptions options;
  options.dir = command.folder + "/run";
  options.progress = "off";
  options.environment_json = "{}";
  const auto make = [&](const models::RunSettings&,
                        Cohort&) -> Result<std::unique_ptr<models::Workload>> {
    models::BenchShape shape;
    shape.batch = command.batch;
    shape.side = command.side;
    shape.data = static_cast<uint64_t>((*world)->rank());
    STEMMA_ASSIGN_OR_RETURN(auto model, models::MakeBenchModel(shape));
    return std::unique_ptr<models::Workload>(
        std::make_unique<OneBatch>(std::move(model), samples * std::atoll(command.steps.c_str())));
  };
  const models::Outcome outcome = models::Train(settings, list, options, **world, make);
  sweeper.reset();
  const Status closed = (*world)->Close();
  return outcome.exit_code != 0 || closed.ok() ? outcome.exit_code : Fail(closed);
}

}  // namespace
}  // namespace stemma::bench

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) {
    std::fprintf(stderr, "usage: capture_bench FOLDER STEPS EVERY [BATCH [SIDE]]\n");
    return 2;
  }
  stemma::bench::Command command{argv[1], argv[2], argv[3]};
  if (argc > 4) command.batch = std::atoll(argv[4]);
  if (argc > 5) command.side = std::atoll(argv[5]);
  return stemma::bench::Run(command);
}
