// Where a forward says which parameter it is about to use. While a state is being restored,
// parameters arrive one after the other, and a layer can be computed when its own are there; at any
// other time there is no gate and nobody asks. LibTorch's C++ modules have no hooks before their
// forward, so a network asks itself, at the one place where it takes a parameter:
//
//   at::Tensor Network::Parameter(size_t i) const {
//     if (gate_ != nullptr) gate_->Await(i);
//     return parameters_[i].tensor;
//   }
//
// Buffers need no gate: they are whole before the first forward. Thread: the loop's. Owner: the
// Trainer, which takes the gate away again when all is there.
#pragma once

#include <cstddef>

namespace stemma::models {

class Gate {
 public:
  virtual ~Gate() = default;
  // On return parameter `i`, in the order of Workload::Parameters, holds its value. Throws
  // std::runtime_error when it cannot be had; the Trainer knows why, and that all ranks do.
  virtual void Await(size_t i) = 0;
};

}  // namespace stemma::models
