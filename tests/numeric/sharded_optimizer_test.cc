// A sharded optimizer against one that is not: the same gradients, 1 to 4 ranks as threads, and the
// same bits of parameters, state, norms and ratios. Assertions only after the join.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/random.h"
#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;

at::Tensor Drawn(uint64_t key, at::IntArrayRef sizes, at::ScalarType type) {
  Random draw(Key({key}), "sharded_optimizer_test");
  at::Tensor tensor = at::empty(sizes, at::kDouble);
  for (int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<double>()[i] = draw.Normal();
  return tensor.to(type);
}

// Below a chunk, exactly one, several with a rest, and one that all ranks share; f64 beside f32.
std::vector<ops::Parameter> Model() {
  using ops::ParameterRole;
  const auto make = [](const char* name, ParameterRole role, std::vector<int64_t> shape,
                       uint64_t key, at::ScalarType type = at::kFloat) {
    return ops::Parameter{name, role, Drawn(key, shape, type).requires_grad_(true)};
  };
  return {make("stem", ParameterRole::kWeight, {5, 7}, 1),
          make("stem.bias", ParameterRole::kBias, {5}, 2),
          make("square", ParameterRole::kWeight, {64, 64}, 3),
          make("scale", ParameterRole::kNormScale, {64}, 4),
          make("wide", ParameterRole::kWeight, {300, 101}, 5),
          make("exact", ParameterRole::kWeight, {3000}, 6, at::kDouble),
          make("long", ParameterRole::kEmbedding, {9000}, 7, at::kDouble),
          make("head", ParameterRole::kWeight, {41, 401}, 8)};
}

// What all ranks must have alike after some steps, and what a rank holds of the state.
struct Ended {
  std::map<std::string, at::Tensor> parameters, state, averages;
  std::vector<double> norms, ratios;
  std::vector<bool> skipped;
  std::string small;
  int64_t held = 0;  // elements of state of this rank
};

class Rank {
 public:
  Rank(comm::World& world, const OptimSettings& settings, const char* shard)
      : world_(world), settings_(settings) {
    ops_.first_mb = ops_.last_mb = 0.02;
    ops_.bucket_mb = 0.1;
    ops_.shard = shard;
  }

  Status Start() {
    STEMMA_ASSIGN_OR_RETURN(reducer_, ops::Reducer::Create(ops_, world_, Model()));
    STEMMA_ASSIGN_OR_RETURN(optimizer_, Make(settings_, 20, *reducer_));
    return {};
  }

  // The gradient is what the loss is linear in: it depends on step, rank and parameter alone.
  Status Gradients(int64_t step) {
    ops::StepShape shape;
    shape.divisor = 4 * world_.ranks();
    STEMMA_RETURN_IF_ERROR(reducer_->BeginStep(shape));
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (size_t i = 0; i < reducer_->parameters().size(); ++i) {
      const at::Tensor& p = reducer_->parameters()[i].tensor;
      const uint64_t key =
          Key({static_cast<uint64_t>(step), static_cast<uint64_t>(world_.rank()), i});
      at::Tensor slope = Drawn(key, p.sizes(), p.scalar_type());
      if (step == bad_step && world_.rank() == world_.ranks() - 1 && i == 4) {
        slope.view(-1)[30000] = std::nanf("");  // in the last chunk of "wide"
      }
      loss = loss + (p * slope).sum().to(at::kDouble);
    }
    loss.backward();
    STEMMA_RETURN_IF_ERROR(reducer_->Finish());
    return reducer_->Wait();
  }

  Status Steps(int64_t begin, int64_t end, Ended* ended) {
    for (int64_t step = begin; step < end; ++step) {
      STEMMA_RETURN_IF_ERROR(Gradients(step));
      ops::NoFence fence;
      STEMMA_RETURN_IF_ERROR(optimizer_->Step(step, fence));
      ended->norms.push_back(optimizer_->report().grad_norm);
      ended->skipped.push_back(optimizer_->report().skipped);
      STEMMA_ASSIGN_OR_RETURN(const auto ratios, optimizer_->Ratios());
      for (const TensorRatio& ratio : ratios) {
        ended->ratios.insert(ended->ratios.end(), {ratio.p_norm, ratio.u_norm, ratio.ratio});
      }
    }
    if (settings_.ema_decay > 0) STEMMA_RETURN_IF_ERROR(Averages(ended));
    for (const auto& p : reducer_->parameters()) {
      ended->parameters[p.name] = p.tensor.detach().clone();
    }
    ended->small = optimizer_->EncodeSmall();
    return {};
  }

  // As every rank computes with them.
  Status Averages(Ended* ended) {
    ops::NoFence fence;
    STEMMA_RETURN_IF_ERROR(optimizer_->SwapAverage(fence));
    for (const auto& p : reducer_->parameters()) {
      ended->averages[p.name] = p.tensor.detach().clone();
    }
    return optimizer_->SwapAverage(fence);
  }

  // Writes this rank's part of the state into whole tensors.
  void AddState(Ended* ended) {
    for (const NamedState& state : optimizer_->State()) {
      at::Tensor& whole = ended->state[state.slot + "/" + state.parameter];
      if (!whole.defined()) whole = at::full(state.whole, -7, state.tensor.options());
      whole.view(-1).narrow(0, state.first, state.tensor.numel()).copy_(state.tensor.view(-1));
      ended->held += state.tensor.numel();
    }
  }

  ops::Reducer& reducer() { return *reducer_; }
  Optimizer& optimizer() { return *optimizer_; }
  int64_t bad_step = -1;

 private:
  comm::World& world_;
  const OptimSettings settings_;
  ops::OpsSettings ops_;
  std::unique_ptr<ops::Reducer> reducer_;
  std::unique_ptr<Optimizer> optimizer_;
};

OptimSettings Named(const std::string& name) {
  OptimSettings s;
  s.name = name;
  s.lr = 0.01;
  s.schedule = "warmup_poly";
  s.warmup_steps = 2;
  s.max_grad_norm = 0.5;
  if (name == "nesterov") s.name = "sgd", s.nesterov = true;
  return s;
}

constexpr int64_t kSteps = 3;

// `state` of the returned ranks is what all parts together hold.
std::vector<Ended> Train(int ranks, const OptimSettings& settings, const char* shard,
                         int64_t bad_step = -1) {
  auto worlds = comm::World::Threads(ranks);
  std::vector<Ended> ended(static_cast<size_t>(ranks));
  std::vector<std::unique_ptr<Rank>> all(static_cast<size_t>(ranks));
  const auto results = SpawnRanks(ranks, [&](int r) -> Status {
    at::set_num_threads(1);
    const auto i = static_cast<size_t>(r);
    all[i] = std::make_unique<Rank>(*worlds[i], settings, shard);
    all[i]->bad_step = bad_step;
    STEMMA_RETURN_IF_ERROR(all[i]->Start());
    return all[i]->Steps(0, kSteps, &ended[i]);
  });
  for (const Status& status : results) REQUIRE_THAT(status, IsOk());
  tests::RanOn("threads", ranks);
  Ended whole;
  for (size_t i = 0; i < all.size(); ++i) {
    const int64_t before = whole.held;
    all[i]->AddState(&whole);
    ended[i].held = whole.held - before;
  }
  for (Ended& one : ended) one.state = whole.state;
  return ended;
}

void CheckSame(const std::map<std::string, at::Tensor>& a,
               const std::map<std::string, at::Tensor>& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    INFO(name);
    CHECK(tensor.equal(b.at(name)));
  }
}

