#include "ops/tensor_bytes.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>
#include <string>
#include <utility>

#include "ops/guard.h"

namespace stemma::ops {
namespace {

constexpr std::pair<at::ScalarType, DType> kTypes[] = {
    {at::kByte, DType::kU8},   {at::kChar, DType::kI8},       {at::kShort, DType::kI16},
    {at::kInt, DType::kI32},   {at::kLong, DType::kI64},      {at::kHalf, DType::kF16},
    {at::kFloat, DType::kF32}, {at::kBFloat16, DType::kBF16}, {at::kDouble, DType::kF64},
    {at::kBool, DType::kBool},
};

}  // namespace

Result<DType> DTypeOf(const at::Tensor& tensor) {
  for (const auto& [theirs, ours] : kTypes) {
    if (tensor.scalar_type() == theirs) return ours;
  }
  return Status(Code::kInvalidArgument, std::string("element type ") +
                                            c10::toString(tensor.scalar_type()) +
                                            " cannot be moved between ranks");
}

at::ScalarType ScalarTypeOf(DType dtype) {
  for (const auto& [theirs, ours] : kTypes) {
    if (dtype == ours) return theirs;
  }
  return at::ScalarType::Undefined;
}

Result<comm::Span> SpanOf(const at::Tensor& tensor, std::string_view name) {
  const auto quoted = [&] { return '"' + std::string(name) + '"'; };
  if (!tensor.defined()) return Status(Code::kInvalidArgument, quoted() + " is undefined");
  if (tensor.layout() != at::kStrided || !tensor.is_non_overlapping_and_dense()) {
    return Status(Code::kInvalidArgument, quoted() +
                                              " does not fill one piece of memory: pass "
                                              "tensor.contiguous() and copy the result back");
  }
  const Result<DType> dtype = DTypeOf(tensor);
  if (!dtype.ok()) return Status(dtype.status()).Within(quoted());
  return comm::Span{tensor.data_ptr(), tensor.numel(), *dtype};
}

at::Device DeviceOf(const comm::World& world) {
  if (!world.on_gpu()) return at::kCPU;
  return {at::kCUDA, static_cast<c10::DeviceIndex>(world.gpu_index())};
}

void* StreamOf(at::Device device) {
  if (device.is_cpu()) return nullptr;
  const c10::impl::VirtualGuardImpl backend(device.type());
  return backend.getStream(device).native_handle();
}

Result<at::Tensor> AllocateFlat(comm::World& world, int64_t count, DType dtype,
                                std::string_view what) {
  const int64_t bytes = count * static_cast<int64_t>(SizeOf(dtype));
  STEMMA_ASSIGN_OR_RETURN(auto segment, world.data().Allocate(bytes, what));
  // Shared with the storage's deleter: an alias that a user keeps must not outlive its memory.
  std::shared_ptr<comm::Segment> owner = std::move(segment);
  at::Tensor flat;
  const at::Device device = DeviceOf(world);
  STEMMA_RETURN_IF_ERROR(Guard("flat memory", [&]() -> Status {
    const auto options = at::TensorOptions(ScalarTypeOf(dtype)).device(device);
    flat = at::for_blob(owner->data(), {count})
               .deleter([owner](void*) {})
               .options(options)
               .target_device(device)
               .make_tensor();
    return {};
  }));
  return flat;
}

}  // namespace stemma::ops
