#include "optim/options.h"

#include <algorithm>
#include <cstdio>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "optim/loss_scaler.h"
#include "optim/variants.h"

namespace stemma::optim {
namespace {

struct Range {
  const char* key;
  double value;
  bool ok;  // false for NaN too, because every comparison with it is
  const char* expected;
};

Status CheckRanges(const OptimSettings& s) {
  const double inf = 1e300 * 1e300;
  const auto at_least_0 = [&](double x) { return x >= 0 && x < inf; };
  const auto below_1 = [](double x) { return x >= 0 && x < 1; };
  const Range ranges[] = {
      {"lr", s.lr, at_least_0(s.lr), "[0, inf)"},
      {"weight_decay", s.weight_decay, at_least_0(s.weight_decay), "[0, inf)"},
      {"beta1", s.beta1, below_1(s.beta1), "[0, 1)"},
      {"beta2", s.beta2, below_1(s.beta2), "[0, 1)"},
      {"eps", s.eps, (s.eps > 0 || (s.eps == 0 && s.name == "lars")) && s.eps < inf,
       "(0, inf), with lars [0, inf)"},
      {"momentum", s.momentum, below_1(s.momentum), "[0, 1)"},
      {"max_grad_norm", s.max_grad_norm, at_least_0(s.max_grad_norm), "[0, inf), 0: off"},
      {"max_grad_value", s.max_grad_value, at_least_0(s.max_grad_value), "[0, inf), 0: off"},
      {"ema_decay", s.ema_decay, below_1(s.ema_decay), "[0, 1), 0: no average"},
      {"phi_min", s.phi_min, at_least_0(s.phi_min), "[0, inf)"},
      {"phi_max", s.phi_max, s.phi_max == 0 || (s.phi_max >= s.phi_min && s.phi_max < inf),
       "[optim.phi_min, inf), or 0: none"},
      {"ratio_min", s.ratio_min, at_least_0(s.ratio_min), "[0, inf)"},
      {"ratio_max", s.ratio_max,
       s.ratio_max == 0 || (s.ratio_max >= s.ratio_min && s.ratio_max < inf),
       "[optim.ratio_min, inf), or 0: none"},
  };
  for (const Range& range : ranges) {
    if (!range.ok) return OutOfRange(range.key, range.value, range.expected);
  }
  return {};
}

Status CheckWord(const char* key, const std::string& value,
                 const std::vector<std::string>& expected) {
  if (std::find(expected.begin(), expected.end(), value) != expected.end()) return {};
  return NotOneOf(key, value, expected);
}

// A word that the optimizer would not look at, or could not mean, is a mistake.
Status CheckCorrection(const OptimSettings& s) {
  const std::string& word = s.bias_correction;
  if (s.name == "sgd" && word != "moments") {
    return {Code::kInvalidArgument, "optim.bias_correction is '" + word +
                                        "', but sgd has no moments to correct: leave it out"};
  }
  if ((s.name == "adam" || s.name == "adamw") && word == "none") {
    return {Code::kInvalidArgument, "optim.bias_correction is 'none', which is not " + s.name +
                                        ": expected moments (torch's) or step_size (Keras's)"};
  }
  return {};
}

}  // namespace

Status OutOfRange(const std::string& key, double value, const std::string& expected) {
  char number[40];
  std::snprintf(number, sizeof number, "%.9g", value);
  return {Code::kInvalidArgument, "optim." + key + " is " + number + ": expected " + expected};
}

Status NotOneOf(const std::string& key, const std::string& value,
                const std::vector<std::string>& expected) {
  std::string text = "optim." + key + " is '" + value + "': expected ";
  for (size_t i = 0; i < expected.size(); ++i) text += (i ? " | " : "") + expected[i];
  const std::string near = Nearest(value, expected);
  if (!near.empty()) text += " (did you mean " + near + "?)";
  return {Code::kInvalidArgument, text};
}

std::vector<std::string> Words(const std::string& list) {
  std::vector<std::string> words(1);
  for (char c : list) {
    if (c == ',') words.emplace_back();
    if (c != ',' && c != ' ') words.back() += c;
  }
  words.erase(std::remove(words.begin(), words.end(), ""), words.end());
  return words;
}

Status CheckOptions(const OptimSettings& s) {
  STEMMA_RETURN_IF_ERROR(CheckWord("name", s.name, {"lamb", "lars", "sgd", "adamw", "adam"}));
  STEMMA_RETURN_IF_ERROR(CheckRanges(s));
  STEMMA_RETURN_IF_ERROR(CheckVariant(s));
  STEMMA_RETURN_IF_ERROR(
      CheckWord("bias_correction", s.bias_correction, {"moments", "none", "step_size"}));
  STEMMA_RETURN_IF_ERROR(CheckCorrection(s));
  STEMMA_RETURN_IF_ERROR(CheckWord("on_nonfinite", s.on_nonfinite, {"stop", "skip"}));
  STEMMA_RETURN_IF_ERROR(CheckLossScaling(s));
  if (s.max_grad_norm > 0 && s.max_grad_value > 0) {
    return {Code::kInvalidArgument,
            "optim.max_grad_norm and optim.max_grad_value are both set: clip by one of them"};
  }
  for (const std::string& role : Words(s.exclude)) {
    STEMMA_RETURN_IF_ERROR(
        CheckWord("exclude", role, {"weight", "bias", "norm_scale", "norm_shift", "embedding"}));
  }
  if (s.name == "sgd" && s.nesterov && s.momentum == 0) {
    return {Code::kInvalidArgument,
            "optim.nesterov is true but optim.momentum is 0: give it a momentum in (0, 1)"};
  }
  return {};
}

uint64_t DigestOfOptions(const OptimSettings& s) {
  Encoder out;
  for (const std::string& word :
       {s.name, s.adapt, s.bias_correction, s.exclude, s.schedule, s.step_factors, s.on_nonfinite,
        s.warmup, s.cycle, s.lr_scaling, s.loss_scaling, s.clip_scope, s.adapt_roles, s.decay,
        s.lars_variant, s.recipe}) {
    out.String(word);
  }
  for (double number : {s.lr,         s.weight_decay,   s.beta1,          s.beta2,
                        s.eps,        s.momentum,       s.max_grad_norm,  s.phi_min,
                        s.phi_max,    s.ratio_min,      s.ratio_max,      s.poly_power,
                        s.lr_min,     s.lr_start,       s.plateau_factor, s.plateau_delta,
                        s.loss_scale, s.max_grad_value, s.ema_decay,      s.trust_coefficient,
                        s.lars_clamp}) {
    out.F64(number);
  }
  for (int64_t number : {s.cycle_mult, s.lr_batch, s.plateau_patience, s.loss_scale_steps}) {
    out.I64(number);
  }
  out.I64(s.warmup_steps);
  out.I64(s.warmup_origin);
  for (bool flag : {s.nesterov, s.eps_inside_sqrt, s.grad_averaging, s.clip_to_lr}) {
    out.U8(flag ? 1 : 0);
  }
  // Last and only then, so that states of older programs say the same of the same options.
  if (s.plateau_on != "loss") out.String(s.plateau_on);
  return Xxh64(out.bytes());
}

}  // namespace stemma::optim
