// The networks that `stemma bench train` knows, each with one fixed synthetic batch: data never
// limits the measured step.
//
//   STEMMA_ASSIGN_OR_RETURN(auto model, MakeBenchModel({"resnet50", 32, 224}));
//   model->SumLoss().backward();
//
// resnet50, vgg16: images [N, 3, side, side] with 1000 classes, Horovod's synthetic benchmark.
// aides: images of the same form, 2 classes. aigw: waveforms of `side` points (default 10,000).
// mlp, tiny: vectors of 1024; `side` has no meaning.
//
// Owner: the caller. Thread: the loop's. LibTorch's exceptions leave SumLoss and MakeBenchModel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "ops/parameter.h"

namespace stemma::models {

struct BenchShape {
  std::string name = "resnet50";
  int64_t batch = 32;          // samples per step and rank
  int64_t side = 0;            // of images, or points of a waveform; 0: the model's own
  bool channels_last = false;  // resnet50
  bool zero_gamma = false;     // resnet50
  at::Device device = at::kCPU;
  uint64_t seed = 1;  // of the weights: the same on all ranks
  uint64_t data = 0;  // of the batch: the rank
};

class BenchModel {
 public:
  virtual ~BenchModel() = default;
  virtual const std::vector<ops::Parameter>& parameters() const = 0;
  virtual const std::vector<ops::Buffer>& buffers() const = 0;
  // Of the fixed batch, training mode: a scalar, summed over its samples.
  virtual at::Tensor SumLoss() = 0;
  virtual std::string Describe() const = 0;  // "images 3x64x64, 1000 classes"
};

// "resnet50", "vgg16", ...: in the order of the help.
std::vector<std::string> BenchModelNames();

// kInvalidArgument: a name that is not there, a size the model cannot take.
Result<std::unique_ptr<BenchModel>> MakeBenchModel(const BenchShape& shape);

}  // namespace stemma::models
