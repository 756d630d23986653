// What every World promises about agreement, as functions of one rank: run by ranks that are
// threads and by ranks that are processes. Each returns the first promise that was broken; the
// texts are compared word for word, because they are what a person sees.
#pragma once

#include "comm/control.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::tests {

// Two ranks raise different flags; all see both, one step later, and `all` flags only when all set
// them. The control word begins and ends here: it was made with lag 1.
Status ControlWordCarriesFlags(comm::Control& control, int rank, int ranks);
// Rank 1 disagrees; the error groups ranks by what they say. Leaves the control word failed.
Status ControlWordNamesDisagreement(comm::Control& control, int rank, int ranks);
Status ControlWordCarriesFailure(comm::Control& control, int rank, int ranks);

Status CohortExchanges(Cohort& cohort);
Status AgreeGivesOneVerdict(Cohort& cohort);
Status AgreeOnGroupsByValue(Cohort& cohort);

}  // namespace stemma::tests
