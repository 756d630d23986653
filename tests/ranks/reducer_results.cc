#include <algorithm>
#include <utility>

#include "ops/tensor_collectives.h"
#include "tests/ranks/reducer_fixture.h"
#include "tests/ranks/reducer_scenarios.h"

namespace stemma::tests {
namespace {

using ops::Buffer;
using ops::Parameter;
using ops::ParameterRole;
using ops::Reducer;

const ops::OpsSettings kDefaults;

// Rank r's part of the rows 0..7 of a global batch: parts differ in size, none is empty.
at::Tensor MyRows(const comm::World& world, const at::Tensor& rows) {
  const int64_t n = rows.size(0), ranks = world.ranks(), r = world.rank();
  const int64_t begin = r == 0 ? 0 : r + 1, end = r + 1 == ranks ? n : r + 2;
  return rows.slice(0, begin, end);
}

}  // namespace

// Small integers and a divisor that is a power of two: sums are exact in any order.
Status MeanIsExact(comm::World& world) {
  at::Tensor w = at::ones({3, 5}).requires_grad_(true), b = at::ones({5}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(TinyBuckets(), world,
                                                        {{"w", ParameterRole::kWeight, w},
                                                         {"b", ParameterRole::kBias, b}}));
  const at::Tensor x = at::arange(24, at::kFloat).reshape({8, 3});  // the global batch
  for (int step = 0; step < 3; ++step) {
    const at::Tensor mine = MyRows(world, x) + step;
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, (at::matmul(mine, w) + b).sum()));
    const at::Tensor mean = (x + step).mean(0);
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), mean.unsqueeze(1).expand({3, 5}), "w.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(b.grad(), at::ones({5}), "b.grad"));
    STEMMA_RETURN_IF_ERROR(Expect(w.grad().is_alias_of(reducer->spaces()[0].gradients) &&
                                      w.is_alias_of(reducer->spaces()[0].parameters),
                                  "w and w.grad lie in flat memory"));
  }
  const ops::ReducerStats& stats = reducer->stats();
  STEMMA_RETURN_IF_ERROR(Expect(stats.copied_bytes == 0, "no copies"));
  STEMMA_RETURN_IF_ERROR(Expect(stats.buckets_launched == 6, "2 buckets in each of 3 steps"));
  return Expect(stats.launched_before_finish == 4, "overlap with backward after the first step");
}

Status EqualsOneBigBatch(comm::World& world) {
  const Net alone(10);
  const Net net(10);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(TinyBuckets(), world, net.Parameters()));
  for (uint64_t step = 0; step < 10; ++step) {
    const at::Tensor x = Drawn(100 + step, {8, 4});
    for (Parameter& p : alone.Parameters()) p.tensor.mutable_grad().reset();
    (alone.Loss(x) / 8).backward();
    SgdStep(alone.Parameters(), 0.1);
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 8, net.Loss(MyRows(world, x))));
    SgdStep(reducer->parameters(), 0.1);
  }
  for (size_t i = 0; i < 4; ++i) {
    const at::Tensor ours = net.Parameters()[i].tensor, theirs = alone.Parameters()[i].tensor;
    // f64: 10 steps of sums of 8 terms in another order.
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(ours, theirs, 1e-12, 1e-12),
                                  net.Parameters()[i].name + " as in one big batch"));
  }
  return {};
}

// Odd ranks use the layers in the opposite order, and the last rank does not use one of them: were
// buckets launched as they become full, ranks would add different things.
Status OrderOfBackwardDoesNotMatter(comm::World& world) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 4; ++i) {
    const at::Tensor w = at::ones({10 + i}).requires_grad_(true);
    parameters.push_back({"p" + std::to_string(i), ParameterRole::kWeight, w});
  }
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(TinyBuckets(), world, parameters));
  for (int step = 0; step < 5; ++step) {
    std::vector<Parameter> order = parameters;
    if (world.rank() % 2 == 1) std::reverse(order.begin(), order.end());
    at::Tensor loss = at::zeros({});
    const int ranks = world.ranks();
    const std::string left_out = "p1";
    for (const Parameter& p : order) {
      if (p.name == left_out && world.rank() == ranks - 1) continue;
      loss = loss * 1 + p.tensor.sum() * (world.rank() + 1);
    }
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss));
    for (const Parameter& p : parameters) {
      const int users = p.name == left_out ? ranks - 1 : ranks;
      const at::Tensor sum = at::full_like(p.tensor, users * (users + 1) / 2);
      STEMMA_RETURN_IF_ERROR(ExpectEqual(p.tensor.grad(), sum, p.name + ".grad"));
    }
    STEMMA_ASSIGN_OR_RETURN(const auto digests,
                            world.cohort().AllGather(std::to_string(reducer->launched_digest())));
    for (const std::string& digest : digests) {
      STEMMA_RETURN_IF_ERROR(Expect(digest == digests[0], "one launch order on all ranks"));
    }
  }
  return {};
}

