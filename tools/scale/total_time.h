// The time to train on many ranks, predicted from a published time on one: what the text of Figs 2
// to 5 states, and all that their curves are made of.
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<TimeOnRanks> curve,
//                           TimesFromOne("hal", "aigw", kAigwHalOneGpuS, {1, 8, 64}, {1, 200, 2}));
//   curve[2].total_s.p50        12.6 h: the same work as on one rank, without its start, which is
//                               not shared, and with a step as long as 64 ranks make it
//
// The compute time of a sample is held at its value: it stands above and below the line of the
// ratio, so its range says nothing about the result. Deterministic from the seed. Failure: as
// FindSystem, MakeWorkload and Simulate. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/simulate.h"

namespace stemma::scale {

struct TimeOnRanks {
  Prediction prediction;  // of the step
  Quantiles total_s;
};

Result<std::vector<TimeOnRanks>> TimesFromOne(const std::string& system, const std::string& model,
                                              double one_s, const std::vector<int>& ranks,
                                              const Sampling& sampling);

}  // namespace stemma::scale
