#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "optim/options.h"
#include "optim/power.h"
#include "optim/units.h"

namespace stemma::optim {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Factor {
  int64_t step = 0;
  double factor = 1;
};

// False when `text` is not "step:factor".
bool Parse(const std::string& text, Factor* out) {
  char* end = nullptr;
  out->step = std::strtoll(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != ':') return false;
  const char* factor = end + 1;
  out->factor = std::strtod(factor, &end);
  return end != factor && *end == '\0' && out->step >= 0 && out->factor >= 0 &&
         std::isfinite(out->factor);
}

Result<std::vector<Factor>> ParseFactors(const std::string& text) {
  const auto bad = [&](const std::string& why) {
    return Status(Code::kInvalidArgument,
                  "optim.step_factors is '" + text + "': " + why +
                      "; expected step:factor, as in 300:0.1,600:0.01 or 30ep:0.1");
  };
  std::vector<Factor> factors;
  for (const std::string& word : Words(text)) {
    Factor factor;
    if (!Parse(word, &factor)) return bad("'" + word + "' cannot be read");
    if (!factors.empty() && factor.step <= factors.back().step) return bad("steps must increase");
    factors.push_back(factor);
  }
  if (factors.empty()) return bad("optim.schedule is steps, but no step is named");
  return factors;
}

// (1 + cos(pi x)) / 2 for x in [0, 1] by sums and products alone: the bits of std::cos depend on
// the processor, and replicas on mixed hosts would drift. A series of sin(y) around x = 1/2; its
// last term is below 1e-18.
double HalfCosine(double x) {
  const double y = kPi * (x - 0.5), y2 = y * y;
  double sum = 0;
  for (int k = 12; k >= 1; --k) sum = (1 + sum) * (-y2 / (2 * k * (2 * k + 1)));
  return (1 - y * (1 + sum)) / 2;
}

double Cosine(const OptimSettings& s, double x) {
  return s.lr_min + (s.lr - s.lr_min) * HalfCosine(x);
}

double Share(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// Steps of the first cycle, which InSteps writes as "1000step"; 0 when there is none.
int64_t CycleOf(const OptimSettings& s) { return std::strtoll(s.cycle.c_str(), nullptr, 10); }

double Restarts(const OptimSettings& s, int64_t step) {
  int64_t length = CycleOf(s);
  if (s.cycle_mult == 1) return Cosine(s, Share(step % length, length));
  for (; step >= length; length *= s.cycle_mult) step -= length;
  return Cosine(s, Share(step, length));
}

double RangeTest(const OptimSettings& s, int64_t total_steps, int64_t step) {
  const int64_t left = total_steps - 1 - step;
  return left <= 0 ? s.lr : s.lr * Power(s.lr_start / s.lr, Share(left, total_steps - 1));
}

double Steps(const OptimSettings& s, int64_t step) {
  double lr = s.lr;
  const auto factors = ParseFactors(s.step_factors);
  if (!factors.ok()) return lr;  // CheckSchedule has refused it
  for (const Factor& factor : *factors) {
    if (step >= factor.step) lr = s.lr * factor.factor;
  }
  return lr;
}

Status CheckCycle(const OptimSettings& s) {
  if (s.schedule != "cosine_restarts") {
    if (s.cycle.empty()) return {};
    return {Code::kInvalidArgument, "optim.cycle is '" + s.cycle + "', but optim.schedule is " +
                                        s.schedule + ": only cosine_restarts has cycles"};
  }
  if (CycleOf(s) < 1) {
    return {Code::kInvalidArgument, "optim.cycle is '" + s.cycle +
                                        "': cosine_restarts needs the length of its first cycle, "
                                        "at least 1 step, as in \"10ep\" or \"1000step\""};
  }
  if (s.cycle_mult < 1 || s.cycle_mult > 1000) {
    return OutOfRange("cycle_mult", static_cast<double>(s.cycle_mult), "1 to 1000");
  }
  return {};
}

// Of schedules that begin at lr_start.
Status CheckStart(const OptimSettings& s) {
  const bool rises = s.schedule == "one_cycle" || s.schedule == "exponential";
  if (!(s.lr_start >= 0) || (rises && s.lr_start > s.lr)) {
    return OutOfRange("lr_start", s.lr_start, "0 to optim.lr");
  }
  if (s.schedule == "one_cycle" && s.warmup_steps < 1) {
    return OutOfRange("warmup_steps", static_cast<double>(s.warmup_steps),
                      "at least 1: one_cycle rises until then");
  }
  if (s.schedule != "exponential") return {};
  if (s.lr_start == 0) {
    return OutOfRange("lr_start", 0, "(0, optim.lr]: exponential multiplies it step by step");
  }
  if (s.warmup_steps == 0) return {};
  return OutOfRange("warmup_steps", static_cast<double>(s.warmup_steps),
                    "0: exponential begins at optim.lr_start and has no warm-up");
}

Status CheckPlateau(const OptimSettings& s) {
  if (s.plateau_on != "loss" && s.plateau_on != "val_loss") {
    return NotOneOf("plateau_on", s.plateau_on, {"loss", "val_loss"});
  }
  if (!(s.plateau_factor > 0) || !(s.plateau_factor < 1)) {
    return OutOfRange("plateau_factor", s.plateau_factor, "(0, 1)");
  }
  if (!(s.plateau_delta >= 0) || !std::isfinite(s.plateau_delta)) {
    return OutOfRange("plateau_delta", s.plateau_delta, "[0, inf)");
  }
  if (s.plateau_patience >= 1) return {};
  return OutOfRange("plateau_patience", static_cast<double>(s.plateau_patience), "[1, inf)");
}

}  // namespace

Status CheckSchedule(const OptimSettings& s, int64_t total_steps) {
  const std::vector<std::string> names = {"constant",        "warmup_linear", "warmup_poly",
                                          "warmup_cosine",   "steps",         "one_cycle",
                                          "cosine_restarts", "exponential",   "plateau"};
  if (std::find(names.begin(), names.end(), s.schedule) == names.end()) {
    return NotOneOf("schedule", s.schedule, names);
  }
  STEMMA_RETURN_IF_ERROR(CheckInSteps(s));
  if (total_steps < 1) {
    return {Code::kInvalidArgument, "a run of " + std::to_string(total_steps) +
                                        " steps has no schedule: at least 1 step is needed"};
  }
  if (s.warmup_steps < 0 || s.warmup_steps > total_steps) {
    return OutOfRange("warmup_steps", static_cast<double>(s.warmup_steps),
                      "0 to the run's " + std::to_string(total_steps) + " steps");
  }
  if (s.warmup_origin != 0 && s.warmup_origin != 1) {
    return OutOfRange("warmup_origin", static_cast<double>(s.warmup_origin), "0 or 1");
  }
  if (!(s.poly_power > 0) || !std::isfinite(s.poly_power)) {
    return OutOfRange("poly_power", s.poly_power, "(0, inf)");
  }
  const bool ends_at_lr_min = s.schedule == "warmup_cosine" || s.schedule == "one_cycle" ||
                              s.schedule == "cosine_restarts" || s.schedule == "plateau";
  if (!(s.lr_min >= 0) || (ends_at_lr_min && s.lr_min > s.lr)) {
    return OutOfRange("lr_min", s.lr_min, "0 to optim.lr");
  }
  STEMMA_RETURN_IF_ERROR(CheckStart(s));
  STEMMA_RETURN_IF_ERROR(CheckCycle(s));
  STEMMA_RETURN_IF_ERROR(CheckPlateau(s));
  if (s.schedule != "steps") return {};
  return ParseFactors(s.step_factors).status();
}

double LearningRate(const OptimSettings& s, int64_t total_steps, int64_t step) {
  const int64_t warmup = s.warmup_steps;
  if (s.schedule == "exponential") return RangeTest(s, total_steps, step);
  if (step < warmup && s.schedule == "one_cycle") {
    const double rising = s.lr + (s.lr_start - s.lr) * HalfCosine(Share(step, warmup));
    return std::max(rising, s.lr_start);  // whatever the last bit of the series
  }
  if (step < warmup) {
    return s.lr * static_cast<double>(step + s.warmup_origin) / static_cast<double>(warmup);
  }
  if (s.schedule == "constant" || s.schedule == "plateau") return s.lr;
  if (s.schedule == "steps") return Steps(s, step);
  if (s.schedule == "cosine_restarts") return Restarts(s, step - warmup);
  const int64_t length = std::max<int64_t>(total_steps - warmup, 1);
  const double x = Share(std::min(step - warmup, length), length);
  if (s.schedule == "warmup_linear") return s.lr * (1 - x);
  if (s.schedule == "warmup_poly") return s.lr * Power(1 - x, s.poly_power);
  return Cosine(s, x);
}

bool LooksAtTheEnd(const std::string& schedule) {
  return schedule != "constant" && schedule != "steps" && schedule != "cosine_restarts" &&
         schedule != "plateau";
}

}  // namespace stemma::optim
