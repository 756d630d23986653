// [optim]: what changes parameters, and how fast. Plain data, no LibTorch.
//
// Published variants of LAMB are settings of one update (OPTIM section 3): apex is max_grad_norm 1,
// NVLAMB that with adapt "all", LAMBC that of apex with ratio_max 1, DeepSpeed's is bias_correction
// "step_size" with adapt "all", exclude "" and the ratio within 0.01 and 10, and the author's is
// bias_correction "none".
#pragma once

#include <cstdint>
#include <string>

namespace stemma::optim {

struct OptimSettings {
  std::string name = "lamb";  // lamb | sgd | adamw | adam
  double lr = 1e-3;           // learning rate at the top of the schedule
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999;  // lamb, adam, adamw
  double eps = 1e-6;
  double momentum = 0.9;     // sgd; 0: no momentum and no state
  bool nesterov = false;     // sgd
  double max_grad_norm = 0;  // global clip on the reduced gradient; 0: off

  // lamb. "decayed": tensors with a weight decay get a trust ratio, so none does at weight_decay 0;
  // "all": every tensor does. The ratio of a tensor with norm 0, or with an update of norm 0, is 1.
  std::string adapt = "decayed";
  // lamb: moments | none | step_size; adam, adamw: moments | step_size (Keras's Adam: adamw.h).
  std::string bias_correction = "moments";
  // Roles without decay: weight, bias, norm_scale, norm_shift, embedding. By role, never by shape.
  std::string exclude = "bias,norm_scale,norm_shift";
  double phi_min = 0, phi_max = 0;      // lamb: clamp of the parameter's norm; 0 for phi_max: none
  double ratio_min = 0, ratio_max = 0;  // lamb: clamp of the trust ratio; 0 for ratio_max: none

  // constant | warmup_linear | warmup_poly | warmup_cosine | steps: see schedule.h.
  std::string schedule = "constant";
  int64_t warmup_steps = 0;   // before any schedule, "constant" and "steps" included
  int64_t warmup_origin = 1;  // 0: the first step has rate 0; 1: it has lr / warmup_steps
  double poly_power = 2;
  double lr_min = 0;              // end of the cosine
  std::string step_factors = "";  // "300:0.1,600:0.01": lr * 0.1 from 300 on, lr * 0.01 from 600 on

  // What a gradient that is not finite does: "stop" is an error of that step, "skip" changes
  // nothing, and is an error after kMaxSkips steps in a row.
  std::string on_nonfinite = "stop";
};

constexpr int64_t kMaxSkips = 50;

}  // namespace stemma::optim
