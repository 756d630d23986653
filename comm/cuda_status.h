// The only place where CUDA's return codes become a Status. Any thread.
//
//   STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaSetDevice(gpu)));
//
// A missing driver or GPU, and one that this process cannot use, is kInvalidArgument (choose
// another device); out of memory is kInvalidArgument too (choose a smaller batch); the rest is
// kInternal.
#pragma once

#include "core/status.h"

namespace stemma::comm {

Status FromCuda(int rc, const char* call);

}  // namespace stemma::comm

#define STEMMA_CUDA(call) ::stemma::comm::FromCuda((call), #call)
