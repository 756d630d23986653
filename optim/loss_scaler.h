// The loss scale: backward runs on the loss times a power of two, so that gradients too small for
// float16 are not rounded to 0, and the optimizer takes the factor out as it reads them (OPTIM
// sections 8 and 12): never in a pass of its own.
//
//   (loss * optimizer->loss_scale()).backward();     // every micro-batch
//   optimizer->Step(step, fence);                    // norm, clip and update see g / scale
//
// dynamic: an update that went well counts; after loss_scale_steps of them in a row the scale is
// doubled. A gradient that is not finite is an overflow: the step is skipped on all ranks, because
// all of them compute the same norm, and the scale is halved. static: the scale stays, and such a
// gradient is what optim.on_nonfinite says. A power of two changes no bit of what does not overflow
// or vanish.
//
// No LibTorch. Owner: the optimizer, in whose small record its state is. One thread.
#pragma once

#include <cstdint>

#include "core/bytes.h"
#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

class LossScaler {
 public:
  explicit LossScaler(const OptimSettings& settings);

  double scale() const { return scale_; }
  bool dynamic() const { return dynamic_; }
  void Updated();     // an update was made
  void Overflowed();  // it was skipped

  void Encode(Encoder* out) const;
  // Takes on a dynamic scale, where both have one. All else stays what the settings say: a fork may
  // change them, and one from a static scale, or none, begins at optim.loss_scale. False: no state
  // of a LossScaler.
  bool Decode(Decoder* in);

 private:
  bool dynamic_;
  int64_t double_after_;
  double scale_;
  int64_t clean_ = 0;  // updates since the scale was last changed, or the run's start
};

// kInvalidArgument names the key.
Status CheckLossScaling(const OptimSettings& settings);

}  // namespace stemma::optim
