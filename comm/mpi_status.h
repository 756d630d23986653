// The only place where MPI's return codes become a Status. They arrive only on communicators whose
// error handler returns them (comm/mpi_group.h sees to that): MPI's default ends the process, and
// then no check of a return code ever fires.
//
//   STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_rank(comm, &rank)));
//
// The text names the call and says what MPI says. A wrong argument of ours is kInternal; everything
// else means that a peer or the network is gone: kPeerLost. Any thread.
#pragma once

#include "core/status.h"

namespace stemma::comm {

Status FromMpi(int rc, const char* call);

}  // namespace stemma::comm

#define STEMMA_MPI(call) ::stemma::comm::FromMpi((call), #call)
