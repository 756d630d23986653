#include "ops/flat_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <utility>

#include "core/digest.h"
#include "ops/guard.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

constexpr int64_t kAlign = 64;  // bytes

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A tensor of `like`'s sizes and strides over `flat`, `offset` elements from its start.
at::Tensor Alias(const at::Tensor& flat, int64_t offset, const at::Tensor& like) {
  at::Tensor alias = at::empty({0}, flat.options());
  return alias.set_(flat.storage(), offset, like.sizes(), like.strides());
}

void MoveInto(const at::Tensor& flat, int64_t offset, at::Tensor& tensor) {
  const at::NoGradGuard no_grad;
  at::Tensor alias = Alias(flat, offset, tensor);
  alias.copy_(tensor.detach());
  tensor.set_data(alias);
}

void MoveOut(at::Tensor& tensor) {
  const at::NoGradGuard no_grad;
  tensor.set_data(tensor.detach().clone(at::MemoryFormat::Preserve));
}

// The memory of a dense tensor as bytes; writing to it writes to the tensor.
at::Tensor BytesOf(const at::Tensor& tensor) {
  const auto size = static_cast<int64_t>(tensor.element_size());
  at::Tensor bytes = at::empty({0}, at::TensorOptions(at::kByte).device(tensor.device()));
  return bytes.set_(tensor.storage(), tensor.storage_offset() * size, {tensor.numel() * size}, {1});
}

}  // namespace

FlatModel::FlatModel(comm::World& world, Plan plan, Model model)
    : world_(world), plan_(std::move(plan)), model_(std::move(model)) {}

FlatModel::~FlatModel() {
  const Status ignored = Guard("flat memory", [&]() -> Status {
    for (size_t s = 0; s < expected_.size(); ++s) {
      at::Tensor& tensor = model_.parameters[plan_.slots[s].parameter].tensor;
      if (tensor.data_ptr() != expected_[s]) continue;  // the user gave it other memory
      if (tensor.grad().defined() && GradientIsAlias(s)) {
        tensor.mutable_grad() = tensor.grad().clone(at::MemoryFormat::Preserve);
      }
      MoveOut(tensor);
    }
    for (const AveragedPlace& place : averaged_places_) {
      at::Tensor& tensor = model_.buffers[place.buffer].tensor;
      if (tensor.is_alias_of(averaged_[place.flat])) MoveOut(tensor);
    }
    return {};
  });
  static_cast<void>(ignored);  // a destructor has nobody to tell; the memory stays alive by itself
}

const Parameter& FlatModel::parameter(size_t slot) const {
  return model_.parameters[plan_.slots[slot].parameter];
}

const FlatSpace& FlatModel::space(size_t slot) const {
  return spaces_[plan_.buckets[plan_.slots[slot].bucket].segment];
}

std::vector<Bucket> FlatModel::Buckets() const {
  std::vector<Bucket> buckets;
  for (size_t b = 0; b < plan_.buckets.size(); ++b) {
    const BucketInfo& info = plan_.buckets[b];
    Bucket bucket;
    bucket.index = b;
    bucket.gradients = spaces_[info.segment].gradients.narrow(0, info.offset, info.count);
    bucket.what = "bucket " + std::to_string(b) + " (" + parameter(info.slots.front()).name +
                  " .. " + parameter(info.slots.back()).name + ")";
    buckets.push_back(std::move(bucket));
  }
  return buckets;
}

Status FlatModel::Move() {
  return Guard("flat memory", [&]() -> Status {
    STEMMA_RETURN_IF_ERROR(MoveParameters());
    return MoveAveragedBuffers();
  });
}

Status FlatModel::MoveParameters() {
  for (const SegmentInfo& segment : plan_.segments) {
    const std::string dtype(NameOf(segment.dtype));
    STEMMA_ASSIGN_OR_RETURN(
        at::Tensor parameters,
        AllocateFlat(world_, segment.count, segment.dtype, "parameters " + dtype));
    STEMMA_ASSIGN_OR_RETURN(at::Tensor gradients, AllocateFlat(world_, segment.count, segment.dtype,
                                                               "gradients " + dtype));
    spaces_.push_back({segment.dtype, std::move(parameters), std::move(gradients)});
  }
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    at::Tensor& tensor = model_.parameters[plan_.slots[s].parameter].tensor;
    MoveInto(space(s).parameters, plan_.slots[s].offset, tensor);
    gradients_.push_back(Alias(space(s).gradients, plan_.slots[s].offset, tensor));
    expected_.push_back(tensor.data_ptr());
    dropped_.push_back(false);
    tensor.mutable_grad() = gradients_.back();
  }
  return {};
}

