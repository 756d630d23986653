// How one full bucket of local gradients becomes the group's reduced bucket. The default is one
// all-reduce; compression (ops/compress.h) and sharding are others, and a user may bring one:
//
//   class Halved final : public BucketHook { ... };
//   STEMMA_RETURN_IF_ERROR(reducer->AddHook(std::make_unique<Halved>()));   // on all ranks
//
// Contract: Run is called once per bucket and step, on every rank in the same order, and makes the
// same collective calls there; what it leaves must have the same bits on every rank. It returns
// without waiting for other ranks. An error of Run on one rank alone leaves the peers in that
// bucket, and the step cannot go on: Reducer::stuck. So find fault in Prepare, where all ranks
// return the same error, or in the Work's Wait, which keeps nobody waiting. The Work that it
// returns leaves the result in `bucket.gradients`: what must follow the collective (a cast back)
// happens in its Wait, which the Reducer calls in launch order.
//
// Owner: the Reducer. Thread: Prepare and State the loop's; Run autograd's, one at a time; the
// Work's Wait the loop's. Exceptions of LibTorch may leave all of them: the Reducer turns them into
// a Status.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/world.h"
#include "core/status.h"

namespace stemma::ops {

struct Bucket {
  size_t index = 0;        // plan().buckets[index]
  at::Tensor gradients;    // 1-D, padding included, in memory of the communicator
  std::string what;        // "bucket 4 (layer1.0.bn2.bias .. layer1.0.conv1.weight)"
  double scale = 1;        // the result is the sum over ranks times this; the same on all ranks
  void* stream = nullptr;  // as in comm::CallOptions
};

// A tensor of a hook that exact resume needs.
struct HookState {
  std::string name;  // "feedback/bucket 4"; unique within the hook
  at::Tensor tensor;
  // Differs between ranks (error feedback): every rank must write its own, and another number of
  // ranks cannot have it exactly. False: the same bits on all ranks.
  bool per_rank = false;
};

class BucketHook {
 public:
  virtual ~BucketHook() = default;
  // With its parameters: part of the plan's digest, which ranks compare. "bf16", "powersgd rank 4".
  virtual std::string name() const = 0;
  // Once per plan, before the first step: the only place to allocate. All ranks, in the same order.
  // An error on any rank ends AddHook or Replan on all, and no step can begin.
  virtual Status Prepare(comm::World& world, const std::vector<Bucket>& buckets);
  virtual Result<comm::Work> Run(const Bucket& bucket, comm::Communicator& communicator) = 0;
  virtual std::vector<HookState> State() { return {}; }
};

// One AllReduce of the bucket as it is. kSum takes the bucket's scale; other operators take none.
std::unique_ptr<BucketHook> MakeAllReduce(comm::Op op);

// The options of a call for this bucket.
comm::CallOptions OptionsFor(const Bucket& bucket, comm::Op op);

}  // namespace stemma::ops
