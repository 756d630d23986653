// One collective call with its buffers: rewritten before a call, checked after it.
//
//   STEMMA_ASSIGN_OR_RETURN(auto call, MakeCollective("all_reduce", communicator, 1 << 20));
//   call->Rewrite(k);                                    // not timed
//   STEMMA_RETURN_IF_ERROR(call->Run());                 // timed
//   STEMMA_RETURN_IF_ERROR(call->Check(k));              // not timed
//
// `bytes` is what nccl-tests calls the size: of the whole buffer of an all-reduce or a broadcast,
// of all ranks' parts together of the others. Buffers are segments of the communicator. Values are
// small integers in f32, so sums are exact in any order.
//
// Owner: the caller. Collective but for Rewrite and Check.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::bench {

class Collective {
 public:
  virtual ~Collective() = default;
  virtual void Rewrite(int64_t k) = 0;  // every byte that the k-th call reads or writes
  virtual Status Run() = 0;
  // kInternal names the first element that is wrong. Large results are sampled.
  virtual Status Check(int64_t k) const = 0;
  virtual double BusFactor() const = 0;  // busbw / algbw
};

std::vector<std::string> CollectiveNames();
// kInvalidArgument: an unknown name, or what Allocate says.
Result<std::unique_ptr<Collective>> MakeCollective(const std::string& name,
                                                   comm::Communicator& communicator, int64_t bytes);

}  // namespace stemma::bench
