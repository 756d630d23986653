#include "models/aigw/targets.h"

#include <algorithm>
#include <cstddef>

namespace stemma::models {

namespace {

constexpr double kInverseQMin = 1. / 16;  // half of what the data set has

struct Scale {
  double mean, deviation;
};

// With u = 1/q uniform in (1/8, 1] and spins uniform in [-0.8, 0.8], so of deviation 0.8/sqrt(3):
//   q        mean ln 8 / 0.875, mean square 8
//   1/q      mean 9/16, deviation 0.875 / sqrt(12)
//   chi_eff  mean square (1 + u^2) / (1 + u)^2 of a spin's, averaged over u
//   S_eff    mean square (1 + 3u/4)^2 + (1 + 3/(4u))^2 of a spin's, averaged over u
// Written out: the library's logarithm need not be the same on every machine, and targets are data.
constexpr Scale kQ = {2.3765046190626693, 1.533696774324637};
constexpr Scale kInverseQ = {.5625, .2525907427704613};
constexpr Scale kRest[] = {{0, .46188021535170065},
                           {0, .46188021535170065},
                           {0, .34986346850012856},
                           {0, 1.540380844066402}};

Scale ScaleOf(const AigwSettings& settings, size_t output) {
  if (settings.targets != "standard") return {0, 1};
  if (output > 0) return kRest[output - 1];
  return settings.target_q == "inverse" ? kInverseQ : kQ;
}

}  // namespace

AigwValues TargetsOf(const AigwSettings& settings, const Binary& binary) {
  AigwValues y = ValuesOf(binary);
  if (settings.target_q == "inverse") y[0] = 1 / y[0];
  for (size_t k = 0; k < y.size(); ++k) {
    const Scale scale = ScaleOf(settings, k);
    y[k] = (y[k] - scale.mean) / scale.deviation;
  }
  return y;
}

AigwValues ValuesFromTargets(const AigwSettings& settings, const float* outputs) {
  AigwValues values;
  for (size_t k = 0; k < values.size(); ++k) {
    const Scale scale = ScaleOf(settings, k);
    values[k] = scale.mean + scale.deviation * outputs[k];
  }
  if (settings.target_q == "inverse") values[0] = 1 / std::max(values[0], kInverseQMin);
  return values;
}

}  // namespace stemma::models
