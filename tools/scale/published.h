// What was measured elsewhere and published: the points that predictions are compared with. Only
// numbers that are known exactly stand here; points of plots that cannot be read do not.
//
// Source: the HAL benchmark, github.com/richardkxu/distributed-pytorch, February and May 2020; Figs
// 2 to 5 as stated in the text of arXiv:2003.08394 and its companions; mlcommons results v3.0.
#pragma once

#include <cstdint>
#include <vector>

namespace stemma::scale {

struct HalRun {
  int gpus = 0;
  int64_t batch = 0;  // per GPU
  double images_per_s = 0;
  double train_s = 0;  // 90 epochs, validation and checkpoints included
  double spread = 0;   // of the mean step time between epochs: one standard deviation, as a share
  double StepSeconds() const { return static_cast<double>(batch) * gpus / images_per_s; }
  double OtherSeconds() const { return (train_s - 90 * 1281167 / images_per_s) / 90; }
};

// Fig 1. ResNet-50, fp16, all gradients reduced in one call after backward.
const std::vector<HalRun>& HalFebruary();
const std::vector<HalRun>& HalMay();

struct MlperfRun {
  int gpus = 0;
  double minutes = 0;
};
const std::vector<MlperfRun>& MlperfResNet50();  // v3.0, H100

constexpr double kAigwHalOneGpuS = 754 * 3600.0;  // Fig 2
constexpr double kAigwHal64S = 12.4 * 3600;       // Fig 2
constexpr double kAigwBridges72S = 38 * 3600.0;   // Fig 3
constexpr double kAidesHalOneGpuS = 2.1 * 3600;   // Fig 4
constexpr double kAidesHal64S = 2.7 * 60;         // Fig 4
constexpr double kAigwSummit1536S = 1.2 * 3600;   // Fig 5
constexpr double kAigwSummit6144Percent = 80;     // Fig 5: its reference count is not stated

}  // namespace stemma::scale
