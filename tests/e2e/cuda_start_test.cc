// Built with --config=cuda only. Starts on a machine without a GPU too: that every library of CUDA
// is found when the program starts is half of what is tested.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <nccl.h>

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include "tests/e2e/cuda_add.h"

#include <catch2/catch.hpp>

namespace {

bool HasDevice() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

TEST_CASE("LibTorch says there is a GPU exactly when the driver has one") {
  CHECK(at::globalContext().hasCUDA() == HasDevice());
}

TEST_CASE("without a GPU each library says so and the program lives on") {
  if (HasDevice()) return;
  int count = -1;
  CHECK(cudaGetDeviceCount(&count) != cudaSuccess);
  cublasHandle_t cublas = nullptr;
  CHECK(cublasCreate(&cublas) != CUBLAS_STATUS_SUCCESS);
  cudnnHandle_t cudnn = nullptr;
  CHECK(cudnnCreate(&cudnn) != CUDNN_STATUS_SUCCESS);
  CHECK_THROWS(at::ones({1}, at::Device(at::kCUDA, 0)));
}

TEST_CASE("NCCL and cuDNN are of the major version of their headers") {
  int nccl = 0;
  REQUIRE(ncclGetVersion(&nccl) == ncclSuccess);
  CHECK(nccl / 10000 == NCCL_MAJOR);
  CHECK(cudnnGetVersion() / 10000 == CUDNN_MAJOR);
}

TEST_CASE("a kernel of nvcc adds where there is a GPU, and fails with a code elsewhere") {
  if (!HasDevice()) {
    CHECK(stemma::tests::AddOnDevice(nullptr, nullptr, nullptr, 1) != 0);
    return;
  }
  const at::Tensor a = at::ones({1000}, at::Device(at::kCUDA, 0));
  const at::Tensor b = a.mul(2);
  at::Tensor sum = at::empty_like(a);
  CHECK(stemma::tests::AddOnDevice(a.const_data_ptr<float>(), b.const_data_ptr<float>(),
                                   sum.mutable_data_ptr<float>(), 1000) == 0);
  CHECK(sum.sum().item().toFloat() == 3000.0F);
}

}  // namespace
