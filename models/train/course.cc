#include "models/train/course.h"

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

}  // namespace

Result<Course> CourseOf(const RunSettings& settings, int64_t dataset_size) {
  STEMMA_RETURN_IF_ERROR(CheckPrecision(settings));
  Course course;
  STEMMA_ASSIGN_OR_RETURN(course.total_steps, TotalSteps(settings.train, dataset_size));
  STEMMA_ASSIGN_OR_RETURN(
      course.optim, optim::InSteps(settings.optim, {settings.train.global_batch, dataset_size}));
  STEMMA_ASSIGN_OR_RETURN(course.optim,
                          optim::WithRecipe(course.optim, dataset_size, course.total_steps));
  if (settings.ops.divisor != "samples") {
    return Status(Code::kInvalidArgument,
                  "ops.divisor = " + settings.ops.divisor +
                      ": the trainer's losses are sums over samples and its loader knows every "
                      "batch: leave it at samples");
  }
  return course;
}

}  // namespace stemma::models
