// [optim]: what changes parameters, and how fast. Plain data, no LibTorch.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::optim {

struct OptimSettings {
  std::string name = "lamb";          // lamb | sgd | adamw | adam
  double lr = 1e-3;                   // learning rate at the top of the schedule
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999;  // lamb, adam, adamw
  double eps = 1e-6;
  double momentum = 0.9;              // sgd
  bool nesterov = false;              // sgd
  double max_grad_norm = 0;           // global clip on the reduced gradient; 0: off
  std::string adapt = "decayed";      // lamb: decayed | all tensors get a trust ratio
  std::string bias_correction = "moments";  // lamb: moments | none | step_size
  std::string exclude = "bias,norm_scale,norm_shift";  // roles without decay (and without ratio when adapt = decayed)
  double phi_min = 0, phi_max = 0;    // lamb: clamp of the parameter's norm; 0 for phi_max: none
  double ratio_min = 0, ratio_max = 0;  // lamb: clamp of the trust ratio; 0 for ratio_max: none
  std::string schedule = "constant";  // constant | warmup_linear | warmup_poly | warmup_cosine | steps
  int64_t warmup_steps = 0;
  int64_t warmup_origin = 1;          // 0: the first step has rate 0; 1: it has lr / warmup_steps
  double poly_power = 2;
  double lr_min = 0;                  // end of the cosine
  std::string step_factors = "";      // "300:0.1,600:0.1": factor from that step on
  std::string on_nonfinite = "stop";  // stop | skip: what a non-finite gradient norm does
};

}  // namespace stemma::optim