Status UnusedParameterIsZero(comm::World& world) {
  at::Tensor used = at::ones({6}).requires_grad_(true);
  at::Tensor on_rank_0 = at::ones({6}).requires_grad_(true);
  at::Tensor never = at::ones({6}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(TinyBuckets(), world,
                      {{"used", {}, used}, {"on_rank_0", {}, on_rank_0}, {"never", {}, never}}));
  for (int step = 0; step < 2; ++step) {
    const at::Tensor loss = world.rank() == 0 ? (used + on_rank_0).sum() : used.sum();
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, loss));
    const at::Tensor one = at::ones({6});
    STEMMA_RETURN_IF_ERROR(ExpectEqual(used.grad(), one * world.ranks(), "used.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(on_rank_0.grad(), one, "on_rank_0.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(never.grad(), one * 0, "never.grad"));
  }
  return OneStep(*reducer, 1, {});  // a step in which no rank has data
}

Status MicroBatchesAddUp(comm::World& world) {
  at::Tensor w = at::ones({3}).requires_grad_(true), last = at::ones({3}).requires_grad_(true);
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer, Reducer::Create(TinyBuckets(), world, {{"w", {}, w}, {"last", {}, last}}));
  for (int count : {3, 1, 2}) {
    ops::StepShape shape;
    shape.micro_batches = count;
    STEMMA_RETURN_IF_ERROR(reducer->BeginStep(shape));
    const uint64_t before = reducer->stats().buckets_launched;
    for (int i = 0; i < count; ++i) {
      STEMMA_RETURN_IF_ERROR(Expect(reducer->stats().buckets_launched == before,
                                    "nothing is launched before the last micro-batch"));
      const at::Tensor loss = w.sum() * (i + 1);
      (i + 1 == count ? loss + last.sum() : loss).backward();  // `last` is used once only
    }
    STEMMA_RETURN_IF_ERROR(reducer->Finish());
    STEMMA_RETURN_IF_ERROR(reducer->Wait());
    const at::Tensor each = at::ones({3}) * world.ranks();
    STEMMA_RETURN_IF_ERROR(ExpectEqual(w.grad(), each * (count * (count + 1) / 2), "w.grad"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(last.grad(), each, "last.grad"));
  }
  return {};
}

Status AveragedBuffersAreTheMean(comm::World& world) {
  const at::Tensor w = at::ones({2}).requires_grad_(true), b = at::zeros({2}).requires_grad_(true);
  at::Tensor mean = at::zeros({2}), variance = at::ones({2}), count = at::zeros({}, at::kLong);
  STEMMA_ASSIGN_OR_RETURN(auto reducer,
                          Reducer::Create(kDefaults, world, {{"w", {}, w}, {"b", {}, b}},
                                          {{"running_mean", mean, true},
                                           {"running_var", variance, true},
                                           {"num_batches_tracked", count, true}}));
  const int ranks = world.ranks();
  for (int step = 1; step <= 2; ++step) {
    count.add_(1);
    // Rank r's batch has mean 4 (r + 1) in each channel; momentum 1/2.
    const at::Tensor x = at::tensor({0., 1., 2.}).to(at::kFloat).reshape({3, 1}).expand({3, 2}) +
                         (4 * (world.rank() + 1) - 1);
    const at::Tensor y = at::batch_norm(x, w, b, mean, variance, true, 0.5, 1e-5, false);
    STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, y.sum()));
    const double average = 4.0 * (ranks + 1) / 2;  // over ranks, exact: 4, 6, 8
    const double expected = step == 1 ? average / 2 : average / 4 + average / 2;
    STEMMA_RETURN_IF_ERROR(Expect(at::allclose(mean, at::full({2}, expected), 1e-6),
                                  "running_mean is the mean over ranks"));
  }
  STEMMA_RETURN_IF_ERROR(ExpectEqual(count, at::full({}, 2, at::kLong), "the counter"));
  STEMMA_ASSIGN_OR_RETURN(const auto digests,
                          world.cohort().AllGather(std::to_string(reducer->DigestParameters())));
  for (const std::string& digest : digests) {
    STEMMA_RETURN_IF_ERROR(Expect(digest == digests[0], "equal buffers on all ranks"));
  }
  return Expect(reducer->stats().buckets_launched == 2, "buffers are no bucket");
}

