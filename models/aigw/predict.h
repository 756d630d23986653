// What a trained network says of mergers: its weights out of a state, its outputs as parameters.
//
//   AigwNetwork network({settings.last}, 0);
//   STEMMA_RETURN_IF_ERROR(LoadNetwork(*state, AigwWeights::kTrained, &network));
//   STEMMA_ASSIGN_OR_RETURN(const auto readings,
//                           ReadMergers(&network, settings, AigwSplit::kTest, 1000));
//
// In evaluation mode, where batch norm uses its running statistics, the last `last` outputs depend
// on 254 samples more than those and on none before: the input is cut to them, which gives the same
// numbers to rounding at a tenth of the price on the published window. (In training it would not:
// batch norm averages over the whole window.)
//
// Thread: one. Failure: kIncompatible names the tensor that the state lacks or has in another
// shape. LibTorch's exceptions leave every function.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "lineage/reader/state_reader.h"
#include "models/aigw/combine.h"
#include "models/aigw/dataset.h"
#include "models/aigw/network.h"
#include "models/aigw/settings.h"

namespace stemma::models {

enum class AigwWeights { kTrained, kAverage };  // kAverage: optim/ema, kept with optim.ema_decay

// Parameters and batch norm's statistics.
Status LoadNetwork(lineage::StateReader& state, AigwWeights weights, AigwNetwork* network);

// The first `count` mergers of the split, in order. kInvalidArgument: see Check(settings).
// kNotFinite: an output is not finite, and names the merger. REQUIRES: count > 0
Result<std::vector<Reading>> ReadMergers(AigwNetwork* network, const AigwSettings& settings,
                                         AigwSplit split, int64_t count);

}  // namespace stemma::models
