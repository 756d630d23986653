#include "ops/tensor_collectives.h"

#include "ops/guard.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

Result<comm::Span> Checked(const comm::World& world, const at::Tensor& tensor, const char* what) {
  STEMMA_RETURN_IF_ERROR(world.CheckNobodyJoined(what));
  STEMMA_ASSIGN_OR_RETURN(const comm::Span span, SpanOf(tensor, what));
  if (tensor.device() == DeviceOf(world)) return span;
  return Status(Code::kInvalidArgument, std::string(what) + ": the tensor is on " +
                                            tensor.device().str() + ", the world on " +
                                            DeviceOf(world).str());
}

}  // namespace

Status AllReduce(comm::World& world, const at::Tensor& tensor, comm::Op op, double scale) {
  return Guard("AllReduce", [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, Checked(world, tensor, "AllReduce"));
    comm::CallOptions options;
    options.op = op;
    options.scale = scale;
    options.what = "AllReduce of a tensor";
    options.stream = StreamOf(tensor.device());
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, world.data().AllReduce(span, options));
    return work.Wait();
  });
}

Status Broadcast(comm::World& world, const at::Tensor& tensor, int root) {
  return Guard("Broadcast", [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, Checked(world, tensor, "Broadcast"));
    comm::CallOptions options;
    options.what = "Broadcast of a tensor";
    options.stream = StreamOf(tensor.device());
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, world.data().Broadcast(span, root, options));
    return work.Wait();
  });
}

}  // namespace stemma::ops