void CheckSame(const Ended& a, const Ended& b) {
  CheckSame(a.parameters, b.parameters);
  CheckSame(a.state, b.state);
  CheckSame(a.averages, b.averages);
  CHECK(a.norms == b.norms);
  CHECK(a.ratios == b.ratios);
  CHECK(a.skipped == b.skipped);
  CHECK(a.small == b.small);
}

TEST_CASE("conformance_83_sharded_and_replicated_optimizers_have_the_same_bits") {
  for (const char* kind : {"lamb", "lars", "adamw", "adam", "sgd", "nesterov"}) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
      INFO(kind << " on " << ranks << " ranks");
      const auto replicated = Train(ranks, Named(kind), "none");
      const auto sharded = Train(ranks, Named(kind), "optimizer");
      for (const Ended& rank : sharded) CheckSame(rank, replicated[0]);
      CHECK_FALSE(replicated[0].parameters.at("wide").equal(Model()[4].tensor));
    }
  }
}

TEST_CASE("conformance_83_variants_of_lamb") {
  OptimSettings all = Named("lamb");  // every tensor adapted, no decay; the ratio in the step size
  all.adapt = "all";
  all.weight_decay = 0;
  all.bias_correction = "step_size";
  all.ema_decay = 0.25;
  OptimSettings none = Named("lamb");  // no tensor adapted: nothing to exchange but the norm
  none.weight_decay = 0;
  OptimSettings groups = Named("lamb");  // clipped by group, decay off the parameter first
  groups.clip_scope = "group";
  groups.decay = "decoupled";
  OptimSettings lars = Named("lars");  // every tensor, rates in the momentum, all clamps
  lars.adapt = "all";
  lars.lars_variant = "inside";
  lars.lars_clamp = lars.ratio_max = 0.01;
  lars.clip_to_lr = true;
  for (const OptimSettings& settings : {all, none, groups, lars}) {
    const auto replicated = Train(3, settings, "none");
    for (const Ended& rank : Train(3, settings, "optimizer")) CheckSame(rank, replicated[0]);
    CHECK(replicated[0].averages.size() == (settings.ema_decay > 0 ? Model().size() : 0));
    for (const auto& [name, average] : replicated[0].averages) {
      CHECK(average.equal(replicated[0].state.at("optim/ema/" + name)));
      CHECK_FALSE(average.equal(replicated[0].parameters.at(name)));
    }
    CHECK(replicated[0].ratios.empty() == (settings.weight_decay == 0 && settings.adapt != "all"));
  }
}