Status FlatModel::MoveAveragedBuffers() {
  std::vector<std::pair<DType, int64_t>> counts;  // per flat tensor
  for (size_t b = 0; b < model_.buffers.size(); ++b) {
    const Buffer& buffer = model_.buffers[b];
    if (!buffer.averaged) continue;
    STEMMA_ASSIGN_OR_RETURN(const DType dtype, DTypeOf(buffer.tensor));
    size_t f = 0;
    while (f < counts.size() && counts[f].first != dtype) ++f;
    if (f == counts.size()) counts.emplace_back(dtype, 0);
    const auto align = kAlign / static_cast<int64_t>(SizeOf(dtype));
    averaged_places_.push_back({b, f, counts[f].second});
    counts[f].second = RoundUp(counts[f].second + buffer.tensor.numel(), align);
  }
  for (const auto& [dtype, count] : counts) {
    STEMMA_ASSIGN_OR_RETURN(at::Tensor flat,
                            AllocateFlat(world_, count, dtype, "averaged buffers"));
    averaged_.push_back(std::move(flat));
  }
  for (const AveragedPlace& place : averaged_places_) {
    MoveInto(averaged_[place.flat], place.offset, model_.buffers[place.buffer].tensor);
  }
  return {};
}

Status FlatModel::BroadcastFlat(const at::Tensor& flat, const std::string& what) {
  STEMMA_ASSIGN_OR_RETURN(const comm::Span span, SpanOf(flat, what));
  comm::CallOptions options;
  options.what = "broadcast of " + what;
  options.stream = StreamOf(flat.device());
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, world_.data().Broadcast(span, 0, options));
  return work.Wait();
}

std::vector<at::Tensor> FlatModel::Frozen() const {
  std::vector<at::Tensor> tensors;
  for (const Parameter& p : model_.parameters) {
    if (!p.tensor.requires_grad() && p.tensor.numel() > 0) tensors.push_back(p.tensor);
  }
  return tensors;
}

std::vector<at::Tensor> FlatModel::Counters() const {
  std::vector<at::Tensor> tensors;
  for (const Buffer& b : model_.buffers) {
    if (!b.averaged && b.tensor.numel() > 0) tensors.push_back(b.tensor);
  }
  return tensors;
}

// Tensors of any types in one call.
Status FlatModel::BroadcastPacked(const std::vector<at::Tensor>& tensors, const std::string& what) {
  if (tensors.empty()) return {};
  int64_t total = 0;
  for (const at::Tensor& t : tensors) total += RoundUp(static_cast<int64_t>(t.nbytes()), kAlign);
  STEMMA_ASSIGN_OR_RETURN(at::Tensor staging, AllocateFlat(world_, total, DType::kU8, what));
  const auto for_each = [&](auto&& copy) {
    int64_t offset = 0;
    for (const at::Tensor& t : tensors) {
      const auto bytes = static_cast<int64_t>(t.nbytes());
      copy(staging.narrow(0, offset, bytes), BytesOf(t));
      offset += RoundUp(bytes, kAlign);
    }
  };
  for_each([](at::Tensor packed, const at::Tensor& bytes) { packed.copy_(bytes); });
  STEMMA_RETURN_IF_ERROR(BroadcastFlat(staging, what));
  for_each([](const at::Tensor& packed, at::Tensor bytes) { bytes.copy_(packed); });
  return {};
}

Status FlatModel::Broadcast() {
  return Guard("broadcast", [&]() -> Status {
    for (const FlatSpace& space : spaces_) {
      STEMMA_RETURN_IF_ERROR(BroadcastFlat(space.parameters, "parameters"));
    }
    for (const at::Tensor& flat : averaged_) {
      STEMMA_RETURN_IF_ERROR(BroadcastFlat(flat, "averaged buffers"));
    }
    std::vector<at::Tensor> rest = Frozen();
    for (const at::Tensor& counter : Counters()) rest.push_back(counter);
    return BroadcastPacked(rest, "frozen tensors and counters");
  });
}

