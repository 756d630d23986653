// train.stop_patience: a run ends when its held-out loss has not fallen for some evaluations.
// Keras's EarlyStopping with min_delta 0: any lower value counts, and the evaluation that completes
// `patience` evaluations without one ends the run. A value that is not finite is no lower one.
//
//   if (patience.Observe(val_loss, settings.train.stop_patience)) ...   // the run ends here
//
// Patience 3 and the losses 1, .9, .9, .9, .9: the fifth evaluation ends it.
//
// Plain data, part of the state's small record: a run that was stopped counts on. No LibTorch.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace stemma::models {

// Attribute of the state that such a run ends with, a whole number: the evaluations it waited. The
// run is complete then, and is not continued.
constexpr char kEndedEarlyKey[] = "train.ended_early";

struct Patience {
  double best = std::numeric_limits<double>::infinity();
  int64_t waited = 0;  // evaluations since the best one

  // One evaluation. True: `patience` evaluations without a lower value are complete.
  bool Observe(double val_loss, int64_t patience) {
    if (std::isfinite(val_loss) && val_loss < best) {
      best = val_loss;
      waited = 0;
      return false;
    }
    return ++waited >= patience;
  }
};

}  // namespace stemma::models
