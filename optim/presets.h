// The published variants of LAMB, each a name for settings of one update. A preset fills what
// nobody has set: the resolved options are what a run is saved with and shown as, so a change of
// this table changes no run that there is.
//
//   OptimSettings settings;
//   STEMMA_RETURN_IF_ERROR(ApplyPreset("nvlamb", &settings));   // then change what differs
//
//   paper        Algorithm 2, with biases and norms excluded from decay and ratio: the defaults
//   author       fastalgo/imagenet_resnet50_lamb: no correction, clip 1 of local gradients
//   (refused,
//                see CheckVariant), biases are decayed
//   apex         NVIDIA's FusedLAMB: clip 1
//   nvlamb       apex with use_nvlamb: a ratio for every tensor
//   timm         as apex;  timm-clip: with trust_clip, a ratio of at most 1 (LAMBC)
//   tfa          TensorFlow Addons: a ratio for listed roles, whether they have a decay or not
//   optax        a ratio for every tensor
//   deepspeed    FusedLamb: correction in the step size, all tensors, ratio within 0.01 and 10
//   cybertronai  pytorch-lamb: no correction, all tensors, |p| at most 10
//   nus          NUS-HPC: no correction, clip 1
//
// Rate and weight decay belong to the task, not to the variant: a preset leaves them alone. Roles
// stand for what the sources decide by name, mask or group. No LibTorch. Pure; any thread.
#pragma once

#include <string>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

// Sets the preset's name and all options in which it differs from the defaults. kInvalidArgument:
// no such preset, with the nearest one.
Status ApplyPreset(const std::string& name, OptimSettings* settings);

}  // namespace stemma::optim
