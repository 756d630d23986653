// The networks, by what can be counted or worked out by hand.
#include "models/aides/network.h"
#include "models/bench_nets/bench_model.h"
#include "models/bench_nets/networks.h"
#include "models/resnet50/network.h"
#include "models/vgg16/network.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

template <typename Tensors>
int64_t Count(const Tensors& tensors, bool averaged_only = false) {
  int64_t count = 0;
  for (const auto& t : tensors) {
    if constexpr (std::is_same_v<std::decay_t<decltype(t)>, ops::Buffer>) {
      if (averaged_only && !t.averaged) continue;
    }
    count += t.tensor.numel();
  }
  return count;
}

at::Tensor Find(const std::vector<ops::Parameter>& parameters, const std::string& name) {
  for (const ops::Parameter& p : parameters) {
    if (p.name == name) return p.tensor;
  }
  FAIL("no tensor is called " << name);
  return {};
}

bool IsLastNorm(const std::string& name) { return name.find(".bn3.weight") != std::string::npos; }

TEST_CASE("resnet50: counts of the published network") {
  const ResNet50 network({}, 1);
  CHECK(Count(network.parameters()) == 25557032);
  CHECK(network.parameters().size() == 161);
  CHECK(Count(network.buffers(), true) == 53120);
  int64_t norms = 0, weights = 0;
  for (const ops::Parameter& p : network.parameters()) {
    using Role = ops::ParameterRole;
    norms += p.role == Role::kNormScale || p.role == Role::kNormShift;
    weights += p.role == Role::kWeight;
  }
  CHECK(norms == 106);
  CHECK(weights == 54);
  for (const ops::Buffer& b : network.buffers()) {
    CHECK(b.averaged == (b.name.find("num_batches_tracked") == std::string::npos));
  }
}

TEST_CASE("resnet50: weights start with the variance of their rule") {
  const ResNet50 network({}, 1);
  const at::Tensor conv = Find(network.parameters(), "layer3.1.conv2.weight");  // 589,824 values
  CHECK(conv.std().item<double>() == Approx(std::sqrt(2.0 / (256 * 9))).epsilon(0.01));
  CHECK(std::abs(conv.mean().item<double>()) < 4 * std::sqrt(2.0 / (256 * 9) / 589824));
  const at::Tensor fc = Find(network.parameters(), "fc.weight");
  CHECK(fc.abs().max().item<double>() == Approx(1 / std::sqrt(2048.0)).epsilon(1e-4));
  CHECK(fc.abs().max().item<double>() <= 1 / std::sqrt(2048.0));
}

// With zero_gamma the branch of every block is zero, so a block is relu of its shortcut. If the
// shortcuts are made to copy their first channels, the whole network is a pool of the stem.
TEST_CASE("resnet50: with zero gamma the network is its stem and shortcuts") {
  const at::NoGradGuard no_grad;
  ResNet50 network({10, true, false}, 1);
  network.SetTraining(false);
  for (const ops::Parameter& p : network.parameters()) {
    if (IsLastNorm(p.name)) CHECK(p.tensor.abs().sum().item<double>() == 0);
    const bool shortcut = p.name.find("downsample.0") != std::string::npos;
    if (!shortcut && p.name != "conv1.weight" && p.name != "fc.weight" && p.name != "fc.bias") {
      continue;
    }
    at::Tensor tensor = p.tensor;
    tensor.zero_();
    if (p.name == "conv1.weight")
      tensor.select(0, 0).select(0, 1).select(0, 3).select(0, 3).fill_(1);
    if (shortcut) tensor.select(0, 5).select(0, p.name[5] == '1' ? 0 : 5).fill_(1);
    if (p.name == "fc.weight") tensor.select(0, 7).select(0, 5).fill_(1);
    if (p.name == "fc.bias") tensor.fill_(0.25);
  }
  // conv1 picks the green channel at even pixels; the stem's norm has statistics 0 and 1.
  const at::Tensor images = at::rand({2, 3, 64, 64});
  const at::Tensor green = images.select(1, 1).unsqueeze(1);
  const double one = 1 / std::sqrt(1 + 1e-5);
  at::Tensor x = green.slice(2, 0, 64, 2).slice(3, 0, 64, 2) * one;
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t stride = stage == 0 ? 1 : 2;
    x = x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride) * one;
  }
  const at::Tensor expected = x.mean(at::IntArrayRef{1, 2, 3}) + 0.25;
  const at::Tensor logits = network.Forward(images);
  REQUIRE(logits.sizes().vec() == std::vector<int64_t>{2, 10});
  CHECK(at::allclose(logits.select(1, 7), expected, 1e-5, 1e-6));
  CHECK(logits.select(1, 6).eq(0.25).all().item<bool>());
}

