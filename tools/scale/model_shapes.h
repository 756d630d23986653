// The tensors of the networks that the simulator predicts, from their definitions alone: names,
// shapes in registration order and multiply-adds, so that ops::MakePlan makes the buckets that a
// training has. Without LibTorch; tests compare counts and ResNet-50's names with what LibTorch
// has.
//
// Plain values.
#pragma once

#include <string>
#include <vector>

#include "ops/plan.h"

namespace stemma::scale {

struct ShapedModel {
  std::vector<ops::ParameterInfo> parameters;  // in registration order
  std::vector<double> multiply_adds;  // of one sample's forward pass, by parameter; biases: 0
};

ShapedModel ResNet50Shapes();  // v1.5, 224 x 224, 1000 classes
ShapedModel Vgg16Shapes();     // without batch norm, 224 x 224, 1000 classes
ShapedModel AigwShapes();      // WaveNet, 101,300 samples
ShapedModel AidesShapes();     // Xception and its head, 224 x 224, everything trained

}  // namespace stemma::scale
