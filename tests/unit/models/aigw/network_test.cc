#include "models/aigw/network.h"
#include "models/aigw/norm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

int64_t Count(const std::vector<ops::Parameter>& parameters) {
  int64_t count = 0;
  for (const ops::Parameter& p : parameters) count += p.tensor.numel();
  return count;
}

int64_t Count(const std::vector<ops::Buffer>& buffers) {
  int64_t count = 0;
  for (const ops::Buffer& b : buffers) count += b.tensor.numel();
  return count;
}

at::Tensor Find(const AigwNetwork& network, const std::string& name) {
  for (const ops::Parameter& p : network.parameters()) {
    if (p.name == name) return p.tensor;
  }
  for (const ops::Buffer& b : network.buffers()) {
    if (b.name == name) return b.tensor;
  }
  FAIL("no tensor is called " << name);
  return {};
}

TEST_CASE("aigw network: it is the published one to the last parameter") {
  const AigwNetwork network({10000}, 1);
  CHECK(Count(network.parameters()) == 10295576);
  CHECK(network.parameters().size() == 272);
  CHECK(Count(network.parameters()) + Count(network.buffers()) == 10298906);
  int64_t small = 0;
  std::set<std::string> names;
  for (const ops::Parameter& p : network.parameters()) {
    small += p.tensor.numel() < 5000;
    names.insert(p.name);
    CHECK(p.tensor.requires_grad());
    CHECK(p.tensor.is_leaf());
  }
  CHECK(small == 270);
  for (const ops::Buffer& b : network.buffers()) {
    names.insert(b.name);
    CHECK(b.averaged);
  }
  CHECK(names.size() == 272 + 132);
}

TEST_CASE("aigw network: the variants have the counts that were derived for them") {
  CHECK(Count(AigwNetwork({5000}, 1).parameters()) == 5175576);
  CHECK(Count(AigwNetwork({500}, 1).parameters()) == 567576);
}

TEST_CASE("aigw network: roles follow what a tensor is for, not its shape") {
  const AigwNetwork network({10}, 1);
  int64_t roles[5] = {};
  for (const ops::Parameter& p : network.parameters()) ++roles[static_cast<int>(p.role)];
  CHECK(roles[static_cast<int>(ops::ParameterRole::kWeight)] == 70);
  CHECK(roles[static_cast<int>(ops::ParameterRole::kBias)] == 70);
  CHECK(roles[static_cast<int>(ops::ParameterRole::kNormScale)] == 66);
  CHECK(roles[static_cast<int>(ops::ParameterRole::kNormShift)] == 66);
  CHECK(Find(network, "block0.pre.weight").sizes() == at::IntArrayRef({16, 1, 1}));
  CHECK(Find(network, "block3.gate.weight").sizes() == at::IntArrayRef({32, 16, 2}));
  CHECK(Find(network, "block15.post_bn.running_var").sizes() == at::IntArrayRef({16}));
  CHECK(Find(network, "ap.fc2.bias").sizes() == at::IntArrayRef({4}));
}

// Keras: Glorot uniform with fans that count taps; biases 0; norms 1 and 0.
TEST_CASE("aigw network: initial values are Keras's, and depend on seed and name alone") {
  const AigwNetwork network({500}, 1), same({500}, 1), other({500}, 2), longer({600}, 1);
  const auto limit = [&](const std::string& name, double fan_in, double fan_out) {
    const double expected = std::sqrt(6 / (fan_in + fan_out));
    const at::Tensor w = Find(network, name);
    INFO(name);
    CHECK(w.abs().max().item<double>() <= expected);
    CHECK(w.abs().max().item<double>() > .95 * expected);
    CHECK(std::abs(w.mean().item<double>()) < 4 * expected / std::sqrt(3. * w.numel()));
  };
  limit("block1.filter.weight", 32, 64);
  limit("q.fc1.weight", 500, 512);
  limit("head.conv1.weight", 16, 128);
  CHECK(Find(network, "q.fc1.bias").abs().max().item<double>() == 0);
  CHECK(Find(network, "block2.gate_bn.weight").min().item<double>() == 1);
  for (size_t i = 0; i < network.parameters().size(); ++i) {
    REQUIRE(at::equal(network.parameters()[i].tensor, same.parameters()[i].tensor));
  }
  CHECK(!at::equal(Find(network, "q.fc1.weight"), Find(other, "q.fc1.weight")));
  CHECK(!at::equal(Find(network, "block1.gate.weight"), Find(network, "block1.filter.weight")));
  CHECK(at::equal(Find(network, "block1.gate.weight"), Find(longer, "block1.gate.weight")));
}

