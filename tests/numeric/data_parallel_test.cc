// N ranks train what one rank trains: with LibTorch's own optimizers, saved and restored on the
// way, and with epochs that do not divide into batches.
#include <ATen/Parallel.h>
#include <torch/optim.h>
#include <torch/serialize.h>

#include <memory>
#include <sstream>

#include "models/data/loader.h"
#include "optim/optimizer.h"
#include "tests/ranks/reducer_fixture.h"

#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

using ops::Reducer;
using Stock = std::unique_ptr<torch::optim::Optimizer>;

void OnRanks(const std::function<Status(comm::World&)>& body) {
  for (int ranks : {1, 2, 3, 4}) {
    INFO(ranks << " ranks");
    comm::CommSettings settings;
    settings.backend = ranks % 2 == 0 ? "node-shared" : "threads";
    auto worlds = comm::World::Threads(ranks, settings);
    const auto results = SpawnRanks(ranks, [&](int rank) {
      at::set_num_threads(1);
      try {
        return body(*worlds[static_cast<size_t>(rank)]);
      } catch (const std::exception& error) {
        return Status(Code::kInternal, error.what());
      }
    });
    for (const Status& result : results) CHECK_THAT(result, IsOk());
    RanOn(settings.backend, ranks);
  }
}

std::vector<at::Tensor> TensorsOf(const Net& net) { return {net.w1, net.b1, net.w2, net.b2}; }

Stock MakeStock(const std::string& name, const Net& net, double rate) {
  namespace o = torch::optim;
  const auto p = TensorsOf(net);
  if (name == "sgd") return std::make_unique<o::SGD>(p, o::SGDOptions(rate));
  if (name == "momentum") {
    return std::make_unique<o::SGD>(p, o::SGDOptions(rate).momentum(0.9).weight_decay(0.01));
  }
  if (name == "adam") return std::make_unique<o::Adam>(p, o::AdamOptions(rate).amsgrad(true));
  if (name == "adamw") return std::make_unique<o::AdamW>(p, o::AdamWOptions(rate));
  if (name == "rmsprop") {
    return std::make_unique<o::RMSprop>(p, o::RMSpropOptions(rate).momentum(0.5).centered(true));
  }
  return std::make_unique<o::Adagrad>(p, o::AdagradOptions(rate).lr_decay(0.01));
}

// What a restart does: the saved text goes into an optimizer that was made with other options.
Stock Restored(const std::string& name, const Net& net, const torch::optim::Optimizer& saved) {
  std::stringstream stream;
  torch::save(saved, stream);
  Stock fresh = MakeStock(name, net, 7);
  torch::load(*fresh, stream);
  return fresh;
}

Status ExpectClose(const Net& ours, const Net& theirs, const std::string& what) {
  for (size_t i = 0; i < 4; ++i) {
    const at::Tensor a = TensorsOf(ours)[i], b = TensorsOf(theirs)[i];
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(a, b, 1e-10, 1e-10), what + " as on one rank"));
  }
  return {};
}

at::Tensor MyRows(const comm::World& world, const at::Tensor& rows) {
  return rows.tensor_split(world.ranks())[static_cast<size_t>(world.rank())];
}

Status TrainsAsOneRank(comm::World& world, const std::string& name) {
  const Net net(10), alone(10);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create({}, world, net.Parameters()));
  Stock ours = MakeStock(name, net, 0.05), theirs = MakeStock(name, alone, 0.05);
  for (uint64_t step = 0; step < 6; ++step) {
    if (step == 3) ours = Restored(name, net, *ours);
    const at::Tensor x = Drawn(100 + step, {8, 4});
    theirs->zero_grad();
    (alone.Loss(x) / 8).backward();
    theirs->step();
    ours->zero_grad();  // takes the aliases away: the next BeginStep gives them back
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(MyRows(world, x))));
    ours->step();
    STEMMA_RETURN_IF_ERROR(ExpectClose(net, alone, name + " step " + std::to_string(step)));
    STEMMA_RETURN_IF_ERROR(reducer->CompareReplicas());
  }
  return {};
}

// LBFGS calls backward() as often as it likes: that is no step of a reducer, and an error.
Status LbfgsIsRefused(comm::World& world) {
  const Net net(10);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create({}, world, net.Parameters()));
  torch::optim::LBFGS lbfgs(TensorsOf(net), torch::optim::LBFGSOptions(0.1).max_iter(4));
  const at::Tensor x = Drawn(1, {8, 4});
  for (int step = 0; step < 2; ++step) {
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep({}));
    std::string thrown;
    try {
      lbfgs.step([&] {
        const at::Tensor loss = net.Loss(x);
        loss.backward();
        return loss;
      });
    } catch (const std::exception& error) {
      thrown = error.what();
    }
    reducer->Abandon();
    STEMMA_RETURN_IF_ERROR(Expect(thrown.find("announce every backward()") != std::string::npos,
                                  "LBFGS is an error, got '" + thrown + "'"));
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(x)));
  }
  return {};
}

Status UnusedKeepsItsValue(comm::World& world) {
  const Net net(10);
  const at::Tensor never = at::full({3}, 2., at::kDouble).requires_grad_(true);
  auto parameters = net.Parameters();
  parameters.push_back({"never", {}, never});
  ops::OpsSettings settings;
  settings.unused = "keep_none";
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(settings, world, parameters));
  torch::optim::SGD sgd(std::vector<at::Tensor>{net.w1, never},
                        torch::optim::SGDOptions(0.1).weight_decay(0.5));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(Drawn(1, {8, 4}))));
  sgd.step();
  STEMMA_RETURN_IF_ERROR(ExpectEqual(never.detach(), at::full({3}, 2., at::kDouble), "never"));
  return ExpectError(optim::Make({}, 10, *reducer).status(), Code::kInvalidArgument,
                     "cannot leave out a parameter that nobody used: set ops.unused");
}

