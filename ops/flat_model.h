// A model whose trainable parameters, gradients and averaged buffers lie in flat memory of the
// communicator. The module's tensors stay what they are (identity, autograd, strides); only the
// memory under them is another. So a bucket needs no copy in and no copy out, and an optimizer or a
// capture sees a few long arrays.
//
// Gradients are aliases made with set_(storage, offset, sizes, strides), not views: a view cannot
// be detached in place, which every optimizer's zero_grad does.
//
// Owner: the Reducer; the world outlives it. One thread at a time. Functions that are not Status
// throw what LibTorch throws: call them inside Guard.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "ops/bucket_hook.h"
#include "ops/model.h"
#include "ops/plan.h"
#include "ops/reducer.h"

namespace stemma::ops {

class FlatModel {
 public:
  FlatModel(comm::World& world, Plan plan, Model model);
  ~FlatModel();  // every tensor gets memory of its own again
  FlatModel(const FlatModel&) = delete;

  // Allocates flat memory and moves the tensors there. This rank alone.
  Status Move();
  // Every rank gets rank 0's parameters (frozen ones too) and buffers. Collective.
  Status Broadcast();
  // Every rank gets rank 0's buffers that are not averaged. Collective.
  Status BroadcastCounters();
  // XXH3 over the elements of all parameters and buffers, in registration order.
  uint64_t Digest() const;

  // Gives slots whose .grad is not the alias their alias back; returns how many.
  uint64_t ReattachGradients();
  bool GradientIsAlias(size_t slot) const;
  const std::vector<at::Tensor>& gradients() const { return gradients_; }  // per slot: the alias
  // Copies a gradient that is not the alias into the bucket (if there is one) and gives the alias
  // back; returns the bytes copied.
  uint64_t TakeBackGradient(size_t slot);
  // Makes the slot's .grad undefined until ReattachGradients, which does not count it.
  void DropGradient(size_t slot);
  void ScaleGradients(double factor);
  // Is every tensor still the one that was moved? Names the first that is not.
  Status CheckUnchanged() const;

  // Adds to the plan's text and digest. The same on all ranks.
  void ExtendPlan(const std::string& text);

  const Plan& plan() const { return plan_; }
  const Model& model() const { return model_; }
  const std::vector<FlatSpace>& spaces() const { return spaces_; }
  const std::vector<at::Tensor>& averaged() const { return averaged_; }  // 1-D, one per dtype
  std::vector<Bucket> Buckets() const;  // the plan's, over the flat gradients
  const Parameter& parameter(size_t slot) const;
  const FlatSpace& space(size_t slot) const;

 private:
  struct AveragedPlace {
    size_t buffer, flat;
    int64_t offset;
  };
  Status MoveParameters();
  Status MoveAveragedBuffers();
  Status BroadcastFlat(const at::Tensor& flat, const std::string& what);
  Status BroadcastPacked(const std::vector<at::Tensor>& tensors, const std::string& what);
  std::vector<at::Tensor> Frozen() const;
  std::vector<at::Tensor> Counters() const;  // buffers that are not averaged

  comm::World& world_;
  Plan plan_;
  Model model_;
  std::vector<FlatSpace> spaces_;
  std::vector<at::Tensor> averaged_;
  std::vector<AveragedPlace> averaged_places_;
  std::vector<at::Tensor> gradients_;  // per slot: the alias
  std::vector<bool> dropped_;          // per slot: .grad is undefined on purpose
  std::vector<const void*> expected_;  // per slot: where the parameter's elements are
};

}  // namespace stemma::ops
