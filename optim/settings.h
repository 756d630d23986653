// [optim]: what changes parameters, and how fast. Plain data, no LibTorch.
//
// Published variants of LAMB are settings of one update; a preset names the settings of each, and
// presets.h holds the table.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::optim {

struct OptimSettings {
  std::string name = "lamb";  // lamb | lars | sgd | adamw | adam
  // lamb: the published variant that fills what nobody has set (presets.h). The options below are
  // what counts: nothing looks at the name again once they are filled.
  std::string preset = "paper";
  std::string recipe = "none";  // untuned-resnet50: lr and warm-up from the batch (recipe.h)
  double lr = 1e-3;             // learning rate at the top of the schedule
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999;  // lamb, adam, adamw
  double eps = 1e-6;                  // lars: may be 0
  double momentum = 0.9;              // sgd, lars; 0: no momentum and no state
  bool nesterov = false;              // sgd
  double max_grad_norm = 0;           // clip of the reduced gradient; 0: off
  // What max_grad_norm is a norm of. "reduced": all tensors of the reduced gradient; "group":
  // excluded roles and the others each have a norm, and are clipped by it alone; "local": refused.
  std::string clip_scope = "reduced";

  // lamb, lars. "decayed": lamb gives tensors with a weight decay a trust ratio, so none at
  // weight_decay 0; lars those whose role is not excluded. "all": every tensor; "list": the roles
  // of adapt_roles. The ratio of a tensor with norm 0, or with an update of norm 0, is 1.
  std::string adapt = "decayed";
  std::string adapt_roles = "weight,embedding";
  // lamb: where the weight decay goes. "in_update": u = r + decay p; "l2": into the gradient,
  // before the moments; "decoupled": p is multiplied by 1 - lr decay before the update, |p| after
  // that.
  std::string decay = "in_update";
  bool eps_inside_sqrt = false;  // lamb: m / sqrt(v + eps) in place of m / (sqrt(v) + eps)
  bool grad_averaging = true;    // lamb: m takes (1 - beta1) g; false: g
  // lamb: moments | none | step_size; adam, adamw: moments | step_size (Keras's Adam: adamw.h).
  std::string bias_correction = "moments";
  // Roles without decay: weight, bias, norm_scale, norm_shift, embedding. By role, never by shape.
  std::string exclude = "bias,norm_scale,norm_shift";
  double phi_min = 0, phi_max = 0;      // lamb: clamp of the parameter's norm; 0 for phi_max: none
  double ratio_min = 0, ratio_max = 0;  // lamb, lars: clamp of the ratio; 0 for ratio_max: none

  // lars: what the momentum is of, and clamps (lars.h).
  std::string lars_variant = "ratio_inside";  // inside | ratio_inside | outside
  double trust_coefficient = 0.001;
  bool clip_to_lr = false;  // the ratio times lr is at most lr
  double lars_clamp = 0;    // each element of the decayed gradient is kept within +- this; 0: off

  // constant | warmup_linear | warmup_poly | warmup_cosine | steps | one_cycle | cosine_restarts |
  // exponential | plateau: see schedule.h.
  std::string schedule = "constant";
  int64_t warmup_steps = 0;   // before any schedule, "constant" and "steps" included
  std::string warmup = "";    // the same as "5ep", "64000samples", "782step": units.h
  int64_t warmup_origin = 1;  // 0: the first step has rate 0; 1: it has lr / warmup_steps
  double poly_power = 2;
  double lr_min = 0;              // end of the cosines; plateau: least rate
  double lr_start = 0;            // one_cycle, exponential: the first step's rate
  std::string step_factors = "";  // "300:0.1,600:0.01": lr * 0.1 from 300 on, lr * 0.01 from 600 on
  std::string cycle = "";         // cosine_restarts: the first cycle, "10ep", "1000step"
  int64_t cycle_mult = 1;         // cosine_restarts: each cycle is so many times the one before
  std::string lr_scaling = "none";  // none | linear | sqrt: lr follows batch / lr_batch (units.h)
  int64_t lr_batch = 256;           // the batch that lr is meant for
  // plateau: lr * factor^n after n times `patience` epochs whose loss was not lower by `delta`;
  // with "val_loss" evaluations of held-out samples take the place of epochs.
  std::string plateau_on = "loss";  // loss | val_loss
  double plateau_factor = 0.5, plateau_delta = 1e-4;
  int64_t plateau_patience = 3;

  // What a gradient that is not finite does: "stop" is an error of that step, "skip" changes
  // nothing, and is an error after kMaxSkips steps in a row.
  std::string on_nonfinite = "stop";

  // none | static | dynamic: the loss is multiplied by a power of two before backward, so that
  // small gradients survive float16, and gradients by its inverse as they are read (loss_scaler.h).
  std::string loss_scaling = "none";
  double loss_scale = 65536;        // the scale; dynamic: the first one
  int64_t loss_scale_steps = 2000;  // dynamic: doubled after so many updates without an overflow

  double max_grad_value = 0;  // clip each element of the reduced gradient to +- this; 0: off
  double ema_decay = 0;       // keep a moving average of the parameters (average.h); 0: none
};

constexpr int64_t kMaxSkips = 50;

}  // namespace stemma::optim