TEST_CASE("resnet50: channels last is the same function, and trains") {
  ResNet50 plain({10, false, false}, 3), last({10, false, true}, 3);
  const at::Tensor images = at::rand({2, 3, 32, 32});
  plain.SetTraining(false);  // statistics of so small a batch would blow up any difference
  last.SetTraining(false);
  CHECK(at::allclose(plain.Forward(images), last.Forward(images), 1e-3, 1e-3));
  last.SetTraining(true);
  const at::Tensor loss = SumOfCrossEntropy(last.Forward(images), at::arange(2));
  const at::Tensor conv = Find(last.parameters(), "layer1.0.conv2.weight");
  CHECK(conv.is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK_FALSE(conv.is_contiguous());
  loss.backward();
  for (const ops::Parameter& p : last.parameters()) CHECK(p.tensor.grad().defined());
  CHECK(last.buffers()[2].tensor.item<int64_t>() == 1);  // bn1.num_batches_tracked
}

TEST_CASE("vgg16: torchvision's tensors, counts and first weights") {
  const Vgg16 network({}, 1);
  CHECK(Count(network.parameters()) == 138357544);
  CHECK(network.buffers().empty());
  std::vector<std::string> names;
  for (const int place : {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}) {
    names.push_back("features." + std::to_string(place));
  }
  for (const int place : {0, 3, 6}) names.push_back("classifier." + std::to_string(place));
  REQUIRE(network.parameters().size() == 2 * names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    CHECK(network.parameters()[2 * i].name == names[i] + ".weight");
    CHECK(network.parameters()[2 * i + 1].name == names[i] + ".bias");
    CHECK(network.parameters()[2 * i].role == ops::ParameterRole::kWeight);
    CHECK(network.parameters()[2 * i + 1].role == ops::ParameterRole::kBias);
    CHECK(network.parameters()[2 * i + 1].tensor.abs().sum().item<double>() == 0);
  }
  const auto shape = [&](const std::string& name) {
    return Find(network.parameters(), name).sizes().vec();
  };
  CHECK(shape("features.0.weight") == std::vector<int64_t>{64, 3, 3, 3});
  CHECK(shape("features.28.weight") == std::vector<int64_t>{512, 512, 3, 3});
  CHECK(shape("classifier.0.weight") == std::vector<int64_t>{4096, 512 * 7 * 7});
  CHECK(shape("classifier.6.weight") == std::vector<int64_t>{1000, 4096});
  const at::Tensor conv = Find(network.parameters(), "features.12.weight");  // 589,824 values
  CHECK(conv.std().item<double>() == Approx(std::sqrt(2.0 / (256 * 9))).epsilon(0.01));
  const at::Tensor dense = Find(network.parameters(), "classifier.3.weight");
  CHECK(dense.std().item<double>() == Approx(0.01).epsilon(0.01));
}

// The first layer copies green, the others their first channel, so the features are green's pools,
// and the head adds up what it sees of them.
TEST_CASE("vgg16: five pools, features of 7 x 7 whatever the size, dropout only in training") {
  Vgg16 network({10, 0.5}, 1);
  {
    const at::NoGradGuard no_grad;
    for (const ops::Parameter& p : network.parameters()) {
      at::Tensor tensor = p.tensor;
      tensor.zero_();
      if (p.name == "features.0.weight") {
        tensor.select(0, 0).select(0, 1).select(0, 1).select(0, 1).fill_(1);
      } else if (tensor.dim() == 4) {
        tensor.select(0, 0).select(0, 0).select(0, 1).select(0, 1).fill_(1);
      }
      // Hidden unit i sees place i of the first channel, for all 49 places.
      if (p.name == "classifier.0.weight") tensor.narrow(1, 0, 49).fill_diagonal_(1);
      if (p.name == "classifier.3.weight") tensor.fill_diagonal_(1);
      if (p.name == "classifier.6.weight") tensor.select(0, 7).fill_(1);
      if (p.name == "classifier.6.bias") tensor.fill_(0.25);
    }
  }
  network.SetTraining(false);
  const at::Tensor images = at::rand({2, 3, 64, 64});
  const at::Tensor pooled = at::max_pool2d(images.select(1, 1).unsqueeze(1), {32, 32}, {32, 32});
  const at::Tensor expected =
      at::adaptive_avg_pool2d(pooled, {7, 7}).sum(at::IntArrayRef{1, 2, 3}) + 0.25;
  const at::Tensor logits = network.Forward(images);
  REQUIRE(logits.sizes().vec() == std::vector<int64_t>{2, 10});
  CHECK(at::allclose(logits.select(1, 7), expected, 1e-5, 1e-5));
  CHECK(logits.select(1, 6).eq(0.25).all().item<bool>());

  network.SetTraining(true);
  at::manual_seed(5);
  const at::Tensor first = network.Forward(images);
  CHECK_FALSE(first.equal(logits));
  CHECK_FALSE(network.Forward(images).equal(first));  // the stream went on
  at::manual_seed(5);
  const at::Tensor again = network.Forward(images);
  CHECK(again.equal(first));
  again.sum().backward();
  for (const ops::Parameter& p : network.parameters()) CHECK(p.tensor.grad().defined());
}

TEST_CASE("aides: counts of the published network") {
  const AidesNetwork network(1);
  CHECK(Count(network.parameters()) == 23956778);
  CHECK(Count(network.buffers()) == 54528);
  int64_t base = 0;
  for (const ops::Parameter& p : network.parameters()) {
    if (p.name.find("head.") != 0) base += p.tensor.numel();
  }
  CHECK(base == 20806952);
}

TEST_CASE("aides: the pool pads as TensorFlow's same does") {
  // Even sizes: windows begin at 0, 2, ...; padding would have moved them to -1, 1, ...
  const at::Tensor even = at::arange(16, at::kFloat).view({1, 1, 4, 4});
  CHECK(PoolSame(even).equal(at::tensor({10.f, 11.f, 14.f, 15.f}).view({1, 1, 2, 2})));
  // Odd sizes: one row and column on every side. Negative values: the padding never wins.
  const at::Tensor odd = at::arange(25, at::kFloat).view({1, 1, 5, 5}) - 100;
  const at::Tensor expected = at::tensor({6.f, 8.f, 9.f, 16.f, 18.f, 19.f, 21.f, 23.f, 24.f}) - 100;
  CHECK(PoolSame(odd).equal(expected.view({1, 1, 3, 3})));
}

TEST_CASE("aides: logits are the last layer of the features") {
  const at::NoGradGuard no_grad;
  AidesNetwork network(1);
  network.SetTraining(false);
  const AidesOutput out = network.Forward(at::rand({1, 3, 71, 71}));
  REQUIRE(out.features.sizes().vec() == std::vector<int64_t>{1, 1024});
  const at::Tensor weight = Find(network.parameters(), "head.fc3.weight");
  CHECK(at::allclose(out.logits, out.features.matmul(weight.t())));
  CHECK(out.features.min().item<double>() >= 0);
}

at::Tensor Find(const std::vector<ops::Buffer>& buffers, const std::string& name) {
  for (const ops::Buffer& b : buffers) {
    if (b.name == name) return b.tensor;
  }
  FAIL("no buffer is called " << name);
  return {};
}

TEST_CASE("aides: frozen layers get no gradient and keep their statistics") {
  AidesNetwork network(1);
  const auto trainable = [&] {
    int64_t count = 0;
    for (const ops::Parameter& p : network.parameters()) {
      if (p.tensor.requires_grad()) count += p.tensor.numel();
    }
    return count;
  };
  CHECK(network.FreezeBefore("") == 0);
  CHECK(trainable() == 23956778);
  CHECK(network.FreezeBefore("bn1.") == 1);
  CHECK(trainable() == 23956778 - 864);
  network.FreezeBefore("conv4.");
  const at::Tensor frozen = Find(network.buffers(), "bn3.running_mean").clone();
  const at::Tensor moving = Find(network.buffers(), "bn4.running_mean").clone();
  network.Forward(at::rand({2, 3, 71, 71})).logits.sum().backward();
  CHECK(Find(network.buffers(), "bn3.running_mean").equal(frozen));
  CHECK_FALSE(Find(network.buffers(), "bn4.running_mean").equal(moving));
  CHECK_FALSE(Find(network.parameters(), "conv3.pointwise.weight").grad().defined());
  CHECK(Find(network.parameters(), "conv4.pointwise.weight").grad().defined());
  network.FreezeBefore("head.");
  CHECK(trainable() == 3149826);
}

TEST_CASE("bench models: what they weigh") {
  struct Expected {
    const char* name;
    int64_t parameters;
    size_t tensors;
  };
  for (const Expected& e : {Expected{"resnet50", 25557032, 161},
                            {"vgg16", 138357544, 32},
                            {"mlp", 25176064, 8},
                            {"tiny", 1024000, 1000}}) {
    const auto model = MakeBenchModel({e.name, 1});
    REQUIRE_THAT(model.status(), tests::IsOk());
    CHECK(Count((*model)->parameters()) == e.parameters);
    CHECK((*model)->parameters().size() == e.tensors);
  }
}

TEST_CASE("bench models: one step gives every parameter a gradient, and the same loss again") {
  for (const std::string name : {"resnet50", "tiny", "mlp"}) {
    BenchShape shape{name, 2, name == "resnet50" ? 32 : 0};
    const auto first = MakeBenchModel(shape), second = MakeBenchModel(shape);
    REQUIRE_THAT(first.status(), tests::IsOk());
    const at::Tensor loss = (*first)->SumLoss();
    CHECK(loss.dim() == 0);
    CHECK(loss.equal((*second)->SumLoss()));
    loss.backward();
    for (const ops::Parameter& p : (*first)->parameters()) {
      REQUIRE(p.tensor.grad().defined());
      CHECK(p.tensor.grad().abs().sum().item<double>() > 0);
    }
    shape.data = 1;  // another rank's batch
    CHECK_FALSE(loss.equal((*MakeBenchModel(shape))->SumLoss()));
  }
}

TEST_CASE("bench models: tiny is the recurrence it says it is") {
  Tiny network(1);
  const at::NoGradGuard no_grad;
  double expected = 2;
  for (const ops::Parameter& p : network.layers().parameters()) {
    expected += 1e-3 * expected * p.tensor[3].item<double>();
  }
  const at::Tensor out = network.Forward(at::full({1, Tiny::kWidth}, 2.0f));
  CHECK(out[0][3].item<double>() == Approx(expected).epsilon(1e-4));
}

TEST_CASE("bench models: mistakes are named") {
  CHECK_THAT(MakeBenchModel({"resnet", 1}).status(),
             tests::HasCode(Code::kInvalidArgument, "did you mean resnet50?"));
  CHECK_THAT(MakeBenchModel({"resnet50", 0}).status(),
             tests::HasCode(Code::kInvalidArgument, "one sample"));
  CHECK_THAT(MakeBenchModel({"aides", 1, 64}).status(),
             tests::HasCode(Code::kInvalidArgument, "aides takes a size of 71 at least, not 64"));
}

}  // namespace
}  // namespace stemma::models
