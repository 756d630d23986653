#include "optim/units.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "optim/options.h"

namespace stemma::optim {
namespace {

constexpr double kMostSteps = 1e15;

Status Bad(const std::string& key, const std::string& text, const std::string& why) {
  return {Code::kInvalidArgument, "optim." + key + " is '" + text + "': " + why +
                                      "; write \"782step\", \"5ep\" or \"64000samples\""};
}

Result<int64_t> StepsOf(const std::string& key, const std::string& text, const Pace& pace) {
  char* end = nullptr;
  const double count = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return Bad(key, text, "there is no number");
  if (!(count >= 0)) return Bad(key, text, "it is below 0");
  const std::string unit = end;
  double steps = count;
  if (unit == "ep" || unit == "epoch" || unit == "epochs") {
    if (pace.epoch == 0) return Bad(key, text, "the samples of an epoch are not known");
    steps = count * static_cast<double>(pace.epoch) / static_cast<double>(pace.batch);
  } else if (unit == "samples") {
    steps = count / static_cast<double>(pace.batch);
  } else if (unit == "step" || unit == "steps") {
    if (count != std::floor(count)) return Bad(key, text, "steps are whole");
  } else {
    return Bad(key, text, unit.empty() ? "it has no unit" : "'" + unit + "' is no unit");
  }
  if (!(steps <= kMostSteps)) return Bad(key, text, "that is more steps than can be counted");
  return static_cast<int64_t>(std::floor(steps + 0.5));
}

// "30ep:0.1,60ep:0.01" in steps. What has no unit is in steps already, readable or not: the
// schedule's own check says so.
Result<std::string> FactorsInSteps(const std::string& list, const Pace& pace) {
  std::string out;
  for (const std::string& word : Words(list)) {
    const size_t colon = word.find(':');
    const std::string when = word.substr(0, colon);
    out += out.empty() ? "" : ",";
    if (colon == std::string::npos || when.find_first_not_of("0123456789") == std::string::npos) {
      out += word;
      continue;
    }
    STEMMA_ASSIGN_OR_RETURN(const int64_t step, StepsOf("step_factors", when, pace));
    out += std::to_string(step) + word.substr(colon);
  }
  return out;
}

// A quotient of whole numbers and its root are rounded correctly, so the rate has the same bits on
// every host.
Status ScaleRate(const Pace& pace, OptimSettings* s) {
  const std::string how = s->lr_scaling;
  if (how != "none" && how != "linear" && how != "sqrt") {
    return NotOneOf("lr_scaling", how, {"none", "linear", "sqrt"});
  }
  if (s->lr_batch < 1) return OutOfRange("lr_batch", static_cast<double>(s->lr_batch), "[1, inf)");
  const double times = static_cast<double>(pace.batch) / static_cast<double>(s->lr_batch);
  if (how == "linear") s->lr *= times;
  if (how == "sqrt") s->lr *= std::sqrt(times);
  s->lr_scaling = "none";
  return {};
}

}  // namespace

Result<OptimSettings> InSteps(const OptimSettings& settings, const Pace& pace) {
  OptimSettings s = settings;
  if (pace.batch < 1 || pace.epoch < 0) {
    return Status(Code::kInvalidArgument,
                  "steps of " + std::to_string(pace.batch) + " samples in epochs of " +
                      std::to_string(pace.epoch) + " samples: expected >= 1 and >= 0");
  }
  if (!s.warmup.empty()) {
    if (s.warmup_steps != 0) {
      return Status(Code::kInvalidArgument,
                    "optim.warmup is '" + s.warmup + "' and optim.warmup_steps is " +
                        std::to_string(s.warmup_steps) + ": give one of them");
    }
    STEMMA_ASSIGN_OR_RETURN(s.warmup_steps, StepsOf("warmup", s.warmup, pace));
    s.warmup.clear();
  }
  if (!s.cycle.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const int64_t steps, StepsOf("cycle", s.cycle, pace));
    s.cycle = std::to_string(steps) + "step";
  }
  STEMMA_ASSIGN_OR_RETURN(s.step_factors, FactorsInSteps(s.step_factors, pace));
  STEMMA_RETURN_IF_ERROR(ScaleRate(pace, &s));
  return s;
}

Status CheckInSteps(const OptimSettings& s) {
  const auto unresolved = [](const std::string& key, const std::string& value) {
    return Status(Code::kInvalidArgument,
                  "optim." + key + " is '" + value +
                      "', which needs the batch and the size of the data: give the settings to "
                      "optim::InSteps first, as the trainer does");
  };
  if (!s.warmup.empty()) return unresolved("warmup", s.warmup);
  if (s.lr_scaling != "none") return unresolved("lr_scaling", s.lr_scaling);
  const size_t unit = std::min(s.cycle.find_first_not_of("0123456789"), s.cycle.size());
  const bool in_steps = s.cycle.empty() || s.cycle.substr(unit) == "step";
  return in_steps ? Status() : unresolved("cycle", s.cycle);
}

}  // namespace stemma::optim
