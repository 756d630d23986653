#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/random.h"
#include "models/train/settings.h"
#include "models/train/workload.h"

namespace stemma::tests {

// The smallest training that has everything a state can have: a linear map with a buffer that
// forward() changes, over samples that follow from their number. About 1 MiB of parameters, so that
// the 4 KiB by which writers' shares may differ are less than a percent.
constexpr int64_t kTinyIn = 512, kTinyOut = 512, kTinySamples = 64, kTinyHeldOut = 20;

class TinyData final : public models::Dataset {
 public:
  explicit TinyData(int64_t samples, int64_t first = 0) : samples_(samples), first_(first) {}
  int64_t Size() const override { return samples_; }
  models::SampleShape Shape() const override { return {{kTinyIn}, kTinyOut}; }
  std::string Digest() const override { return "tiny"; }
  Status Read(int64_t id, const models::Cursor&, float* x, float* y) const override {
    Random draw(Key({static_cast<uint64_t>(first_ + id)}), "tiny_workload");
    for (int64_t i = 0; i < kTinyIn; ++i) x[i] = static_cast<float>(draw.Normal());
    for (int64_t i = 0; i < kTinyOut; ++i) y[i] = static_cast<float>(draw.Normal());
    return {};
  }

 private:
  const int64_t samples_, first_;
};

class TinyWorkload final : public models::Workload {
 public:
  static Result<std::unique_ptr<models::Workload>> Make(const models::RunSettings&, Cohort&) {
    return std::unique_ptr<models::Workload>(std::make_unique<TinyWorkload>());
  }
  // `counts_rows`: a part of the loss that is 1 for each sample.
  explicit TinyWorkload(int64_t samples = kTinySamples, bool counts_rows = false)
      : samples_(samples),
        counts_rows_(counts_rows),
        weight_(at::linspace(-0.1, 0.1, kTinyIn * kTinyOut)
                    .reshape({kTinyIn, kTinyOut})
                    .contiguous()
                    .requires_grad_(true)),
        bias_(at::zeros({kTinyOut}).requires_grad_(true)),
        mean_(at::zeros({kTinyOut})) {}

  std::string name() const override { return "tiny"; }
  std::vector<ops::Parameter> Parameters() override {
    return {{"weight", ops::ParameterRole::kWeight, weight_},
            {"bias", ops::ParameterRole::kBias, bias_}};
  }
  std::vector<ops::Buffer> Buffers() override { return {{"mean", mean_, true}}; }
  void SetTraining(bool training) override { training_ = training; }
  at::Tensor Loss(const models::Batch& batch, models::LossParts* parts) override {
    if (counts_rows_) parts->emplace_back("rows", static_cast<double>(batch.x.size(0)));
    const at::Tensor out = batch.x.matmul(weight_) + bias_;
    mean_.mul_(0.9).add_(out.detach().mean(0), 0.1);
    return (out - batch.y).square().sum();
  }
  std::shared_ptr<const models::Dataset> TrainData() const override {
    return std::make_shared<TinyData>(samples_);
  }
  std::shared_ptr<const models::Dataset> ValidationData() const override {
    return std::make_shared<TinyData>(kTinyHeldOut, int64_t{1} << 32);
  }
  // Nothing, which is an error, unless it is told that this is an evaluation.
  models::Evaluated Evaluate(const models::Batch& batch) override {
    if (training_ || at::GradMode::is_enabled()) return {};
    const at::Tensor out = (batch.x.matmul(weight_) + bias_).to(at::kFloat);
    const auto rows = static_cast<double>(batch.x.size(0));
    return {rows, {{"loss", (out - batch.y).square().sum().item<double>()}, {"one", rows}}};
  }

 private:
  const int64_t samples_;
  const bool counts_rows_;
  bool training_ = true;
  at::Tensor weight_, bias_, mean_;
};

// A run of it, in thread ranks: its settings, and the list that reads and writes them.
class TinyRun {
 public:
  TinyRun(const std::string& store, const std::string& name, const std::vector<std::string>& sets)
      : list(models::FieldsOf(settings)) {
    for (const std::string& set :
         {std::string("run.name=" + name), std::string("lineage.store=" + store),
          std::string("lineage.every=2"), std::string("lineage.writer_bytes_min=4096"),
          std::string("train.global_batch=8"), std::string("train.length=3step"),
          std::string("optim.name=lamb"), std::string("optim.schedule=constant"),
          std::string("device.threads=1"), std::string("comm.deadline_s=60")}) {
      status = status.ok() ? list.Set(set) : status;
    }
    for (const std::string& set : sets) status = status.ok() ? list.Set(set) : status;
  }
  TinyRun(const TinyRun&) = delete;

  models::RunSettings settings;
  SettingsList list;
  Status status;  // of the settings
};

}  // namespace stemma::tests