Status EverythingStartsAsOnRankZero(comm::World& world) {
  const double mine = world.rank() + 5;
  const at::Tensor w = at::full({3, 2}, mine).requires_grad_(true);
  const at::Tensor frozen = at::full({7}, mine, at::kDouble), empty = at::empty({0});
  const at::Tensor average = at::full({2}, mine), count = at::full({}, world.rank(), at::kLong);
  const at::Tensor mask = at::full({3}, world.rank() == 0, at::kBool);
  STEMMA_ASSIGN_OR_RETURN(
      auto reducer,
      Reducer::Create(kDefaults, world,
                      {{"w", {}, w}, {"frozen", {}, frozen}, {"empty", {}, empty}},
                      {{"average", average, true}, {"count", count}, {"mask", mask}}));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.detach(), at::full({3, 2}, 5.), "w"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(frozen, at::full({7}, 5., at::kDouble), "frozen"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(average, at::full({2}, 5.), "average"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(count, at::zeros({}, at::kLong), "count"));
  return ExpectEqual(mask, at::ones({3}, at::kBool), "mask");
}

Status ReplicasStayEqual(comm::World& world) {
  const Net net(static_cast<uint64_t>(50 + 10 * world.rank()), at::kFloat, 300);  // all different
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, net.Parameters()));
  uint64_t before = reducer->DigestParameters();
  for (uint64_t step = 0; step < 5; ++step) {
    const uint64_t key = 1000 * step + static_cast<uint64_t>(world.rank());
    STEMMA_RETURN_IF_ERROR(
        OneStep(*reducer, 3.0 * world.ranks(), net.Loss(Drawn(key, {3, 4}, at::kFloat))));
    SgdStep(reducer->parameters(), 0.01);
    const uint64_t now = reducer->DigestParameters();
    STEMMA_RETURN_IF_ERROR(Expect(now != std::exchange(before, now), "a step changes something"));
    STEMMA_ASSIGN_OR_RETURN(const auto all, world.cohort().AllGather(std::to_string(now)));
    for (const std::string& digest : all) {
      STEMMA_RETURN_IF_ERROR(Expect(digest == all[0], "the same bits on all ranks"));
    }
  }
  return {};
}

Status TiedWeightsAreOneParameter(comm::World& world) {
  const at::Tensor w = at::full({4}, 3.).requires_grad_(true);
  const std::vector<Parameter> twice = {{"encoder", {}, w}, {"decoder", {}, w}};
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, twice));
  STEMMA_RETURN_IF_ERROR(Expect(reducer->parameters().size() == 1, "one parameter"));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 1, (w * w).sum()));
  return ExpectEqual(w.grad(), at::full({4}, 6. * world.ranks()), "w.grad");
}

Status AllFloatTypesAreReduced(comm::World& world) {
  std::vector<Parameter> parameters;
  for (at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const at::Tensor w = at::ones({9}, type).requires_grad_(true);
    parameters.push_back({c10::toString(type), ParameterRole::kWeight, w});
  }
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, parameters));
  STEMMA_RETURN_IF_ERROR(Expect(reducer->spaces().size() == 4, "one space per dtype"));
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (const Parameter& p : parameters) {
    loss = loss + p.tensor.to(at::kDouble).sum() * (world.rank() + 1);
  }
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, 2, loss));
  const double expected = world.ranks() * (world.ranks() + 1) / 4.0;
  for (const Parameter& p : parameters) {
    STEMMA_RETURN_IF_ERROR(
        ExpectEqual(p.tensor.grad(), at::full_like(p.tensor, expected), p.name + " gradient"));
  }
  return {};
}

Status ChannelsLastStaysChannelsLast(comm::World& world) {
  const at::Tensor values = Drawn(3, {2, 3, 4, 5}, at::kFloat);
  const at::Tensor w = values.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
  const auto strides = w.strides().vec();
  STEMMA_ASSIGN_OR_RETURN(auto reducer, Reducer::Create(kDefaults, world, {{"w", {}, w}}));
  STEMMA_RETURN_IF_ERROR(OneStep(*reducer, world.ranks(), (w * values).sum()));
  STEMMA_RETURN_IF_ERROR(Expect(w.strides() == strides && w.grad().strides() == strides,
                                "the strides of the parameter"));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(w.detach(), values, "w"));
  return Expect(at::allclose(w.grad(), values, 1e-6), "w.grad");
}

Status TensorCollectives(comm::World& world) {
  const int ranks = world.ranks();
  const at::Tensor t = at::full({2, 3}, world.rank() + 1.);
  STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, t));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(t, at::full({2, 3}, ranks * (ranks + 1) / 2.), "the sum"));
  const at::Tensor index = at::full({}, world.rank(), at::kLong);
  STEMMA_RETURN_IF_ERROR(ops::AllReduce(world, index, comm::Op::kMax));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(index, at::full({}, ranks - 1, at::kLong), "the largest"));
  const at::Tensor mine = at::full({4}, world.rank(), at::kBool);
  STEMMA_RETURN_IF_ERROR(ops::Broadcast(world, mine, 0));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(mine, at::zeros({4}, at::kBool), "rank 0's tensor"));
  const Status gaps = ops::AllReduce(world, at::ones({4, 4}).slice(1, 0, 2));
  return ExpectError(gaps, Code::kInvalidArgument, "does not fill one piece of memory");
}

}  // namespace stemma::tests
