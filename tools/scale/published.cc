#include "tools/scale/published.h"

namespace stemma::scale {

// The 2-GPU run of February stopped after 81 epochs; its time is that of 81 times 90/81.
const std::vector<HalRun>& HalFebruary() {
  static const std::vector<HalRun> kRuns = {
      {2, 208, 1582.04, 74211.11, 0.001},  {4, 208, 3004.51, 39536.00, 0.003},
      {8, 208, 5805.14, 20904.01, 0.003},  {16, 208, 11273.57, 10969.42, 0.008},
      {32, 208, 19496.10, 6652.91, 0.021}, {64, 208, 33080.03, 4071.31, 0.033},
  };
  return kRuns;
}

const std::vector<HalRun>& HalMay() {
  static const std::vector<HalRun> kRuns = {
      {4, 224, 2924.98, 40908.36, 0.003},   {8, 256, 5734.69, 21123.88, 0.002},
      {16, 256, 10767.88, 11291.56, 0.002}, {32, 256, 20367.57, 6027.09, 0.010},
      {64, 256, 37488.15, 3378.84, 0.009},
  };
  return kRuns;
}

const std::vector<MlperfRun>& MlperfResNet50() {
  static const std::vector<MlperfRun> kRuns = {
      {8, 13.466}, {64, 2.664}, {512, 0.509}, {768, 0.369}, {3584, 0.183}};
  return kRuns;
}

}  // namespace stemma::scale