Status FlatModel::BroadcastCounters() {
  return Guard("BroadcastBuffers", [&] { return BroadcastPacked(Counters(), "counters"); });
}

uint64_t FlatModel::Digest() const {
  uint64_t digest = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.numel() == 0) return;
    const at::Tensor bytes = BytesOf(tensor).cpu();
    digest = Xxh64({static_cast<const char*>(bytes.data_ptr()), bytes.nbytes()}, digest);
  };
  for (const Parameter& p : model_.parameters) add(p.tensor);
  for (const Buffer& b : model_.buffers) add(b.tensor);
  return digest;
}

bool FlatModel::GradientIsAlias(size_t slot) const {
  const at::Tensor& gradient = parameter(slot).tensor.grad();
  return gradient.defined() && gradient.data_ptr() == gradients_[slot].data_ptr() &&
         gradient.scalar_type() == gradients_[slot].scalar_type();
}

uint64_t FlatModel::ReattachGradients() {
  uint64_t reattached = 0;
  for (size_t s = 0; s < gradients_.size(); ++s) {
    if (GradientIsAlias(s)) continue;
    model_.parameters[plan_.slots[s].parameter].tensor.mutable_grad() = gradients_[s];
    if (!dropped_[s]) ++reattached;
  }
  dropped_.assign(dropped_.size(), false);
  return reattached;
}

uint64_t FlatModel::TakeBackGradient(size_t slot) {
  const at::NoGradGuard no_grad;
  at::Tensor& tensor = model_.parameters[plan_.slots[slot].parameter].tensor;
  const at::Tensor gradient = tensor.grad();
  if (gradient.defined()) gradients_[slot].copy_(gradient.detach());
  tensor.mutable_grad() = gradients_[slot];
  return gradient.defined() ? gradient.nbytes() : 0;
}

void FlatModel::DropGradient(size_t slot) {
  model_.parameters[plan_.slots[slot].parameter].tensor.mutable_grad().reset();
  dropped_[slot] = true;
}

void FlatModel::ScaleGradients(double factor) {
  for (const FlatSpace& space : spaces_) at::Tensor(space.gradients).mul_(factor);
}

void FlatModel::ExtendPlan(const std::string& text) {
  plan_.text += text;
  plan_.digest = Sha256(plan_.text);
}

Status FlatModel::CheckUnchanged() const {
  const auto moved = [](const std::string& name, const at::Tensor& now) -> Status {
    return {Code::kInvalidArgument,
            "\"" + name + "\" (now " + std::string(c10::toString(now.scalar_type())) + " on " +
                now.device().str() +
                ") is no longer in the memory that the Reducer gave it: call "
                "model->to(...) before Reducer::Create, and change values with copy_"};
  };
  std::vector<bool> planned(model_.parameters.size(), false);
  for (size_t s = 0; s < expected_.size(); ++s) {
    planned[plan_.slots[s].parameter] = true;
    const Parameter& p = parameter(s);
    if (p.tensor.data_ptr() == expected_[s] &&
        p.tensor.scalar_type() == gradients_[s].scalar_type()) {
      continue;
    }
    return moved(p.name, p.tensor);
  }
  for (size_t i = 0; i < planned.size(); ++i) {
    const Parameter& p = model_.parameters[i];
    if (planned[i] || !p.tensor.requires_grad()) continue;
    return {Code::kInvalidArgument, "\"" + p.name +
                                        "\" was frozen when the plan was made and is trainable "
                                        "now: call Replan() on all ranks, and make the "
                                        "optimizer again"};
  }
  for (const AveragedPlace& place : averaged_places_) {
    const Buffer& b = model_.buffers[place.buffer];
    const at::Tensor& flat = averaged_[place.flat];
    const bool there = b.tensor.scalar_type() == flat.scalar_type() && b.tensor.is_alias_of(flat) &&
                       b.tensor.storage_offset() == place.offset;
    if (!there) return moved(b.name, b.tensor);
  }
  return {};
}

}  // namespace stemma::ops
