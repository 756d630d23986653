#include "models/train/pace.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace stemma::models {
namespace {

constexpr size_t kRemembered = 8;
constexpr double kShareMax = 0.5;
constexpr double kWorthShortening = 0.75;
constexpr double kSlack = 1.125;  // so that the next costs, a little higher, do not change it again

template <typename T>
void Remember(std::deque<T>* last, T value) {
  last->push_back(value);
  if (last->size() > kRemembered) last->pop_front();
}

}  // namespace

Result<std::optional<PaceLimits>> ParsePace(const lineage::LineageSettings& settings) {
  const std::string& text = settings.budget;
  if (text.empty()) return std::optional<PaceLimits>();
  char* unit = nullptr;
  const double percent = std::strtod(text.c_str(), &unit);
  std::string rest = unit;
  rest.erase(0, rest.find_first_not_of(' '));
  if (unit == text.c_str() || rest != "%" || !(percent > 0 && percent <= 100 * kShareMax)) {
    return Status(Code::kInvalidArgument,
                  "lineage.budget = \"" + text +
                      "\": expected a share of the run time such as \"1%\", above 0% and up to "
                      "50%; \"\" for captures at fixed steps");
  }
  if (settings.every < 1) {
    return Status(Code::kInvalidArgument,
                  "lineage.budget lengthens lineage.every, which is 0 (no periodic captures): set "
                  "it to the fewest steps that may lie between captures");
  }
  if (settings.every_max < settings.every) {
    return Status(Code::kInvalidArgument,
                  "lineage.every_max = " + std::to_string(settings.every_max) +
                      " is less than lineage.every = " + std::to_string(settings.every));
  }
  return std::optional<PaceLimits>({percent / 100, settings.every, settings.every_max});
}

CapturePace::CapturePace(const PaceLimits& limits, int64_t begun_at, int64_t interval)
    : limits_(limits),
      last_(begun_at),
      interval_(std::clamp(std::max(interval, limits.every), limits.every, limits.every_max)) {}

void CapturePace::Observe(double elapsed_s, double held_up_s) {
  elapsed_s_ = elapsed_s;
  held_up_s_ = held_up_s;
}

void CapturePace::Captured(int64_t step) {
  const Cycle cycle = {step - last_, elapsed_s_ - begun_.seconds, held_up_s_ - begun_.held_up_s};
  if (captures_ > 1 && cycle.steps > 0) Remember(&cycles_, cycle);
  begun_ = {0, elapsed_s_, held_up_s_};
  last_ = step;
  ++captures_;
  Choose();
}

// Where the loop had to wait, nobody knows how many steps it would have been.
void CapturePace::Durable(int64_t step, bool waited) {
  Remember(&durable_after_, (step - last_) * (waited ? 2 : 1));
}

std::optional<CapturePace::Costs> CapturePace::MeanCosts() const {
  Cycle sum;
  for (const Cycle& cycle : cycles_) {
    sum.steps += cycle.steps;
    sum.seconds += cycle.seconds;
    sum.held_up_s += cycle.held_up_s;
  }
  const double free_s = sum.seconds - sum.held_up_s;
  if (sum.steps == 0 || !(free_s > 0)) return std::nullopt;
  return Costs{sum.held_up_s / static_cast<double>(cycles_.size()),
               free_s / static_cast<double>(sum.steps)};
}

double CapturePace::Share() const {
  const std::optional<Costs> mean = MeanCosts();
  if (!mean) return 0;
  return mean->capture_s / (mean->capture_s + static_cast<double>(interval_) * mean->step_s);
}

void CapturePace::Choose() {
  const double now = static_cast<double>(interval_);
  double next = now;
  if (const std::optional<Costs> mean = MeanCosts()) {
    const double least = mean->capture_s * (1 - limits_.share) / (limits_.share * mean->step_s);
    const bool holds = least <= now && least > kWorthShortening * now;
    if (!holds) next = std::ceil(kSlack * least);
  }
  for (const int64_t steps : durable_after_) next = std::max(next, static_cast<double>(steps));
  next = std::clamp(next, std::floor(now / 2), 2 * now);
  interval_ = static_cast<int64_t>(
      std::clamp(next, static_cast<double>(limits_.every), static_cast<double>(limits_.every_max)));
}

}  // namespace stemma::models
