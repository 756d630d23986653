#include "optim/optimizer.h"

#include "ops/guard.h"
#include "optim/adamw.h"
#include "optim/lamb.h"
#include "optim/lars.h"
#include "optim/options.h"
#include "optim/schedule.h"
#include "optim/sgd.h"

namespace stemma::optim {

Result<std::unique_ptr<Optimizer>> Make(const OptimSettings& settings, int64_t total_steps,
                                        ops::Reducer& reducer) {
  STEMMA_RETURN_IF_ERROR(CheckOptions(settings));
  STEMMA_RETURN_IF_ERROR(CheckSchedule(settings, total_steps));
  if (reducer.plan().settings.unused == "keep_none") {
    return Status(Code::kInvalidArgument,
                  "optim.name = \"" + settings.name +
                      "\" updates whole flat arrays and cannot leave out a parameter that nobody "
                      "used: set ops.unused to zero or error, or use an optimizer of LibTorch");
  }
  STEMMA_ASSIGN_OR_RETURN(std::vector<Space> spaces, MakeSpaces(settings, reducer));
  std::unique_ptr<Optimizer> made;
  STEMMA_RETURN_IF_ERROR(ops::Guard("memory for the optimizer's state", [&]() -> Status {
    if (settings.name == "lamb") {
      made = std::make_unique<Lamb>(settings, total_steps, reducer, std::move(spaces));
    } else if (settings.name == "lars") {
      made = std::make_unique<Lars>(settings, total_steps, reducer, std::move(spaces));
    } else if (settings.name == "sgd") {
      made = std::make_unique<Sgd>(settings, total_steps, reducer, std::move(spaces));
    } else {
      made = std::make_unique<AdamW>(settings, total_steps, reducer, std::move(spaces));
    }
    return {};
  }));
  return made;
}

}  // namespace stemma::optim
