#include "optim/loss_scaler.h"

#include <cmath>
#include <string>

#include "optim/options.h"

namespace stemma::optim {
namespace {

constexpr int64_t kNotDynamic = -1;     // in place of the clean updates, in the record
constexpr double kMostScale = 0x1p100;  // far from where a scaled loss leaves float32

bool IsPowerOfTwo(double value) {
  int exponent = 0;
  return value > 0 && std::isfinite(value) && std::frexp(value, &exponent) == 0.5;
}

}  // namespace

LossScaler::LossScaler(const OptimSettings& s)
    : dynamic_(s.loss_scaling == "dynamic"),
      double_after_(s.loss_scale_steps),
      scale_(s.loss_scaling == "none" ? 1 : s.loss_scale) {}

void LossScaler::Updated() {
  if (!dynamic_ || ++clean_ < double_after_) return;
  clean_ = 0;
  if (scale_ < kMostScale) scale_ *= 2;
}

void LossScaler::Overflowed() {
  clean_ = 0;
  if (dynamic_) scale_ /= 2;
}

void LossScaler::Encode(Encoder* out) const {
  out->F64(scale_);
  out->I64(dynamic_ ? clean_ : kNotDynamic);
}

bool LossScaler::Decode(Decoder* in) {
  const double scale = in->F64();
  const int64_t clean = in->I64();
  if (!in->ok() || !IsPowerOfTwo(scale) || clean < kNotDynamic) return false;
  if (!dynamic_ || clean == kNotDynamic) return true;
  scale_ = scale;
  clean_ = clean;
  return true;
}

Status CheckLossScaling(const OptimSettings& s) {
  const std::string& how = s.loss_scaling;
  if (how != "none" && how != "static" && how != "dynamic") {
    return NotOneOf("loss_scaling", how, {"none", "static", "dynamic"});
  }
  if (!IsPowerOfTwo(s.loss_scale) || s.loss_scale < 1 || s.loss_scale > kMostScale) {
    return OutOfRange("loss_scale", s.loss_scale, "a power of two from 1 to 2^100");
  }
  if (s.loss_scale_steps >= 1) return {};
  return OutOfRange("loss_scale_steps", static_cast<double>(s.loss_scale_steps), "[1, inf)");
}

}  // namespace stemma::optim
