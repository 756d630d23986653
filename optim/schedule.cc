#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "optim/options.h"
#include "optim/power.h"

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
    return Status(Code::kInvalidArgument, "optim.step_factors is '" + text + "': " + why +
                                              "; expected step:factor, as in 300:0.1,600:0.01");
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

double Steps(const OptimSettings& s, int64_t step) {
  double lr = s.lr;
  const auto factors = ParseFactors(s.step_factors);
  if (!factors.ok()) return lr;  // CheckSchedule has refused it
  for (const Factor& factor : *factors) {
    if (step >= factor.step) lr = s.lr * factor.factor;
  }
  return lr;
}

}  // namespace

Status CheckSchedule(const OptimSettings& s, int64_t total_steps) {
  const std::vector<std::string> names = {"constant", "warmup_linear", "warmup_poly",
                                          "warmup_cosine", "steps"};
  if (std::find(names.begin(), names.end(), s.schedule) == names.end()) {
    return NotOneOf("schedule", s.schedule, names);
  }
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
  if (!(s.lr_min >= 0) || (s.schedule == "warmup_cosine" && s.lr_min > s.lr)) {
    return OutOfRange("lr_min", s.lr_min, "0 to optim.lr");
  }
  if (s.schedule != "steps") return {};
  return ParseFactors(s.step_factors).status();
}

double LearningRate(const OptimSettings& s, int64_t total_steps, int64_t step) {
  const int64_t warmup = s.warmup_steps;
  if (step < warmup) {
    return s.lr * static_cast<double>(step + s.warmup_origin) / static_cast<double>(warmup);
  }
  if (s.schedule == "constant") return s.lr;
  if (s.schedule == "steps") return Steps(s, step);
  const int64_t length = std::max<int64_t>(total_steps - warmup, 1);
  const double x =
      static_cast<double>(std::min(step - warmup, length)) / static_cast<double>(length);
  if (s.schedule == "warmup_linear") return s.lr * (1 - x);
  if (s.schedule == "warmup_poly") return s.lr * Power(1 - x, s.poly_power);
  return s.lr_min + (s.lr - s.lr_min) * HalfCosine(x);
}

}  // namespace stemma::optim
