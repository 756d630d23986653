#include "optim/presets.h"

#include <functional>
#include <utility>
#include <vector>

#include "optim/options.h"

namespace stemma::optim {
namespace {

using Change = std::function<void(OptimSettings*)>;

void Apex(OptimSettings* s) { s->max_grad_norm = 1; }

void Author(OptimSettings* s) {
  s->bias_correction = "none";
  s->max_grad_norm = 1;
  s->clip_scope = "local";
  s->exclude = "norm_scale,norm_shift";
}

void DeepSpeed(OptimSettings* s) {
  s->bias_correction = "step_size";
  s->clip_scope = "group";
  s->adapt = "all";
  s->exclude = "";
  s->ratio_min = 0.01;
  s->ratio_max = 10;
  s->eps = 1e-8;
}

void Cybertronai(OptimSettings* s) {
  s->bias_correction = "none";
  s->adapt = "all";
  s->exclude = "";
  s->phi_max = 10;
}

void Nus(OptimSettings* s) {
  s->bias_correction = "none";
  s->max_grad_norm = 1;
}

const std::vector<std::pair<std::string, Change>>& Presets() {
  static const std::vector<std::pair<std::string, Change>> presets = {
      {"paper", [](OptimSettings*) {}},
      {"author", Author},
      {"apex", Apex},
      {"nvlamb", [](OptimSettings* s) { Apex(s), s->adapt = "all"; }},
      {"timm", Apex},
      {"timm-clip", [](OptimSettings* s) { Apex(s), s->ratio_max = 1; }},
      {"tfa", [](OptimSettings* s) { s->adapt = "list"; }},
      {"optax", [](OptimSettings* s) { s->adapt = "all"; }},
      {"deepspeed", DeepSpeed},
      {"cybertronai", Cybertronai},
      {"nus", Nus},
  };
  return presets;
}

}  // namespace

Status ApplyPreset(const std::string& name, OptimSettings* settings) {
  std::vector<std::string> names;
  for (const auto& [known, change] : Presets()) {
    names.push_back(known);
    if (known != name) continue;
    settings->preset = name;
    change(settings);
    return {};
  }
  return NotOneOf("preset", name, names);
}

}  // namespace stemma::optim
