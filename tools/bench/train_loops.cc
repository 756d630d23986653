#include "tools/bench/train_loops.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/optim/sgd.h>

#include <utility>

#include "ops/fence.h"
#include "ops/guard.h"
#include "optim/optimizer.h"

namespace stemma::bench {
namespace {

constexpr int64_t kStepsMax = int64_t{1} << 40;  // of a schedule that is constant

// bf16: products and convolutions of the forward pass in bfloat16, as autocast has it.
class Autocast {
 public:
  Autocast(bool on, at::DeviceType device) : on_(on), device_(device) {
    if (!on_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;

 private:
  const bool on_;
  const at::DeviceType device_;
};

// What the loops share: the model and its loss.
class ModelLoop : public Loop {
 public:
  ModelLoop(std::unique_ptr<models::BenchModel> model, const LoopShape& shape)
      : model_(std::move(model)), shape_(shape) {}
  Status Settle() override {
    if (shape_.model.device.is_cpu()) return {};
    return ops::Guard("Settle", [&]() -> Status {
      model_->parameters().front().tensor.flatten()[0].item<float>();
      return {};
    });
  }
  const models::BenchModel& model() const override { return *model_; }

 protected:
  at::Tensor SumLoss() {
    const Autocast autocast(shape_.precision == "bf16", shape_.model.device.type());
    return model_->SumLoss();
  }
  const LoopShape& shape() const { return shape_; }

 private:
  const std::unique_ptr<models::BenchModel> model_;
  const LoopShape shape_;
};

Result<std::unique_ptr<models::BenchModel>> MakeModel(const LoopShape& shape) {
  std::unique_ptr<models::BenchModel> model;
  STEMMA_RETURN_IF_ERROR(ops::Guard("the model", [&]() -> Status {
    at::globalContext().setAllowTF32CuBLAS(shape.precision == "tf32");
    at::globalContext().setAllowTF32CuDNN(shape.precision == "tf32");
    STEMMA_ASSIGN_OR_RETURN(model, models::MakeBenchModel(shape.model));
    return {};
  }));
  return model;
}

class EngineLoop final : public ModelLoop {
 public:
  EngineLoop(const char* name, comm::World& world, std::unique_ptr<models::BenchModel> model,
             const LoopShape& shape)
      : ModelLoop(std::move(model), shape), name_(name), world_(world) {}
  ~EngineLoop() override { optimizer_.reset(); }  // before the reducer it uses

  Status Connect(const ops::OpsSettings& settings) {
    STEMMA_ASSIGN_OR_RETURN(
        reducer_, ops::Reducer::Create(settings, world_, model().parameters(), model().buffers()));
    optim::OptimSettings sgd;
    sgd.name = "sgd";
    sgd.lr = shape().lr;
    sgd.momentum = 0;
    sgd.weight_decay = 0;
    STEMMA_ASSIGN_OR_RETURN(optimizer_, optim::Make(sgd, kStepsMax, *reducer_));
    return {};
  }

  Status Step() override {
    const auto samples = static_cast<double>(shape().model.batch * world_.ranks());
    STEMMA_RETURN_IF_ERROR(reducer_->BeginStep({1, samples}));
    STEMMA_RETURN_IF_ERROR(ops::Guard("backward", [&]() -> Status {
      SumLoss().backward();
      return {};
    }));
    STEMMA_RETURN_IF_ERROR(reducer_->Finish());
    STEMMA_RETURN_IF_ERROR(reducer_->Wait());
    STEMMA_RETURN_IF_ERROR(optimizer_->Step(step_, no_captures_));
    comm::Mine mine;
    mine.agree = reducer_->launched_digest();
    return world_.control().EndStep(step_++, mine).status();
  }
  Status Close() override { return world_.control().Drain().status(); }
  const char* name() const override { return name_; }
  const ops::Reducer* reducer() const override { return reducer_.get(); }

 private:
  const char* const name_;
  comm::World& world_;
  std::unique_ptr<ops::Reducer> reducer_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  ops::NoFence no_captures_;
  int64_t step_ = 0;
};

class BareLoop final : public ModelLoop {
 public:
  BareLoop(std::unique_ptr<models::BenchModel> model, const LoopShape& shape)
      : ModelLoop(std::move(model), shape) {
    std::vector<at::Tensor> tensors;
    for (const ops::Parameter& p : this->model().parameters()) tensors.push_back(p.tensor);
    optimizer_ = std::make_unique<torch::optim::SGD>(tensors, torch::optim::SGDOptions(shape.lr));
  }
  Status Step() override {
    return ops::Guard("step", [&]() -> Status {
      optimizer_->zero_grad();
      (SumLoss() / static_cast<double>(shape().model.batch)).backward();
      optimizer_->step();
      return {};
    });
  }
  const char* name() const override { return "bare"; }

 private:
  std::unique_ptr<torch::optim::SGD> optimizer_;
};

}  // namespace

Result<std::unique_ptr<Loop>> MakeEngineLoop(const char* name, comm::World& world,
                                             const ops::OpsSettings& settings,
                                             const LoopShape& shape) {
  STEMMA_ASSIGN_OR_RETURN(auto model, MakeModel(shape));
  auto loop = std::make_unique<EngineLoop>(name, world, std::move(model), shape);
  STEMMA_RETURN_IF_ERROR(loop->Connect(settings));
  return std::unique_ptr<Loop>(std::move(loop));
}

Result<std::unique_ptr<Loop>> MakeBareLoop(const LoopShape& shape) {
  STEMMA_ASSIGN_OR_RETURN(auto model, MakeModel(shape));
  return std::unique_ptr<Loop>(std::make_unique<BareLoop>(std::move(model), shape));
}

}  // namespace stemma::bench
