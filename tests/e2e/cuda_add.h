// The smallest kernel, to prove that what nvcc compiles links and runs with LibTorch.
#pragma once

namespace stemma::tests {

// sum[i] = a[i] + b[i] for device pointers; the CUDA error code, 0 when all went well.
int AddOnDevice(const float* a, const float* b, float* sum, int count);

}  // namespace stemma::tests
