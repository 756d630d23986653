#include "tools/scale/model_shapes.h"

#include <cstdint>
#include <utility>

namespace stemma::scale {
namespace {

class Builder {
 public:
  void Add(const std::string& name, std::vector<int64_t> shape, double multiply_adds = 0) {
    model_.parameters.push_back({name, std::move(shape), DType::kF32, true});
    model_.multiply_adds.push_back(multiply_adds);
  }
  // A weight that is applied `places` times.
  void Weight(const std::string& name, const std::vector<int64_t>& shape, int64_t places) {
    double count = 1;
    for (const int64_t n : shape) count *= static_cast<double>(n);
    Add(name, shape, count * static_cast<double>(places));
  }
  void Norm(const std::string& name, int64_t channels) {
    Add(name + ".weight", {channels});
    Add(name + ".bias", {channels});
  }
  void Linear(const std::string& name, int64_t in, int64_t out) {
    Weight(name + ".weight", {out, in}, 1);
    Add(name + ".bias", {out});
  }
  // A square convolution without bias, padded by half its kernel; returns the side of its output.
  int64_t Square(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                 int64_t side) {
    const int64_t to = (side + 2 * (kernel / 2) - kernel) / stride + 1;
    Weight(name + ".weight", {out, in, kernel, kernel}, to * to);
    return to;
  }
  void Separable(const std::string& name, int64_t in, int64_t out, int64_t side) {
    Weight(name + ".depthwise.weight", {in, 1, 3, 3}, side * side);
    Weight(name + ".pointwise.weight", {out, in, 1, 1}, side * side);
  }
  ShapedModel Take() { return std::move(model_); }

 private:
  ShapedModel model_;
};

// One block of Xception's entry or exit flow. The side is halved at its end.
void XceptionBlock(Builder* b, const std::string& name, const std::vector<int64_t>& channels,
                   int64_t side) {
  const int64_t half = (side + 1) / 2;
  b->Weight(name + ".skip.weight", {channels.back(), channels.front(), 1, 1}, half * half);
  b->Norm(name + ".skip_bn", channels.back());
  for (size_t i = 0; i + 1 < channels.size(); ++i) {
    const std::string part = name + ".sep" + std::to_string(i + 1);
    b->Separable(part, channels[i], channels[i + 1], side);
    b->Norm(part + "_bn", channels[i + 1]);
  }
}

}  // namespace

ShapedModel ResNet50Shapes() {
  Builder b;
  int64_t side = b.Square("conv1", 3, 64, 7, 2, 224), in = 64;
  b.Norm("bn1", 64);
  side = (side + 1) / 2;
  const int64_t blocks[] = {3, 4, 6, 3};
  for (int64_t layer = 1; layer <= 4; ++layer) {
    const int64_t width = 32 << layer;
    for (int64_t block = 0; block < blocks[layer - 1]; ++block) {
      const std::string p = "layer" + std::to_string(layer) + "." + std::to_string(block);
      const int64_t stride = block == 0 && layer > 1 ? 2 : 1, before = side;
      b.Square(p + ".conv1", in, width, 1, 1, side);
      b.Norm(p + ".bn1", width);
      side = b.Square(p + ".conv2", width, width, 3, stride, side);
      b.Norm(p + ".bn2", width);
      b.Square(p + ".conv3", width, 4 * width, 1, 1, side);
      b.Norm(p + ".bn3", 4 * width);
      if (block == 0) {
        b.Square(p + ".downsample.0", in, 4 * width, 1, stride, before);
        b.Norm(p + ".downsample.1", 4 * width);
      }
      in = 4 * width;
    }
  }
  b.Linear("fc", 2048, 1000);
  return b.Take();
}

ShapedModel Vgg16Shapes() {
  const std::vector<std::vector<int64_t>> stages = {
      {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  Builder b;
  int64_t side = 224, in = 3, place = 0;  // in a list that counts ReLUs and pools
  for (const auto& stage : stages) {
    for (const int64_t out : stage) {
      const std::string name = "features." + std::to_string(place);
      b.Square(name, in, out, 3, 1, side);
      b.Add(name + ".bias", {out});
      in = out;
      place += 2;
    }
    ++place;
    side /= 2;
  }
  b.Linear("classifier.0", in * side * side, 4096);
  b.Linear("classifier.3", 4096, 4096);
  b.Linear("classifier.6", 4096, 1000);
  return b.Take();
}

ShapedModel AigwShapes() {
  constexpr int64_t kSamples = 101300, kLast = 10000;
  Builder b;
  const auto conv = [&](const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    b.Weight(name + ".weight", {out, in, kernel}, kSamples);
    b.Add(name + ".bias", {out});
    b.Norm(name + "_bn", out);
  };
  for (int i = 0; i < 16; ++i) {
    const std::string block = "block" + std::to_string(i);
    conv(block + ".pre", i == 0 ? 1 : 16, 16, 1);
    conv(block + ".filter", 16, 32, 2);
    conv(block + ".gate", 16, 32, 2);
    conv(block + ".post", 32, 16, 1);
  }
  conv("head.conv1", 16, 128, 1);
  conv("head.conv2", 128, 1, 1);
  b.Linear("q.fc1", kLast, 512);
  b.Linear("q.fc2", 512, 1);
  b.Linear("ap.fc1", kLast, 512);
  b.Linear("ap.fc2", 512, 4);
  return b.Take();
}

ShapedModel AidesShapes() {
  Builder b;
  // The first two convolutions are not padded: 224, 111, 109.
  b.Weight("conv1.weight", {32, 3, 3, 3}, 111 * 111);
  b.Norm("bn1", 32);
  b.Weight("conv2.weight", {64, 32, 3, 3}, 109 * 109);
  b.Norm("bn2", 64);
  XceptionBlock(&b, "entry1", {64, 128, 128}, 109);
  XceptionBlock(&b, "entry2", {128, 256, 256}, 55);
  XceptionBlock(&b, "entry3", {256, 728, 728}, 28);
  for (int block = 1; block <= 8; ++block) {
    for (int i = 1; i <= 3; ++i) {
      const std::string part = "middle" + std::to_string(block) + ".sep" + std::to_string(i);
      b.Separable(part, 728, 728, 14);
      b.Norm(part + "_bn", 728);
    }
  }
  XceptionBlock(&b, "exit", {728, 728, 1024}, 14);
  b.Separable("sep3", 1024, 1536, 7);
  b.Norm("bn3", 1536);
  b.Separable("sep4", 1536, 2048, 7);
  b.Norm("bn4", 2048);
  b.Linear("head.fc1", 2048, 1024);
  b.Linear("head.fc2", 1024, 1024);
  b.Linear("head.fc3", 1024, 2);
  return b.Take();
}

}  // namespace stemma::scale
