// The passes of the optimizers over one space, wherever its memory lies. An optimizer says which
// pass runs with which numbers; host_passes.cc runs it on the CPU's threads, cuda_passes.cc on a
// GPU (--config=cuda).
//
//   std::unique_ptr<Passes> passes = MakePasses(space, memory);
//   STEMMA_RETURN_IF_ERROR(passes->SumGradients(&squares));     // [tensor]
//   STEMMA_RETURN_IF_ERROR(passes->Adam(scalars, lr, coupled));
//
// Numbers come in double and are rounded once, where the pass runs. The passes themselves set what
// differs from tensor to tensor: grad_scale of excluded roles, `decay`, `l2` and `shrink`, and with
// a trust ratio `step` and `inside`.
//
// On a GPU a pass is put on the current stream and returns at once; only what hands out numbers
// (SumGradients, Ratios) waits. A failed launch is a Status, a failed allocation or copy a
// c10::Error: run them under ops::Guard.
//
// A pass works on the chunks that are this rank's. With a SumExchange (a sharded optimizer)
// SumGradients, Lamb and Lars are collective, and hand out the same numbers on all ranks.
//
// Owner: the optimizer, whose Space, arrays and exchange outlive it. Thread: the loop's.
#pragma once

#include <memory>
#include <vector>

#include "core/status.h"
#include "optim/kernels.h"
#include "optim/space.h"
#include "optim/sum_exchange.h"

namespace stemma::optim {

// p and g from the space's first element, m and v from that of its state arrays. Unused ones are
// null.
struct FlatMemory {
  void* p = nullptr;
  const void* g = nullptr;
  void* m = nullptr;  // sgd, lars: the momentum
  void* v = nullptr;
};

class Passes {
 public:
  virtual ~Passes() = default;
  // By tensor of the space: its gradient's sum of squares, chunks added in order in double.
  virtual Status SumGradients(std::vector<double>* by_tensor) = 0;
  // Both passes, and between them the ratio of every tensor that gets one. k.step is the learning
  // rate without ratio.
  virtual Status Lamb(const Scalars<double>& k, const LambRule& rule) = 0;
  // The parameters' norms, the ratios, the update. REQUIRES: SumGradients for the same gradients.
  virtual Status Lars(const Scalars<double>& k, const LarsRule& rule) = 0;
  // By tensor of the space, of the last Lamb or Lars; empty without one. Tensors without a ratio
  // have ratio 1 and norms 0.
  virtual Status Ratios(std::vector<TrustRatio>* by_tensor) = 0;
  virtual Status Adam(const Scalars<double>& k, double lr, bool coupled) = 0;
  virtual Status Sgd(const Scalars<double>& k) = 0;
};

// For the device that MakeSpaces has accepted. `exchange` is null when nothing is sharded.
std::unique_ptr<Passes> MakePasses(const Space& space, const FlatMemory& memory,
                                   SumExchange* exchange);

}  // namespace stemma::optim
