// Before the first step: is the model the same on all ranks, and do its values agree?
//
//   STEMMA_RETURN_IF_ERROR(CompareModels(cohort, model));
//
// Ranks exchange 32 bytes; only when these differ are whole descriptions gathered, and every rank
// writes the same error from them, so that the log of any rank is enough to see what is wrong.
//
// No LibTorch. Collective; the thread of the cohort.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"

namespace stemma::ops {

// What must be equal, in order: name and value of every parameter ("f32[64,3,7,7]"), buffer
// ("f32[64] buffer, averaged") and setting.
struct ModelDescription {
  std::vector<std::pair<std::string, std::string>> entries;
};

// kIncompatible with the same text on all ranks: ranks grouped by what they have, the first entries
// that differ, missing ones, or the first place where the order differs.
Status CompareModels(Cohort& cohort, const ModelDescription& mine);

// kIncompatible when `mine` is not the same on all ranks; names ranks by value. `what` is the
// subject of the error: "parameters and buffers after the broadcast".
Status CompareDigests(Cohort& cohort, uint64_t mine, const std::string& what);

}  // namespace stemma::ops
