#include "tests/e2e/cuda_add.h"

#include <cuda_runtime_api.h>

namespace stemma::tests {
namespace {

__global__ void Add(const float* a, const float* b, float* sum, int count) {
  const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (at < count) sum[at] = a[at] + b[at];
}

}  // namespace

int AddOnDevice(const float* a, const float* b, float* sum, int count) {
  constexpr int kThreads = 256;
  Add<<<(count + kThreads - 1) / kThreads, kThreads>>>(a, b, sum, count);
  const cudaError_t launched = cudaGetLastError();
  return launched != cudaSuccess ? launched : cudaDeviceSynchronize();
}

}  // namespace stemma::tests