// An impulse at s reaches the outputs s + floor(d/2) (through tap 0) and s - ceil(d/2) (through
// tap 1): TensorFlow's "same", not causal and not LibTorch's default.
TEST_CASE("aigw network: a dilated convolution sees floor(d/2) to the left and the rest right") {
  const at::Tensor weight = at::tensor({2., 3.}, at::kFloat).reshape({1, 1, 2});
  const at::Tensor bias = at::zeros({1}, at::kFloat);
  for (int64_t d = 1; d <= 128; ++d) {
    constexpr int64_t kLength = 300, kImpulse = 150;
    at::Tensor x = at::zeros({1, 1, kLength}, at::kFloat);
    x[0][0][kImpulse] = 1;
    const at::Tensor y = DilatedSame(x, weight, bias, d);
    at::Tensor expected = at::zeros_like(x);
    expected[0][0][kImpulse + d / 2] = 2;
    expected[0][0][kImpulse - (d - d / 2)] = 3;
    INFO("dilation " << d);
    REQUIRE(at::equal(y, expected));
  }
}

TEST_CASE("aigw network: the receptive field ends 254 samples to the left") {
  AigwNetwork network({1}, 1);
  network.SetTraining(false);
  constexpr int64_t kLength = 600;
  // The head sees only the last sample, so what would lie to its right is padding: the left reach
  // shows, as the input positions with a gradient.
  at::Tensor x = at::randn({1, 1, kLength}, at::kFloat).set_requires_grad(true);
  network.Forward(x).ap.sum().backward();
  const auto reaches = [&](int64_t back) {
    return x.grad()[0][0][kLength - 1 - back].item<double>() != 0;
  };
  CHECK(reaches(0));
  CHECK(reaches(254));
  CHECK(!reaches(255));
}

TEST_CASE("aigw network: batch norm keeps 0.99 of its statistics and adds 1e-3 to the variance") {
  AigwNetwork network({4}, 1);
  const at::Tensor x = at::randn({2, 1, 64}, at::kFloat);
  const at::Tensor pre = at::conv1d(x, Find(network, "block0.pre.weight"));
  network.Forward(x);
  const std::vector<int64_t> batch_and_time = {0, 2};
  const at::Tensor mean = pre.mean(batch_and_time), variance = pre.var(batch_and_time, true);
  CHECK(at::allclose(Find(network, "block0.pre_bn.running_mean"), .01 * mean, 1e-4, 1e-7));
  CHECK(at::allclose(Find(network, "block0.pre_bn.running_var"), .99 + .01 * variance, 1e-5, 0));
}

// gamma / sqrt(variance + epsilon) is the same for (1, 0) and (2, 3e-3) only if epsilon is 1e-3.
TEST_CASE("aigw network: batch norm's epsilon is Keras's 1e-3") {
  AigwNetwork network({4}, 1);
  network.SetTraining(false);
  const at::Tensor x = at::randn({2, 1, 64}, at::kFloat);
  const auto with = [&](double gamma, double variance) {
    Find(network, "head.bn2.weight").data().fill_(gamma);
    Find(network, "head.bn2.running_var").fill_(variance);
    return network.Forward(x).q.detach();
  };
  CHECK(at::allclose(with(1, 0), with(2, 3e-3), 1e-5, 1e-6));
  CHECK(!at::allclose(with(1, 0), with(2, 4e-3), 1e-3, 1e-6));
}

struct Normed {
  at::Tensor y, mean, variance, dx, dweight, dbias;
};

Normed NormedIn(at::ScalarType type, Activation activation, int64_t n) {
  const auto keyed = [type](at::IntArrayRef shape, uint64_t seed, double mean = 0) {
    at::manual_seed(seed);
    return (at::randn(shape, at::kFloat) + mean).to(type);  // the same numbers in both types
  };
  const at::Tensor x = keyed({1, 5, n}, 1, 3).set_requires_grad(true);
  const at::Tensor weight = keyed({5}, 2, .5).set_requires_grad(true);
  const at::Tensor bias = keyed({5}, 3).set_requires_grad(true);
  const at::Tensor mean = keyed({5}, 4), variance = keyed({5}, 5).square();
  const at::Tensor y = NormThen(activation, x, {weight, bias, mean, variance}, true);
  (y * keyed({1, 5, n}, 6)).sum().backward();
  return {y.detach(), mean, variance, x.grad(), weight.grad(), bias.grad()};
}

