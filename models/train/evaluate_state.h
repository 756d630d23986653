// The evaluation of a state that lies in a store, by itself: its parameters and buffers are read
// into a new workload, and the held-out samples go through it once, as evaluation.h does inside a
// training. The same ranks, settings and state give the bits that the training found at that step.
//
//   STEMMA_ASSIGN_OR_RETURN(const Score score,
//                           EvaluateState(settings, *store, record, *world, MakeWorkload));
//
// Each rank reads the model for itself; of the optimizer's part of the state the averages are read,
// in the parameters' place, with validate.weights = average, and else nothing. Collective;
// thread: the caller's. Failure, the same on all ranks: what the store says of bytes that are gone
// or damaged, kIncompatible for a tensor of another size, which `settings` of another model are,
// and what evaluation.h says. LibTorch's exceptions end here.
#pragma once

#include "core/status.h"
#include "lineage/store.h"
#include "models/train/evaluation.h"
#include "models/train/settings.h"
#include "models/train/trainer.h"
#include "ops/world.h"

namespace stemma::models {

Result<Score> EvaluateState(const RunSettings& settings, const lineage::Store& store,
                            const lineage::Record& record, ops::World& world,
                            const WorkloadFactory& make);

}  // namespace stemma::models
