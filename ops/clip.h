// Clipping by the global norm for people who own their loop. The trainer's optimizers need none of
// this: optim.max_grad_norm clips with the norm that they take anyway, without another pass.
//
//   STEMMA_RETURN_IF_ERROR(reducer->Wait());
//   STEMMA_ASSIGN_OR_RETURN(double norm, ops::ClipNorm(*reducer, 1.0));
#pragma once

#include "core/status.h"
#include "ops/reducer.h"

namespace stemma::ops {

// The L2 norm of all reduced gradients, before clipping; gradients are multiplied by max_norm /
// norm when it is larger than `max_norm`. Chunks are summed in a fixed order (ops/norm.h), so all
// ranks get the same bits without a message, whatever their number of threads. After Wait() and
// before the next BeginStep; host memory only: on a GPU use optim.max_grad_norm. kInvalidArgument:
// max_norm is not positive, gradients on a GPU or sharded, or a gradient that is not finite, which
// it names; nothing was changed then.
Result<double> ClipNorm(Reducer& reducer, double max_norm);

}  // namespace stemma::ops
