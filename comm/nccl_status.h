// The only place where NCCL's return codes become a Status. Any thread.
//
//   STEMMA_RETURN_IF_ERROR(FromNccl(ncclGetUniqueId(&id), "ncclGetUniqueId"));
//
// NCCL's own text says little ("unhandled cuda error"); what it printed last says more, so both are
// in the message. A wrong argument of ours is kInternal, a remote or system error kPeerLost.
// ncclInProgress is no error and must not come here.
#pragma once

#include <string>

#include "core/status.h"

namespace stemma::comm {

Status FromNccl(int rc, const std::string& call);

}  // namespace stemma::comm