// In float64 it is LibTorch's batch norm and activation.
TEST_CASE("aigw norm: one pass through norm and activation gives what LibTorch gives in two") {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kTanh, Activation::kLogistic}) {
    for (const int64_t n : {2, 16, 50, 1111}) {
      const Normed one = NormedIn(at::kFloat, activation, n);
      const Normed two = NormedIn(at::kDouble, activation, n);
      INFO("activation " << static_cast<int>(activation) << ", " << n << " values");
      const auto near = [n](const at::Tensor& a, const at::Tensor& b) {
        const double most = (a.to(at::kDouble) - b).abs().max().item<double>();
        return most <= 2e-6 * (n == 2 ? 50 : 1) * std::max(1., b.abs().max().item<double>());
      };
      CHECK(near(one.y, two.y));
      CHECK(near(one.mean, two.mean));
      CHECK(near(one.variance, two.variance));
      CHECK(near(one.dx, two.dx));
      CHECK(near(one.dweight, two.dweight));
      CHECK(near(one.dbias, two.dbias));
    }
  }
}

TEST_CASE("aigw norm: what is no number stays none") {
  at::Tensor x = at::randn({1, 2, 40}, at::kFloat);
  x[0][1][7] = std::nan("");
  for (const Activation activation : {Activation::kRelu, Activation::kTanh}) {
    const at::Tensor ones = at::ones({2}, at::kFloat);
    const at::Tensor y =
        NormThen(activation, x, {ones, ones, ones.clone(), ones.clone()}, true).isnan();
    CHECK(!y[0][0].any().item<bool>());
    CHECK(y[0][1].all().item<bool>());
  }
}

// With 1 before the drop-out and the first channel alone behind it, the last batch norm sees 0 or
// c. Its statistics give the share of what was kept and c: mean = c k, variance = c^2 k (1 - k).
TEST_CASE("aigw network: training drops a fifth and scales the rest by 1.25") {
  AigwNetwork network({64}, 1);
  Find(network, "head.bn1.weight").data().fill_(0);
  Find(network, "head.bn1.bias").data().fill_(1);
  Find(network, "head.conv2.weight").data().fill_(0);
  Find(network, "head.conv2.weight").data()[0][0][0] = 1;
  Find(network, "head.conv2.bias").data().fill_(0);
  at::manual_seed(1);
  network.Forward(at::randn({2, 1, 4096}, at::kFloat));
  const double mean = Find(network, "head.bn2.running_mean").item<double>() / .01;
  const double variance = (Find(network, "head.bn2.running_var").item<double>() - .99) / .01;
  const double kept = mean * mean / (mean * mean + variance);
  CHECK(kept == Approx(.8).margin(.02));  // 4.5 standard deviations of 8192 draws
  CHECK(mean / kept == Approx(1.25).epsilon(1e-3));
}

TEST_CASE("aigw network: without dropout training is repeatable, but for running statistics") {
  AigwNetwork network({64, 0}, 1);
  const at::Tensor x = at::randn({2, 1, 128}, at::kFloat);
  const at::Tensor first = network.Forward(x).q;
  CHECK(at::equal(network.Forward(x).q, first));
}

TEST_CASE("aigw network: evaluation is repeatable, training is not") {
  AigwNetwork network({64}, 1);
  const at::Tensor x = at::randn({2, 1, 128}, at::kFloat);
  at::manual_seed(1);
  const at::Tensor first = network.Forward(x).q;
  CHECK(!at::equal(network.Forward(x).q, first));
  network.SetTraining(false);
  CHECK(at::equal(network.Forward(x).q, network.Forward(x).q));
}

TEST_CASE("aigw loss: a sum over samples, so that ranks add up to one big batch") {
  const at::Tensor q = at::tensor({3., 5.}, at::kFloat).reshape({2, 1});
  const at::Tensor ap = at::tensor({1., 0., 0., 0., 0., 2., 0., 0.}, at::kFloat).reshape({2, 4});
  const at::Tensor y =
      at::tensor({1., 0., 0., 0., 0., 2., 0., 0., 0., 0.}, at::kFloat).reshape({2, 5});
  const AigwLoss loss = SumOfLosses({q, ap}, y);
  CHECK(loss.q.item<double>() == 4 + 9);
  CHECK(loss.ap.item<double>() == 1. / 4 + 4. / 4);
  CHECK(loss.total.item<double>() == 13 + 1.25);
}

TEST_CASE("aigw network: every parameter gets a gradient") {
  AigwNetwork network({32}, 1);
  const at::Tensor x = at::randn({3, 1, 300}, at::kFloat), y = at::randn({3, 5}, at::kFloat);
  SumOfLosses(network.Forward(x), y).total.backward();
  for (const ops::Parameter& p : network.parameters()) {
    INFO(p.name);
    REQUIRE(p.tensor.grad().defined());
    CHECK(p.tensor.grad().isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace stemma::models
