#include "models/train/course.h"

#include <algorithm>
#include <string>

#include "optim/recipe.h"
#include "optim/units.h"

namespace stemma::models {
namespace {

Status CheckPrecision(const RunSettings& settings) {
  if (settings.train.precision != "float16") return {};
  if (settings.device.kind != "cuda") {
    return {Code::kInvalidArgument,
            "train.precision = float16 needs device.kind = cuda: few CPUs compute in float16, and "
            "the others would convert every product to float32 and back. Set train.precision = "
            "bfloat16, which needs no loss scale either"};
  }
  if (settings.optim.loss_scaling != "none") return {};
  return {Code::kInvalidArgument,
          "train.precision = float16 without a loss scale: gradients below 6e-8 would become 0. "
          "Set optim.loss_scaling = dynamic"};
}

Status CheckWeights(const RunSettings& settings) {
  if (settings.validate.weights != "average" || settings.optim.ema_decay > 0) return {};
  return {Code::kInvalidArgument,
          "validate.weights = average and optim.ema_decay = 0: no averages are kept. Set "
          "optim.ema_decay, such as 0.9999, or leave validate.weights at trained"};
}

// The interval in steps; 0: no evaluation.
Result<int64_t> IntervalOf(const RunSettings& settings, int64_t dataset_size) {
  const std::string& every = settings.validate.every;
  if (!every.empty()) return StepsOf("validate.every", every, settings.train, dataset_size);
  const auto needs = [](const std::string& what) {
    return Status(Code::kInvalidArgument,
                  what +
                      " looks at val_loss, and validate.every is \"\", so there is none: set "
                      "validate.every, such as \"1ep\"");
  };
  const auto& optim = settings.optim;
  if (optim.schedule == "plateau" && optim.plateau_on == "val_loss") {
    return needs("optim.plateau_on = val_loss");
  }
  if (settings.train.stop_patience > 0) {
    return needs("train.stop_patience = " + std::to_string(settings.train.stop_patience));
  }
  return 0;
}

}  // namespace

Result<Course> CourseOf(const RunSettings& settings, int64_t dataset_size) {
  STEMMA_RETURN_IF_ERROR(CheckPrecision(settings));
  STEMMA_RETURN_IF_ERROR(CheckWeights(settings));
  Course course;
  STEMMA_ASSIGN_OR_RETURN(course.total_steps, TotalSteps(settings.train, dataset_size));
  STEMMA_ASSIGN_OR_RETURN(
      course.optim, optim::InSteps(settings.optim, {settings.train.global_batch, dataset_size}));
  STEMMA_ASSIGN_OR_RETURN(course.optim,
                          optim::WithRecipe(course.optim, dataset_size, course.total_steps));
  STEMMA_ASSIGN_OR_RETURN(course.validate_every, IntervalOf(settings, dataset_size));
  if (settings.ops.divisor != "samples") {
    return Status(Code::kInvalidArgument,
                  "ops.divisor = " + settings.ops.divisor +
                      ": the trainer's losses are sums over samples and its loader knows every "
                      "batch: leave it at samples");
  }
  return course;
}

int64_t LoaderThreads(const RunSettings& settings, int cores) {
  if (settings.train.loader_threads > 0) return settings.train.loader_threads;
  return settings.device.kind == "cuda" ? std::max(1, cores - 2) : 1;
}

}  // namespace stemma::models
