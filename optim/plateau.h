// optim.schedule = plateau: the rate falls when the loss has not for some epochs. The one schedule
// with state, which is part of the optimizer's small record.
//
//   plateau.Observe(loss, samples, epoch_ends);      // every step, the same numbers on all ranks
//   plateau.EndEpoch(val_loss);                      // or: every evaluation (optim.plateau_on)
//   lr = plateau.Scaled(LearningRate(...));
//
// The metric is the epoch's mean training loss, weighed by samples, or the loss over held-out
// samples, where an evaluation counts as an epoch does. What is decided is what Keras's
// ReduceLROnPlateau decides: an epoch is better when its loss is below the best one minus
// plateau_delta, absolute; the epoch that completes plateau_patience epochs without a better one
// multiplies the factor by plateau_factor, and the count begins again. (torch's scheduler waits for
// one epoch more, and its threshold is relative.) A mean that is not finite is no better one. The
// factor stops falling where the rate has reached optim.lr_min.
//
// No LibTorch. Owner: the optimizer. One thread.
#pragma once

#include <cstdint>
#include <limits>

#include "core/bytes.h"
#include "optim/settings.h"

namespace stemma::optim {

class Plateau {
 public:
  explicit Plateau(const OptimSettings& settings);

  // One step: the mean loss of its global batch, that batch's samples, and whether it was the last
  // of its epoch.
  void Observe(double loss, double samples, bool epoch_ends);
  // One epoch, or one evaluation: its metric.
  void EndEpoch(double metric);

  // `lr` of the schedule times the factor, not below optim.lr_min; a warm-up may be lower.
  double Scaled(double lr) const;

  void Encode(Encoder* out) const;
  // False: no state of a Plateau.
  bool Decode(Decoder* in);

  double factor() const { return factor_; }
  int64_t waited() const { return waited_; }

 private:
  double lr_, lr_min_, by_, delta_;
  int64_t patience_;
  double best_ = std::numeric_limits<double>::infinity();
  double factor_ = 1;
  int64_t waited_ = 0;                 // epochs since the best one, or since the last fall
  double loss_sum_ = 0, samples_ = 0;  // of the epoch under way
};

}  // namespace stemma::optim
