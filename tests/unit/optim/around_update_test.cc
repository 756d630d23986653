// What stands around the update: the loss scale, clipping by value, averages of the weights, and a
// rate that falls on a plateau. All of it is state, and none of it is a pass over the gradient.
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/random.h"
#include "optim/average.h"
#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include "tests/support/fake_reducer.h"
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using ops::ParameterRole;
using tests::FakeReducer;
using tests::HasCode;
using tests::IsOk;

const char* const kKinds[] = {"lamb", "adamw", "adam", "sgd", "plain sgd"};

at::Tensor Drawn(uint64_t key, std::vector<int64_t> shape, double scale) {
  Random draw(Key({key}), "around_update_test");
  at::Tensor values = torch::empty(shape, at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = draw.Normal() * scale;
  return values.to(at::kFloat);
}

// Above one chunk with a rest, and below.
std::vector<ops::Parameter> Model() {
  return {{"w", ParameterRole::kWeight, Drawn(1, {61, 101}, 1)},
          {"b", ParameterRole::kBias, Drawn(2, {5}, 1)}};
}

OptimSettings Named(const std::string& kind) {
  OptimSettings s;
  s.name = kind == "plain sgd" ? "sgd" : kind;
  if (kind == "plain sgd") s.momentum = 0;
  s.lr = 0.01;
  return s;
}

std::unique_ptr<Optimizer> MakeOk(const OptimSettings& settings, FakeReducer& reducer) {
  auto made = Make(settings, 20, reducer);
  REQUIRE_THAT(made.status(), IsOk());
  return *std::move(made);
}

// Gradients as backward on the scaled loss leaves them.
void StepOf(FakeReducer& reducer, Optimizer& optimizer, int64_t step) {
  for (size_t i = 0; i < 2; ++i) {
    const uint64_t key = Key({static_cast<uint64_t>(step), i});
    reducer.gradient(i).copy_(Drawn(key, reducer.gradient(i).sizes().vec(), 0.1) *
                              optimizer.loss_scale());
  }
  ops::NoFence fence;
  REQUIRE_THAT(optimizer.Step(step, fence), IsOk());
}

void CheckSame(FakeReducer& a, Optimizer& of_a, FakeReducer& b, Optimizer& of_b) {
  for (size_t i = 0; i < 2; ++i) CHECK(a.parameter(i).equal(b.parameter(i)));
  const auto mine = of_a.State(), other = of_b.State();
  REQUIRE(mine.size() == other.size());
  for (size_t i = 0; i < mine.size(); ++i) {
    INFO(mine[i].slot << " of " << mine[i].parameter);
    CHECK(mine[i].slot == other[i].slot);
    CHECK(mine[i].tensor.equal(other[i].tensor));
  }
}

void CopyState(Optimizer& from, Optimizer* to) {
  const auto source = from.State();
  const auto target = to->State();
  REQUIRE(source.size() == target.size());
  for (size_t i = 0; i < source.size(); ++i) target[i].tensor.copy_(source[i].tensor);
  REQUIRE_THAT(to->DecodeSmall(from.EncodeSmall()), IsOk());
}

TEST_CASE("scaled by 1 and by 1024, the same gradients give the same bits") {
  for (const char* kind : kKinds) {
    for (const bool clips_norm : {false, true}) {
      INFO(kind);
      OptimSettings settings = Named(kind);
      settings.eps = 0.01;  // large enough to be seen beside an update that is scaled wrongly
      (clips_norm ? settings.max_grad_norm : settings.max_grad_value) = clips_norm ? 0.7 : 0.05;
      FakeReducer plain(Model()), scaled(Model());
      auto one = MakeOk(settings, plain);
      settings.loss_scaling = "static";
      settings.loss_scale = 1024;
      auto other = MakeOk(settings, scaled);
      CHECK(one->loss_scale() == 1);
      CHECK(other->loss_scale() == 1024);
      for (int64_t step = 0; step < 4; ++step) {
        StepOf(plain, *one, step);
        StepOf(scaled, *other, step);
        CHECK(one->report().grad_norm == other->report().grad_norm);
        CHECK(one->report().clip_divisor == other->report().clip_divisor);
        CHECK((one->report().clip_divisor > 1) == clips_norm);
      }
      CheckSame(plain, *one, scaled, *other);
      CHECK_FALSE(plain.parameter(0).equal(Model()[0].tensor));
    }
  }
}

TEST_CASE("an overflow halves a dynamic scale and changes nothing else, also across a restart") {
  OptimSettings settings = Named("lamb");
  settings.loss_scaling = "dynamic";
  settings.loss_scale_steps = 2;
  FakeReducer overflowing(Model()), clean(Model());
  auto optimizer = MakeOk(settings, overflowing);
  auto reference = MakeOk(Named("lamb"), clean);
  StepOf(overflowing, *optimizer, 0);
  StepOf(clean, *reference, 0);
  overflowing.gradient(0).fill_(std::numeric_limits<float>::infinity());
  ops::NoFence fence;
  REQUIRE_THAT(optimizer->Step(1, fence),
               IsOk());  // on_nonfinite is "stop": an overflow is no error
  CHECK(optimizer->report().skipped);
  CHECK(optimizer->report().loss_scale == 65536);
  CHECK(optimizer->loss_scale() == 32768);
  CheckSame(overflowing, *optimizer, clean, *reference);

  StepOf(overflowing, *optimizer, 2);
  FakeReducer resumed(overflowing.parameters());
  auto again = MakeOk(settings, resumed);
  CopyState(*optimizer, again.get());
  CHECK(again->EncodeSmall() == optimizer->EncodeSmall());
  for (int64_t step = 3; step < 6; ++step) {
    StepOf(overflowing, *optimizer, step);
    StepOf(resumed, *again, step);
    CHECK(again->loss_scale() == optimizer->loss_scale());
  }
  CHECK(optimizer->loss_scale() == 131072);  // updates 2, 3 and 4, 5 doubled it
  CheckSame(overflowing, *optimizer, resumed, *again);

  overflowing.gradient(1).fill_(std::nanf(""));
  for (int64_t i = 0; i < kMaxSkips; ++i) REQUIRE_THAT(optimizer->Step(6, fence), IsOk());
  CHECK_THAT(
      optimizer->Step(6, fence),
      HasCode(Code::kNotFinite, "50 skipped steps in a row and with the loss scale down to"));
}

TEST_CASE("a static scale does not excuse a gradient that is not finite") {
  OptimSettings settings = Named("adam");
  settings.loss_scaling = "static";
  FakeReducer reducer(Model());
  auto optimizer = MakeOk(settings, reducer);
  reducer.gradient(0).fill_(std::nanf(""));
  ops::NoFence fence;
  CHECK_THAT(optimizer->Step(0, fence), HasCode(Code::kNotFinite, "\"w\" is not finite"));
  CHECK(optimizer->loss_scale() == 65536);
}

TEST_CASE("clipped by value, a step is that of the clamped gradient; the norm is not clipped") {
  for (const char* kind : kKinds) {
    INFO(kind);
    FakeReducer clipping(Model()), clamped(Model());
    auto free = MakeOk(Named(kind), clamped);
    OptimSettings settings = Named(kind);
    settings.max_grad_value = 0.125;
    auto clips = MakeOk(settings, clipping);
    for (int64_t step = 0; step < 3; ++step) {
      StepOf(clipping, *clips, step);
      for (size_t i = 0; i < 2; ++i) {
        const at::Tensor given = clipping.gradient(i);
        CHECK((i == 1 || given.abs().max().item<float>() > 0.125));  // and left as it is
        clamped.gradient(i).copy_(given.clamp(-0.125, 0.125));
      }
      ops::NoFence fence;
      REQUIRE_THAT(free->Step(step, fence), IsOk());
      CHECK(clips->report().grad_norm > free->report().grad_norm);
    }
    CheckSame(clipping, *clips, clamped, *free);
  }
}

TEST_CASE("the average follows its recurrence, is state with a name, and can be computed with") {
  for (const char* kind : kKinds) {
    INFO(kind);
    OptimSettings settings = Named(kind);
    settings.lr = 0.1;
    settings.ema_decay = 0.3;
    FakeReducer reducer(Model()), without(Model());
    auto optimizer = MakeOk(settings, reducer);
    settings.ema_decay = 0;
    auto plain = MakeOk(settings, without);
    at::Tensor expected = Model()[0].tensor.clone();
    for (int64_t t = 1; t <= 5; ++t) {
      StepOf(reducer, *optimizer, t);
      StepOf(without, *plain, t);
      const double decay = t == 1 ? 2. / 11 : t == 2 ? 3. / 12 : 0.3;  // t = 3: 4 / 13 > 0.3
      CHECK(RestOfAverage(0.3, t) == 1 - decay);
      expected += static_cast<float>(1 - decay) * (reducer.parameter(0) - expected);
    }
    CHECK(reducer.parameter(0).equal(without.parameter(0)));
    auto state = optimizer->State();
    REQUIRE(state.size() == plain->State().size() + 2);
    const NamedState& average = state[state.size() - 2];
    CHECK(average.slot + "/" + average.parameter == "optim/ema/w");
    CHECK(average.tensor.allclose(expected, 1e-6, 1e-7));
    CHECK_FALSE(average.tensor.equal(reducer.parameter(0)));

    const at::Tensor kept = average.tensor.clone();
    ops::NoFence fence;
    REQUIRE_THAT(optimizer->SwapAverage(fence), IsOk());
    CHECK(reducer.parameter(0).equal(kept));
    CHECK_THAT(optimizer->Step(6, fence), HasCode(Code::kInvalidArgument, "SwapAverage() again"));
    REQUIRE_THAT(optimizer->SwapAverage(fence), IsOk());
    CHECK(reducer.parameter(0).equal(without.parameter(0)));
    CHECK(average.tensor.equal(kept));
    CHECK_THAT(plain->SwapAverage(fence), HasCode(Code::kInvalidArgument, "set optim.ema_decay"));
  }
}

TEST_CASE("on a plateau the rate falls, and a restart in the middle of an epoch goes on alike") {
  OptimSettings settings = Named("adamw");
  settings.schedule = "plateau";
  settings.plateau_patience = 1;
  settings.ema_decay = 0.9;
  FakeReducer straight(Model());
  auto optimizer = MakeOk(settings, straight);
  std::unique_ptr<FakeReducer> resumed;
  std::unique_ptr<Optimizer> again;
  std::vector<double> rates;
  for (int64_t step = 0; step < 9; ++step) {  // epochs of 3 steps; the second is no better
    if (step == 5) {
      resumed = std::make_unique<FakeReducer>(straight.parameters());
      again = MakeOk(settings, *resumed);
      CopyState(*optimizer, again.get());
    }
    const double loss = step < 3 ? 1 : 1 + 0.1 * static_cast<double>(step % 3);
    StepOf(straight, *optimizer, step);
    optimizer->Observe(loss, 4, step % 3 == 2);
    rates.push_back(optimizer->report().lr);
    if (again == nullptr) continue;
    StepOf(*resumed, *again, step);
    again->Observe(loss, 4, step % 3 == 2);
    CHECK(again->report().lr == rates.back());
  }
  CHECK(rates == std::vector<double>{.01, .01, .01, .01, .01, .01, .005, .005, .005});
  CheckSame(straight, *optimizer, *resumed, *again);
  CHECK(again->EncodeSmall() == optimizer->EncodeSmall());
}

// Version 1 ended after the digest of the options.
TEST_CASE("a small record from before there was a loss scale is read") {
  OptimSettings settings = Named("lamb");
  FakeReducer reducer(Model());
  auto optimizer = MakeOk(settings, reducer);
  Encoder old;
  old.U8(1);
  old.String("lamb");
  old.I64(7);
  old.I64(0);
  old.U64(123);
  REQUIRE_THAT(optimizer->DecodeSmall(old.bytes()), IsOk());
  const std::string now = optimizer->EncodeSmall();
  Decoder in(now);
  in.U8();
  in.String();
  CHECK(in.I64() == 7);
  CHECK_THAT(optimizer->DecodeSmall(old.bytes() + "x"), HasCode(Code::kCorruption));
  std::string later = old.bytes();
  later[0] = 3;
  CHECK_THAT(optimizer->DecodeSmall(later), HasCode(Code::kIncompatible, "reads 1 and 2"));
}

}  // namespace
}  // namespace stemma::optim
