// Between LibTorch's tensors and comm's spans: element types, devices, streams.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "comm/communicator.h"
#include "comm/world.h"
#include "core/dtype.h"
#include "core/status.h"

namespace stemma::ops {

// kInvalidArgument for types that Stemma does not move (complex, quantized, fp8, ...).
Result<DType> DTypeOf(const at::Tensor& tensor);
at::ScalarType ScalarTypeOf(DType dtype);

// The tensor's elements in the order in which they lie in memory. The tensor outlives the span.
// kInvalidArgument when they do not fill one piece of memory without gaps or overlap: a copy would
// be needed, and a collective on a copy would leave the tensor as it was. `name` is for the error's
// text.
Result<comm::Span> SpanOf(const at::Tensor& tensor, std::string_view name);

// Where tensors of this world live.
at::Device DeviceOf(const comm::World& world);
// What CallOptions::stream wants for data on `device`: its current stream; null for host memory.
void* StreamOf(at::Device device);

// `count` elements, 1-D, zero, in memory that the world's data communicator reduces fastest. The
// memory lives as long as any tensor over it.
Result<at::Tensor> AllocateFlat(comm::World& world, int64_t count, DType dtype,
                                std::string_view what);

}  // namespace stemma::ops
