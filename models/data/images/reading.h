// What readers of many files on a cluster's file system have in common: one rank looks at the
// folders, and a fault that passes is waited for.
#pragma once

#include <functional>
#include <string>

#include "core/cohort.h"
#include "core/status.h"

namespace stemma::models {

// What `look` gives on rank 0, on every rank: N ranks that list a million files would be an attack
// on the metadata server. A failure there is every rank's, with its code and text. Collective.
Result<std::string> LookOnRankZero(Cohort& cohort,
                                   const std::function<Result<std::string>()>& look);

// Calls `read`, and again after 50 and 500 ms when it fails as a network file system does that has
// lost its server for a moment (EIO, ESTALE). Returns the last answer, which says that it came
// three times.
Status ReadPatiently(const std::function<Status()>& read);

}  // namespace stemma::models
