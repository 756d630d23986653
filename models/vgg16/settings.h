// [vgg16]: the network's head, its dropout, and its loss. Plain data, no LibTorch. What it is
// trained on stands in [images] (models/data/images/settings.h).
#pragma once

#include <cstdint>

namespace stemma::models {

struct Vgg16Settings {
  int64_t classes = 0;         // of the head; 0: as many as images.train has
  double label_smoothing = 0;  // of the training loss alone
  double dropout = 0.5;        // behind the first two dense layers
  bool channels_last = false;  // order of activations in memory; other bits
};

}  // namespace stemma::models
