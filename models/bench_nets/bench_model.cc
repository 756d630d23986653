#include "models/bench_nets/bench_model.h"

#include <ATen/ATen.h>

#include <functional>
#include <utility>

#include "core/random.h"
#include "core/text.h"
#include "models/aides/network.h"
#include "models/aigw/network.h"
#include "models/bench_nets/networks.h"
#include "models/resnet50/network.h"
#include "models/vgg16/network.h"

namespace stemma::models {
namespace {

constexpr int64_t kImageSide = 224, kImageClasses = 1000;
constexpr int64_t kWaveformPoints = 10000;

// Uniform in [-1, 1).
at::Tensor Inputs(const BenchShape& shape, const std::vector<int64_t>& sizes) {
  at::Tensor x = at::empty(sizes, at::kFloat);
  Random draw(Key({shape.data}), "bench inputs");
  float* values = x.mutable_data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) values[i] = static_cast<float>(2 * draw.Uniform() - 1);
  return x.to(shape.device);
}

at::Tensor Labels(const BenchShape& shape, int64_t classes) {
  at::Tensor y = at::empty({shape.batch}, at::kLong);
  Random draw(Key({shape.data}), "bench labels");
  for (int64_t i = 0; i < shape.batch; ++i) {
    y.mutable_data_ptr<int64_t>()[i] =
        static_cast<int64_t>(draw.Below(static_cast<uint64_t>(classes)));
  }
  return y.to(shape.device);
}

// One class for all: a network, its batch, and the function from one to the loss of the other.
template <typename Network>
class Made final : public BenchModel {
 public:
  using Loss = std::function<at::Tensor(Network&)>;
  Made(std::unique_ptr<Network> network, Loss loss, std::string description,
       const std::vector<ops::Parameter>& parameters, const std::vector<ops::Buffer>& buffers)
      : network_(std::move(network)),
        loss_(std::move(loss)),
        description_(std::move(description)),
        parameters_(parameters),
        buffers_(buffers) {}
  const std::vector<ops::Parameter>& parameters() const override { return parameters_; }
  const std::vector<ops::Buffer>& buffers() const override { return buffers_; }
  at::Tensor SumLoss() override { return loss_(*network_); }
  std::string Describe() const override { return description_; }

