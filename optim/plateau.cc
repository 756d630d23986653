#include "optim/plateau.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace stemma::optim {

Plateau::Plateau(const OptimSettings& s)
    : lr_(s.lr),
      lr_min_(s.lr_min),
      by_(s.plateau_factor),
      delta_(s.plateau_delta),
      patience_(s.plateau_patience) {}

void Plateau::Observe(double loss, double samples, bool epoch_ends) {
  loss_sum_ += loss * samples;
  samples_ += samples;
  if (!epoch_ends || samples_ <= 0) return;
  EndEpoch(std::exchange(loss_sum_, 0) / std::exchange(samples_, 0));
}

void Plateau::EndEpoch(double metric) {
  if (std::isfinite(metric) && metric < best_ - delta_) {
    best_ = metric;
    waited_ = 0;
    return;
  }
  if (++waited_ < patience_) return;
  if (lr_ * factor_ <= lr_min_) return;
  factor_ *= by_;
  waited_ = 0;
}

double Plateau::Scaled(double lr) const { return std::max(lr * factor_, std::min(lr, lr_min_)); }

void Plateau::Encode(Encoder* out) const {
  for (double value : {best_, factor_, loss_sum_, samples_}) out->F64(value);
  out->I64(waited_);
}

bool Plateau::Decode(Decoder* in) {
  best_ = in->F64();
  factor_ = in->F64();
  loss_sum_ = in->F64();
  samples_ = in->F64();
  waited_ = in->I64();
  return in->ok() && factor_ > 0 && factor_ <= 1 && samples_ >= 0 && waited_ >= 0;
}

}  // namespace stemma::optim