TEST_CASE("conformance_83_a_step_that_is_not_finite_in_one_shard_is_skipped_by_all") {
  OptimSettings settings = Named("lamb");
  settings.on_nonfinite = "skip";
  const auto replicated = Train(3, settings, "none", 1);
  const auto sharded = Train(3, settings, "optimizer", 1);
  for (const Ended& rank : sharded) {
    CHECK(rank.skipped == std::vector<bool>{false, true, false});
    CHECK(std::isnan(rank.norms[1]));
    CheckSame(rank.parameters, replicated[0].parameters);
    CHECK(rank.small == replicated[0].small);
  }
  settings.on_nonfinite = "stop";
  auto worlds = comm::World::Threads(2);
  const auto results = SpawnRanks(2, [&](int r) -> Status {
    Rank rank(*worlds[static_cast<size_t>(r)], settings, "optimizer");
    rank.bad_step = 0;
    STEMMA_RETURN_IF_ERROR(rank.Start());
    Ended ended;
    return rank.Steps(0, 1, &ended);
  });
  for (const Status& status : results) {
    CHECK_THAT(status, HasCode(Code::kNotFinite, "\"wide\" is not finite"));
  }
}

TEST_CASE("conformance_83_state_is_divided") {
  int64_t elements = 0;
  for (const auto& p : Model()) elements += p.tensor.numel();
  for (int ranks : {2, 3, 4}) {
    int64_t held = 0;
    for (const Ended& rank : Train(ranks, Named("adamw"), "optimizer")) {
      // An equal part of each of the model's few buckets, in chunks.
      CHECK(rank.held <= 2 * (elements / ranks + 8 * ops::kChunk));
      held += rank.held;
    }
    CHECK(held == 2 * elements);
  }
}

TEST_CASE("gradients in shards that no optimizer has used are an error of the next step") {
  auto worlds = comm::World::Threads(2);
  const auto results = SpawnRanks(2, [&](int r) -> Status {
    Rank rank(*worlds[static_cast<size_t>(r)], Named("sgd"), "optimizer");
    STEMMA_RETURN_IF_ERROR(rank.Start());
    STEMMA_RETURN_IF_ERROR(rank.Gradients(0));
    return rank.Gradients(1);
  });
  for (const Status& status : results) {
    CHECK_THAT(status, HasCode(Code::kInvalidArgument, "set ops.shard = none for any other"));
  }
}

}  // namespace
}  // namespace stemma::optim