 private:
  const std::unique_ptr<Network> network_;
  const Loss loss_;
  const std::string description_;
  const std::vector<ops::Parameter>& parameters_;  // the network's
  const std::vector<ops::Buffer>& buffers_;
};

using Model = std::unique_ptr<BenchModel>;

std::string Images(int64_t side, int64_t classes) {
  const std::string n = std::to_string(side);
  return "images 3x" + n + "x" + n + ", " + std::to_string(classes) + " classes";
}

Model MakeResNet(const BenchShape& shape) {
  auto network = std::make_unique<ResNet50>(
      ResNet50Shape{kImageClasses, shape.zero_gamma, shape.channels_last}, shape.seed);
  network->To(shape.device);
  const auto& parameters = network->parameters();
  const auto& buffers = network->buffers();
  at::Tensor x = Inputs(shape, {shape.batch, 3, shape.side, shape.side});
  if (shape.channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor y = Labels(shape, kImageClasses);
  return std::make_unique<Made<ResNet50>>(
      std::move(network), [x, y](ResNet50& n) { return SumOfCrossEntropy(n.Forward(x), y); },
      Images(shape.side, kImageClasses) + (shape.channels_last ? ", channels last" : ""),
      parameters, buffers);
}

Model MakeVgg(const BenchShape& shape) {
  auto network = std::make_unique<Vgg16>(Vgg16Shape{kImageClasses}, shape.seed);
  network->To(shape.device);
  const auto& parameters = network->parameters();
  const auto& buffers = network->buffers();
  const at::Tensor x = Inputs(shape, {shape.batch, 3, shape.side, shape.side});
  const at::Tensor y = Labels(shape, kImageClasses);
  return std::make_unique<Made<Vgg16>>(
      std::move(network), [x, y](Vgg16& n) { return SumOfCrossEntropy(n.Forward(x), y); },
      Images(shape.side, kImageClasses), parameters, buffers);
}

Model MakeAides(const BenchShape& shape) {
  auto network = std::make_unique<AidesNetwork>(shape.seed);
  network->To(shape.device);
  const auto& parameters = network->parameters();
  const auto& buffers = network->buffers();
  const at::Tensor x = Inputs(shape, {shape.batch, 3, shape.side, shape.side});
  const at::Tensor y = Labels(shape, 2);
  return std::make_unique<Made<AidesNetwork>>(
      std::move(network),
      [x, y](AidesNetwork& n) { return SumOfCrossEntropy(n.Forward(x).logits, y); },
      Images(shape.side, 2), parameters, buffers);
}

Model MakeAigw(const BenchShape& shape) {
  auto network = std::make_unique<AigwNetwork>(AigwShape{shape.side}, shape.seed);
  network->To(shape.device);
  const auto& parameters = network->parameters();
  const auto& buffers = network->buffers();
  const at::Tensor x = Inputs(shape, {shape.batch, 1, shape.side});
  const at::Tensor y = Inputs(shape, {shape.batch, 5});
  return std::make_unique<Made<AigwNetwork>>(
      std::move(network), [x, y](AigwNetwork& n) { return SumOfLosses(n.Forward(x), y).total; },
      "waveforms of " + std::to_string(shape.side) + " points", parameters, buffers);
}

// The networks that keep their Layers open. `classes` 0: half the sum of squares of the output.
template <typename Network>
Model MakeLayered(const BenchShape& shape, const std::vector<int64_t>& sizes, int64_t classes,
                  const std::string& description) {
  auto network = std::make_unique<Network>(shape.seed);
  network->layers().To(shape.device);
  const Layers& layers = network->layers();
  const at::Tensor x = Inputs(shape, sizes);
  const at::Tensor y = classes > 0 ? Labels(shape, classes) : at::Tensor();
  const auto loss = [x, y](Network& n) {
    const at::Tensor out = n.Forward(x);
    return y.defined() ? SumOfCrossEntropy(out, y) : out.square().sum() * 0.5;
  };
  return std::make_unique<Made<Network>>(std::move(network), loss, description, layers.parameters(),
                                         layers.buffers());
}

Model MakeMlp(const BenchShape& shape) {
  return MakeLayered<Mlp>(shape, {shape.batch, Mlp::kIn}, Mlp::kOut,
                          "vectors of 1024, 1024 classes");
}

Model MakeTiny(const BenchShape& shape) {
  return MakeLayered<Tiny>(shape, {shape.batch, Tiny::kWidth}, 0,
                           "vectors of 1024, sum of squares");
}

struct Entry {
  const char* name;
  int64_t side, side_min;  // 0: no such size
  Model (*make)(const BenchShape& shape);
};
constexpr Entry kEntries[] = {
    {"resnet50", kImageSide, 32, MakeResNet},
    {"vgg16", kImageSide, 32, MakeVgg},
    {"aigw", kWaveformPoints, 256, MakeAigw},
    {"aides", kImageSide, 71, MakeAides},
    {"mlp", 0, 0, MakeMlp},
    {"tiny", 0, 0, MakeTiny},
};

}  // namespace

std::vector<std::string> BenchModelNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

Result<std::unique_ptr<BenchModel>> MakeBenchModel(const BenchShape& asked) {
  BenchShape shape = asked;
  if (shape.batch < 1) return Status(Code::kInvalidArgument, "the batch needs one sample at least");
  std::string known;
  for (const Entry& entry : kEntries) {
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
    if (shape.name != entry.name) continue;
    if (shape.side == 0) shape.side = entry.side;
    if (shape.side < entry.side_min) {
      return Status(Code::kInvalidArgument, shape.name + " takes a size of " +
                                                std::to_string(entry.side_min) + " at least, not " +
                                                std::to_string(shape.side));
    }
    return entry.make(shape);
  }
  const std::string near = Nearest(shape.name, BenchModelNames());
  return Status(Code::kInvalidArgument, "no benchmark model is called \"" + shape.name + "\"" +
                                            (near.empty() ? "" : "; did you mean " + near + "?") +
                                            " There are: " + known);
}

}  // namespace stemma::models
