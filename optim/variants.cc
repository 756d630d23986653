#include "optim/variants.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "optim/options.h"
#include "optim/presets.h"

namespace stemma::optim {
namespace {

Status CheckWords(const OptimSettings& s) {
  const struct {
    const char* key;
    const std::string& value;
    std::vector<std::string> expected;
  } words[] = {
      {"clip_scope", s.clip_scope, {"reduced", "group", "local"}},
      {"adapt", s.adapt, {"decayed", "all", "list"}},
      {"decay", s.decay, {"in_update", "l2", "decoupled"}},
      {"lars_variant", s.lars_variant, {"inside", "ratio_inside", "outside"}},
      {"recipe", s.recipe, {"none", "untuned-resnet50"}},
  };
  for (const auto& word : words) {
    if (std::count(word.expected.begin(), word.expected.end(), word.value) == 0) {
      return NotOneOf(word.key, word.value, word.expected);
    }
  }
  for (const std::string& role : Words(s.adapt_roles)) {
    const std::vector<std::string> roles = {"weight", "bias", "norm_scale", "norm_shift",
                                            "embedding"};
    if (std::count(roles.begin(), roles.end(), role) == 0) {
      return NotOneOf("adapt_roles", role, roles);
    }
  }
  OptimSettings ignored;
  return ApplyPreset(s.preset, &ignored);
}

// What only one kind of optimizer looks at, with a value that is not the default.
Status CheckOwners(const OptimSettings& s) {
  const OptimSettings plain;
  const struct {
    const char* key;
    bool changed;
    const char* owner;
    const char* why;
  } owned[] = {
      {"preset", s.preset != plain.preset, "lamb", "presets are variants of lamb"},
      {"recipe", s.recipe != plain.recipe, "lamb", "the rule is lamb's"},
      {"decay", s.decay != plain.decay, "lamb",
       "adam's decay is l2, adamw's is decoupled, and that of sgd and lars is l2"},
      {"eps_inside_sqrt", s.eps_inside_sqrt, "lamb", "only lamb looks at it"},
      {"grad_averaging", !s.grad_averaging, "lamb", "only lamb looks at it"},
      {"phi_min", s.phi_min != 0, "lamb", "phi_min and phi_max are lamb's"},
      {"phi_max", s.phi_max != 0, "lamb", "phi_min and phi_max are lamb's"},
      {"nesterov", s.nesterov, "sgd", "only sgd looks at it"},
      {"lars_variant", s.lars_variant != plain.lars_variant, "lars", "only lars looks at it"},
      {"trust_coefficient", s.trust_coefficient != plain.trust_coefficient, "lars",
       "only lars looks at it"},
      {"clip_to_lr", s.clip_to_lr, "lars", "only lars looks at it"},
      {"lars_clamp", s.lars_clamp != plain.lars_clamp, "lars", "only lars looks at it"},
  };
  for (const auto& option : owned) {
    if (!option.changed || s.name == option.owner) continue;
    return {Code::kInvalidArgument,
            std::string("optim.") + option.key + " is set, but optim.name is '" + s.name + "': " +
                option.why + "; leave it out, or set optim.name = \"" + option.owner + "\""};
  }
  return {};
}

// eps is looked at by all but sgd, and recipes for several optimizers set it.
Status CheckMoments(const OptimSettings& s) {
  const OptimSettings plain;
  const bool momentum = s.name == "sgd" || s.name == "lars";
  const struct {
    const char* key;
    bool ignored;
    const char* owners;
  } moments[] = {{"momentum", !momentum && s.momentum != plain.momentum, "sgd and lars"},
                 {"beta1", momentum && s.beta1 != plain.beta1, "lamb, adam and adamw"},
                 {"beta2", momentum && s.beta2 != plain.beta2, "lamb, adam and adamw"}};
  for (const auto& option : moments) {
    if (!option.ignored) continue;
    const bool first = std::string(option.key) != "beta2";
    return {Code::kInvalidArgument,
            std::string("optim.") + option.key + " is set, but optim.name is '" + s.name +
                "': only " + option.owners + " look at it; leave it out" +
                (first ? std::string(", or set optim.") + (momentum ? "momentum" : "beta1") +
                             ", which is what " + s.name + " has"
                       : "")};
  }
  return {};
}

Status CheckRatio(const OptimSettings& s) {
  if (s.name == "lamb" || s.name == "lars") return {};
  const OptimSettings plain;
  const std::pair<const char*, bool> ratio[] = {{"adapt", s.adapt != plain.adapt},
                                                {"ratio_min", s.ratio_min != 0},
                                                {"ratio_max", s.ratio_max != 0}};
  for (const auto& [key, changed] : ratio) {
    if (!changed) continue;
    return {Code::kInvalidArgument, std::string("optim.") + key + " is set, but " + s.name +
                                        " has no trust ratio: leave it out, or set optim.name to "
                                        "lamb or lars"};
  }
  return {};
}

Status CheckLars(const OptimSettings& s) {
  if (s.name != "lars") return {};
  if (!(s.trust_coefficient > 0 && s.trust_coefficient < 1e300)) {
    return OutOfRange("trust_coefficient", s.trust_coefficient, "(0, inf)");
  }
  if (!(s.lars_clamp >= 0 && s.lars_clamp < 1e300)) {
    return OutOfRange("lars_clamp", s.lars_clamp, "[0, inf), 0: off");
  }
  if (s.bias_correction == "moments") return {};
  return {Code::kInvalidArgument, "optim.bias_correction is '" + s.bias_correction +
                                      "', but lars has no moments to correct: leave it out"};
}

}  // namespace

Status CheckVariant(const OptimSettings& s) {
  STEMMA_RETURN_IF_ERROR(CheckWords(s));
  STEMMA_RETURN_IF_ERROR(CheckOwners(s));
  STEMMA_RETURN_IF_ERROR(CheckMoments(s));
  STEMMA_RETURN_IF_ERROR(CheckRatio(s));
  if (s.adapt == "list" && Words(s.adapt_roles).empty()) {
    return {Code::kInvalidArgument,
            "optim.adapt is 'list' and optim.adapt_roles is empty: name roles, such as "
            "\"weight,embedding\", or set optim.adapt to decayed or all"};
  }
  if (s.clip_scope == "local") {
    return {Code::kInvalidArgument,
            "optim.clip_scope is 'local'" +
                std::string(s.preset == "author" ? " (of preset author)" : "") +
                ": gradients are summed over the ranks bucket by bucket while backward still "
                "runs, before the norm of a rank's own gradient is known. Set optim.clip_scope = "
                "\"reduced\", which clips the averaged gradient and does the same as long as "
                "nothing is clipped"};
  }
  return CheckLars(s);
}

}  // namespace stemma::optim
