#include "optim/cuda_passes.h"

#include <ATen/Functions.h>
#include <c10/core/DeviceGuard.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/check.h"
#include "ops/tensor_bytes.h"
#include "optim/kernels_cuda.h"

namespace stemma::optim {
namespace {

Status FromLaunch(int rc, const char* pass) {
  if (rc == 0) return {};
  return {Code::kInternal, std::string("starting ") + pass +
                               " on the GPU failed: " + CudaErrorText(rc) +
                               " (an earlier kernel may be the cause: CUDA_LAUNCH_BLOCKING=1 "
                               "shows which)"};
}

// Chunks start on 64 bytes within their array: ops::Plan aligns tensors so.
bool IsAligned(const void* array) { return reinterpret_cast<uintptr_t>(array) % 16 == 0; }

int64_t SizeOfRows(size_t rows, size_t row) { return static_cast<int64_t>(rows * row); }

// The copy is complete on return.
template <typename Row>
at::Tensor Upload(const std::vector<Row>& rows, at::Device device) {
  const int64_t bytes = SizeOfRows(rows.size(), sizeof(Row));
  at::Tensor host = at::empty({bytes}, at::kByte);
  if (bytes > 0) std::memcpy(host.data_ptr(), rows.data(), static_cast<size_t>(bytes));
  return host.to(device);
}

template <typename Row>
at::Tensor Zeros(size_t rows, at::Device device) {
  return at::zeros({SizeOfRows(rows, sizeof(Row))}, at::TensorOptions(at::kByte).device(device));
}

// Waits for what the current stream holds.
template <typename Row>
void Download(const at::Tensor& device_rows, std::vector<Row>* rows) {
  const at::Tensor host = device_rows.to(at::kCPU);
  rows->resize(static_cast<size_t>(host.numel()) / sizeof(Row));
  if (host.numel() == 0) return;
  std::memcpy(rows->data(), host.data_ptr(), static_cast<size_t>(host.numel()));
}

std::vector<CudaChunk> ChunksOf(const Space& space) {
  std::vector<CudaChunk> chunks;
  for (const int64_t row : space.mine) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(row)];
    chunks.push_back({chunk.offset, chunk.state, row, static_cast<int32_t>(chunk.count),
                      static_cast<int32_t>(chunk.tensor)});
  }
  return chunks;
}

std::vector<CudaTensor> TensorsOf(const Space& space) {
  std::vector<CudaTensor> tensors;
  for (const TensorPart& part : space.tensors) {
    tensors.push_back(
        {part.first_chunk, part.end_chunk, part.decay, part.adapt ? 1 : 0, part.excluded ? 1 : 0});
  }
  return tensors;
}

// Kernels of the current stream, which is the stream gradients became ready on.
template <typename T>
class CudaPasses final : public Passes {
 public:
  CudaPasses(const Space& space, const FlatMemory& memory, SumExchange* exchange)
      : device_(space.parameters.device()), exchange_(exchange) {
    chunks_ = Upload(ChunksOf(space), device_);
    tensors_ = Upload(TensorsOf(space), device_);
    chunk_sums_ = Zeros<Sums>(space.chunks.size(), device_);
    squares_ = Zeros<double>(space.tensors.size(), device_);
    ratios_ = Upload(std::vector<TrustRatio>(space.tensors.size()), device_);
    for (const TensorPart& part : space.tensors) adapted_ |= part.adapt;
    view_.p = static_cast<T*>(memory.p);
    view_.g = static_cast<const T*>(memory.g);
    view_.m = static_cast<T*>(memory.m);
    view_.v = static_cast<T*>(memory.v);
    for (const void* array :
         {static_cast<const void*>(memory.p), memory.g, static_cast<const void*>(memory.m),
          static_cast<const void*>(memory.v)}) {
      STEMMA_CHECK(IsAligned(array), "kernels read 16 bytes at once");
    }
    view_.chunks = static_cast<const CudaChunk*>(chunks_.data_ptr());
    view_.tensors = static_cast<const CudaTensor*>(tensors_.data_ptr());
    view_.chunk_count = static_cast<int64_t>(space.mine.size());
    view_.tensor_count = static_cast<int64_t>(space.tensors.size());
    view_.chunk_sums = static_cast<Sums*>(chunk_sums_.data_ptr());
    view_.squares = static_cast<double*>(squares_.data_ptr());
    view_.ratios = static_cast<TrustRatio*>(ratios_.data_ptr());
  }

  Status SumGradients(std::vector<double>* by_tensor) override {
    const c10::DeviceGuard guard(device_);
    STEMMA_RETURN_IF_ERROR(FromLaunch(CudaChunkSquares(view_, Stream()), "the gradient's squares"));
    STEMMA_RETURN_IF_ERROR(Exchange(1));
    STEMMA_RETURN_IF_ERROR(FromLaunch(CudaTensorSquares(view_, Stream()), "the gradient's norm"));
    Download(squares_, by_tensor);
    return {};
  }

  Status Lamb(const Scalars<double>& k, const LambRule& rule) override {
    const c10::DeviceGuard guard(device_);
    STEMMA_RETURN_IF_ERROR(
        FromLaunch(CudaLambFirst(view_, k, rule, Stream()), "lamb's first pass"));
    if (adapted_) STEMMA_RETURN_IF_ERROR(Exchange(2));
    return FromLaunch(CudaLambSecond(view_, k, rule, Stream()), "lamb's second pass");
  }

  Status Lars(const Scalars<double>& k, const LarsRule& rule) override {
    const c10::DeviceGuard guard(device_);
    STEMMA_RETURN_IF_ERROR(FromLaunch(CudaLarsFirst(view_, Stream()), "lars's first pass"));
    if (adapted_) STEMMA_RETURN_IF_ERROR(Exchange(1));
    return FromLaunch(CudaLarsSecond(view_, k, rule, Stream()), "lars's second pass");
  }

  Status Ratios(std::vector<TrustRatio>* by_tensor) override {
    const c10::DeviceGuard guard(device_);
    Download(ratios_, by_tensor);
    return {};
  }

  Status Adam(const Scalars<double>& k, double lr, bool coupled) override {
    const c10::DeviceGuard guard(device_);
    return FromLaunch(CudaAdam(view_, k, lr, coupled, Stream()), "adam");
  }

  Status Sgd(const Scalars<double>& k) override {
    const c10::DeviceGuard guard(device_);
    return FromLaunch(CudaSgd(view_, k, Stream()), "sgd");
  }

 private:
  void* Stream() const { return ops::StreamOf(device_); }

  // The sums of other ranks' chunks, the first column or both, on the current stream.
  Status Exchange(int64_t columns) {
    if (exchange_ == nullptr) return {};
    return exchange_->Complete(chunk_sums_.view(at::kDouble).view({-1, 2}).narrow(1, 0, columns));
  }

  const at::Device device_;
  SumExchange* const exchange_;                                  // null: nothing is sharded
  bool adapted_ = false;                                         // some tensor gets a ratio
  at::Tensor chunks_, tensors_, chunk_sums_, squares_, ratios_;  // own the memory of view_
  CudaSpace<T> view_;
};

}  // namespace

Status CudaPassesBuilt() { return {}; }

std::unique_ptr<Passes> MakeCudaPasses(const Space& space, const FlatMemory& memory,
                                       SumExchange* exchange) {
  const c10::DeviceGuard guard(space.parameters.device());
  if (space.dtype == DType::kF64) {
    return std::make_unique<CudaPasses<double>>(space, memory, exchange);
  }
  return std::make_unique<CudaPasses<float>>(space, memory, exchange);
}

}  // namespace stemma::optim