Status OldOptimizersAreRefused(comm::World& world) {
  const Net net(10);
  optim::OptimSettings settings;
  settings.name = "sgd";
  ops::OpsSettings active;
  active.divisor = "active";
  ops::NoFence fence;
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(active, world, net.Parameters()));
  STEMMA_ASSIGN_OR_RETURN(auto optimizer, optim::Make(settings, 10, *reducer));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(Drawn(1, {8, 4}))));
  STEMMA_RETURN_IF_ERROR(optimizer->Step(0, fence));
  const uint64_t digest = reducer->DigestParameters();
  STEMMA_RETURN_IF_ERROR(reducer->ContributeNothing({}));  // on all ranks: the data has ended
  STEMMA_RETURN_IF_ERROR(reducer->Wait());
  STEMMA_RETURN_IF_ERROR(optimizer->Step(1, fence));
  STEMMA_RETURN_IF_ERROR(Expect(optimizer->report().skipped, "a step without data is skipped"));
  STEMMA_RETURN_IF_ERROR(Expect(reducer->DigestParameters() == digest, "nothing has changed"));
  STEMMA_RETURN_IF_ERROR(reducer->Replan());
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(Drawn(1, {8, 4}))));
  STEMMA_RETURN_IF_ERROR(ExpectError(optimizer->Step(2, fence), Code::kInvalidArgument,
                                     "has made a new plan since this optimizer was made"));
  STEMMA_ASSIGN_OR_RETURN(optimizer, optim::Make(settings, 10, *reducer));
  return optimizer->Step(2, fence);
}

class Rows final : public models::Dataset {
 public:
  int64_t Size() const override { return 25; }
  models::SampleShape Shape() const override { return {{4}, 1}; }
  std::string Digest() const override { return "rows"; }
  Status Read(int64_t id, const models::Cursor&, float* x, float* y) const override {
    const at::Tensor row = Drawn(static_cast<uint64_t>(id), {4}, at::kFloat);
    for (int i = 0; i < 4; ++i) x[i] = row[i].item<float>();
    *y = 0;
    return {};
  }
};

// 25 samples in batches of 12: 12, 12, 1. The last batch has one row on rank 0 and none elsewhere.
Status ShortLastBatchIsExact(comm::World& world) {
  const Net net(10), alone(10);
  const auto data = std::make_shared<Rows>();
  models::LoaderSettings settings;
  settings.global_batch = 12;  // which 1 to 4 ranks divide
  settings.short_last = true;
  STEMMA_ASSIGN_OR_RETURN(auto all, models::Loader::Start(data, settings, {0, 1}, {1, 0, 0}));
  STEMMA_ASSIGN_OR_RETURN(
      auto mine, models::Loader::Start(data, settings, {world.rank(), world.ranks()}, {1, 0, 0}));
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create({}, world, net.Parameters()));
  for (int step = 0; step < 9; ++step) {
    STEMMA_ASSIGN_OR_RETURN(const models::Batch whole, all->Next());
    for (ops::Parameter& p : alone.Parameters()) p.tensor.mutable_grad().reset();
    const auto rows = static_cast<double>(whole.x.size(0));
    STEMMA_RETURN_IF_ERROR(Expect(rows == (step % 3 == 2 ? 1 : 12), "rows of the batch"));
    (alone.Loss(whole.x.to(at::kDouble)) / rows).backward();
    SgdStep(alone.Parameters(), 0.1);

    STEMMA_ASSIGN_OR_RETURN(const models::Batch part, mine->Next());
    const auto count = static_cast<int>(std::min<int64_t>(2, part.x.size(0)));
    const ops::StepShape shape = {std::max(count, 1), static_cast<double>(part.global_rows)};
    if (count == 0) {
      STEMMA_RETURN_IF_ERROR(reducer->ContributeNothing(shape));
    } else {
      STEMMA_RETURN_IF_ERROR(reducer->BeginStep(shape));
      for (int i = 0; i < count; ++i) {
        net.Loss(models::MicroBatch(part, i, count).x.to(at::kDouble)).backward();
      }
      STEMMA_RETURN_IF_ERROR(reducer->Finish());
    }
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    SgdStep(reducer->parameters(), 0.1);
    STEMMA_RETURN_IF_ERROR(ExpectClose(net, alone, "step " + std::to_string(step)));
    STEMMA_RETURN_IF_ERROR(reducer->CompareReplicas());
  }
  return {};
}

TEST_CASE("conformance_65_LibTorchs_optimizers_train_and_restore_as_on_one_rank") {
  for (const char* name : {"momentum", "adam", "adamw", "rmsprop", "adagrad"}) {
    OnRanks([&](comm::World& world) { return TrainsAsOneRank(world, name); });
  }
}
TEST_CASE("conformance_66_an_optimizer_without_state_is_restored") {
  OnRanks([](comm::World& world) { return TrainsAsOneRank(world, "sgd"); });
}
TEST_CASE("conformance_65_LBFGS_is_refused") { OnRanks(LbfgsIsRefused); }
TEST_CASE("conformance_57_LibTorchs_optimizers_skip_what_nobody_used_and_ours_refuse") {
  OnRanks(UnusedKeepsItsValue);
}
TEST_CASE("conformance_58_an_optimizer_made_before_Replan_is_refused") {
  OnRanks(OldOptimizersAreRefused);
}
TEST_CASE("conformance_68_a_short_last_batch_is_exact") { OnRanks(ShortLastBatchIsExact); }

}  // namespace
}  // namespace stemma::tests
