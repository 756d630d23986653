#include "optim/recipe.h"

#include <cmath>
#include <cstdio>

#include "optim/schedule.h"

namespace stemma::optim {
namespace {

constexpr double kBatch = 512, kRate = 0.005, kEpochs = 0.3125;  // at that batch

}  // namespace

double UntunedRate(int64_t global_batch) {
  return kRate * std::sqrt(static_cast<double>(global_batch) / kBatch);
}

Result<OptimSettings> WithRecipe(const OptimSettings& settings, int64_t dataset_size,
                                 int64_t total_steps) {
  OptimSettings filled = settings;
  if (settings.recipe != "none" && settings.warmup_steps == 0) {
    const double steps = kEpochs / kBatch * static_cast<double>(dataset_size);
    filled.warmup_steps = static_cast<int64_t>(std::floor(steps + 0.5));
    if (filled.warmup_steps < 1 || filled.warmup_steps >= total_steps) {
      return Status(Code::kInvalidArgument,
                    "optim.recipe = " + settings.recipe +
                        " warms up for 0.3125 / 512 of the data set's " +
                        std::to_string(dataset_size) + " samples, which is " +
                        std::to_string(filled.warmup_steps) + " of this run's " +
                        std::to_string(total_steps) +
                        " steps: set optim.warmup_steps, train longer, or leave the recipe out");
    }
  }
  STEMMA_RETURN_IF_ERROR(CheckSchedule(filled, total_steps));
  return filled;
}

std::string DescribeRecipe(const OptimSettings& settings, int64_t global_batch,
                           int64_t dataset_size) {
  if (settings.recipe == "none") return "";
  const double epochs = static_cast<double>(settings.warmup_steps) *
                        static_cast<double>(global_batch) / static_cast<double>(dataset_size);
  char text[200];
  std::snprintf(text, sizeof text,
                "%s for a global batch of %lld: lr %.6g, warm-up %lld steps (%.4g epochs)",
                settings.recipe.c_str(), static_cast<long long>(global_batch), settings.lr,
                static_cast<long long>(settings.warmup_steps), epochs);
  return text;
}

}  // namespace stemma::optim
