// The passes as kernels: what nvcc compiles (kernels.cu), called by cuda_passes.cc. No CUDA header
// and no LibTorch here: streams are void*, results are CUDA's error code, 0 when the launch was
// accepted.
//
//   int rc = CudaAdam<float>(space, k, lr, coupled, stream);
//   if (rc != 0) return {Code::kInternal, CudaErrorText(rc)};
//
// Norms take two calls, because between them a sharded optimizer exchanges the sums per chunk.
//
// Nothing waits for the GPU. Sums depend on the chunk table only: a block of 512 threads per chunk,
// each with fixed elements, halves of warps and then warps added as a fixed tree in double; the
// chunks of a tensor are added in index order by one warp. No atomics, so two runs, and two GPUs of
// any kind, give the same bits. The bits are not the CPU's, whose chunks have 16 lanes.
//
// Pure functions of device memory. Thread: the one whose current device owns memory and stream.
#pragma once

#include <cstdint>

#include "optim/kernels.h"

namespace stemma::optim {

struct CudaChunk {
  int64_t offset = 0;  // elements from the start of the space
  int64_t state = 0;   // elements from the start of m and v
  int64_t row = 0;     // of chunk_sums
  int32_t count = 0;
  int32_t tensor = 0;
};

struct CudaTensor {
  int64_t first_chunk = 0, end_chunk = 0;  // rows of chunk_sums
  double decay = 0;
  int32_t adapt = 0;     // 1: gets a trust ratio
  int32_t excluded = 0;  // 1: has an excluded role
};

// Device pointers. The arrays start on 16 bytes, and so does every chunk in them: kernels read four
// elements at once.
template <typename T>
struct CudaSpace {
  T* p = nullptr;
  const T* g = nullptr;
  T* m = nullptr;
  T* v = nullptr;
  const CudaChunk* chunks = nullptr;  // this rank's
  const CudaTensor* tensors = nullptr;
  int64_t chunk_count = 0, tensor_count = 0;
  Sums* chunk_sums = nullptr;    // [chunk of any rank]
  double* squares = nullptr;     // [tensor], written by CudaTensorSquares
  TrustRatio* ratios = nullptr;  // [tensor], written by the second passes where adapt is 1
};

// T is float or double.
// The gradients' squares per chunk, and then per tensor.
template <typename T>
int CudaChunkSquares(const CudaSpace<T>& space, void* stream);
template <typename T>
int CudaTensorSquares(const CudaSpace<T>& space, void* stream);
// The first pass, with sums per chunk; ratios and the second pass.
template <typename T>
int CudaLambFirst(const CudaSpace<T>& space, const Scalars<double>& k, const LambRule& rule,
                  void* stream);
template <typename T>
int CudaLambSecond(const CudaSpace<T>& space, const Scalars<double>& k, const LambRule& rule,
                   void* stream);
// The parameters' squares per chunk; ratios, which take the gradients' from `squares`, and the
// update.
template <typename T>
int CudaLarsFirst(const CudaSpace<T>& space, void* stream);
template <typename T>
int CudaLarsSecond(const CudaSpace<T>& space, const Scalars<double>& k, const LarsRule& rule,
                   void* stream);
template <typename T>
int CudaAdam(const CudaSpace<T>& space, const Scalars<double>& k, double lr, bool coupled,
             void* stream);
template <typename T>
int CudaSgd(const CudaSpace<T>& space, const Scalars<double>& k, void* stream);

const char* CudaErrorText(int rc);

}  // namespace stemma::optim
