// [resnet50]: the network's head, how it begins, and its loss. Plain data, no LibTorch. What it is
// trained on stands in [images] (models/data/images/settings.h).
#pragma once

#include <cstdint>

namespace stemma::models {

struct ResNet50Settings {
  int64_t classes = 0;         // of the head; 0: as many as images.train has
  double label_smoothing = 0;  // 0.1 in the recipes for large batches; of the training loss alone
  bool zero_gamma = false;     // the last norm of each block begins with scale 0
  bool channels_last = false;  // order of activations in memory; faster, other bits
};

}  // namespace stemma::models
