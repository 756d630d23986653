#include "optim/kernels_cuda.h"

#include "optim/arithmetic.h"

namespace stemma::optim {
namespace {

constexpr int kThreads = 512;  // of a chunk
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;
constexpr int kQuad = 4;
constexpr int kTensorsPerBlock = 4;  // of the kernels with one warp per tensor
constexpr unsigned kAllLanes = 0xffffffffu;

enum : unsigned { kP = 1, kG = 2, kM = 4, kV = 8 };

template <typename T>
struct alignas(16) Quad {
  T x[kQuad];
};

template <typename T>
__device__ Quad<T> Load(const T* from) {
  return *reinterpret_cast<const Quad<T>*>(from);
}

template <typename T>
__device__ void Store(T* to, const Quad<T>& quad) {
  *reinterpret_cast<Quad<T>*>(to) = quad;
}

// op(p, g, m, v) for each element of the chunk, four neighbours by one thread; the up to three of
// a tensor's end one by one. Arrays not in kReads are 0, those not in kWrites stay as they are.
template <unsigned kReads, unsigned kWrites, typename T, typename Op>
__device__ void ForElements(const CudaSpace<T>& s, const CudaChunk& chunk, const Op& op) {
  const int thread = static_cast<int>(threadIdx.x);
  const int quads = chunk.count / kQuad;
  for (int quad = thread; quad < quads; quad += kThreads) {
    const int64_t at = chunk.offset + int64_t{quad} * kQuad;
    const int64_t state = chunk.state + int64_t{quad} * kQuad;
    Quad<T> p = {}, g = {}, m = {}, v = {};
    if constexpr ((kReads & kP) != 0) p = Load(s.p + at);
    if constexpr ((kReads & kG) != 0) g = Load(s.g + at);
    if constexpr ((kReads & kM) != 0) m = Load<T>(s.m + state);
    if constexpr ((kReads & kV) != 0) v = Load<T>(s.v + state);
#pragma unroll
    for (int e = 0; e < kQuad; ++e) op(&p.x[e], g.x[e], &m.x[e], &v.x[e]);
    if constexpr ((kWrites & kP) != 0) Store(s.p + at, p);
    if constexpr ((kWrites & kM) != 0) Store(s.m + state, m);
    if constexpr ((kWrites & kV) != 0) Store(s.v + state, v);
  }
  const int rest = quads * kQuad + thread;
  if (rest >= chunk.count) return;
  const int64_t at = chunk.offset + rest;
  const int64_t state = chunk.state + rest;
  T p = 0, g = 0, m = 0, v = 0;
  if constexpr ((kReads & kP) != 0) p = s.p[at];
  if constexpr ((kReads & kG) != 0) g = s.g[at];
  if constexpr ((kReads & kM) != 0) m = s.m[state];
  if constexpr ((kReads & kV) != 0) v = s.v[state];
  op(&p, g, &m, &v);
  if constexpr ((kWrites & kP) != 0) s.p[at] = p;
  if constexpr ((kWrites & kM) != 0) s.m[state] = m;
  if constexpr ((kWrites & kV) != 0) s.v[state] = v;
}

// In lane 0: the warp's sum, by halves.
__device__ Sums WarpSum(Sums mine) {
  for (int half = kWarp / 2; half > 0; half /= 2) {
    mine.p += __shfl_down_sync(kAllLanes, mine.p, half);
    mine.u += __shfl_down_sync(kAllLanes, mine.u, half);
  }
  return mine;
}

// In thread 0: the block's sum, warps by halves too. Every thread of the block calls it, once.
__device__ Sums BlockSum(Sums mine) {
  __shared__ double p[kWarps], u[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  mine = WarpSum(mine);
  if (lane == 0) {
    p[warp] = mine.p;
    u[warp] = mine.u;
  }
  __syncthreads();
  if (warp != 0) return {};
  Sums of_warp;
  if (lane < kWarps) {
    of_warp.p = p[lane];
    of_warp.u = u[lane];
  }
  return WarpSum(of_warp);
}

// In all lanes of the warp that calls it: chunks [begin, end) in index order. Lanes past the end
// add zeros, which change no sum of squares.
__device__ Sums SumInOrder(const Sums* sums, int64_t begin, int64_t end) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Sums total;
  for (int64_t base = begin; base < end; base += kWarp) {
    Sums mine;
    if (base + lane < end) mine = sums[base + lane];
    for (int source = 0; source < kWarp; ++source) {
      total.p += __shfl_sync(kAllLanes, mine.p, source);
      total.u += __shfl_sync(kAllLanes, mine.u, source);
    }
  }
  return total;
}

// The tensor of this warp, in the kernels with one warp per tensor; may be past the last.
__device__ int64_t TensorOfWarp() {
  return int64_t{blockIdx.x} * kTensorsPerBlock + threadIdx.x / kWarp;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) ChunkSquares(CudaSpace<T> s) {
  T squares = 0;
  ForElements<kG, 0>(s, s.chunks[blockIdx.x], [&](T*, T g, T*, T*) { squares += g * g; });
  Sums mine;
  mine.p = static_cast<double>(squares);
  const Sums total = BlockSum(mine);
  if (threadIdx.x == 0) s.chunk_sums[s.chunks[blockIdx.x].row] = total;
}

// Of parameters with a ratio.
template <typename T>
__global__ void __launch_bounds__(kThreads) LarsFirst(CudaSpace<T> s) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  if (s.tensors[chunk.tensor].adapt == 0) return;
  T squares = 0;
  ForElements<kP, 0>(s, chunk, [&](T* p, T, T*, T*) { squares += *p * *p; });
  Sums mine;
  mine.p = static_cast<double>(squares);
  const Sums total = BlockSum(mine);
  if (threadIdx.x == 0) s.chunk_sums[chunk.row] = total;
}

template <typename T>
__global__ void TensorSquares(CudaSpace<T> s) {
  const int64_t t = TensorOfWarp();
  if (t >= s.tensor_count) return;
  const Sums total = SumInOrder(s.chunk_sums, s.tensors[t].first_chunk, s.tensors[t].end_chunk);
  if (threadIdx.x % kWarp == 0) s.squares[t] = total.p;
}

// Pass 1: m, v and the sums of tensors with a ratio; the others are finished here.
template <typename T>
__global__ void __launch_bounds__(kThreads) LambFirst(CudaSpace<T> s, Scalars<T> k, LambRule rule) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  const CudaTensor tensor = s.tensors[chunk.tensor];
  SetGroup(&k, tensor.excluded != 0);
  SetLambDecay(&k, tensor.decay, rule);
  if (tensor.adapt == 0) {
    ForElements<kP | kG | kM | kV, kP | kM | kV>(s, chunk, [&](T* p, T g, T* m, T* v) {
      LambMoments(k, *p, g, m, v);
      *p = LambStep(k, *p, LambUpdate(k, *p, *m, *v));
    });
    return;
  }
  T p_squares = 0, u_squares = 0;
  ForElements<kP | kG | kM | kV, kM | kV>(s, chunk, [&](T* p, T g, T* m, T* v) {
    LambMoments(k, *p, g, m, v);
    const T u = LambUpdate(k, *p, *m, *v);
    const T shrunk = *p * k.shrink;
    p_squares += shrunk * shrunk;
    u_squares += u * u;
  });
  Sums mine;
  mine.p = static_cast<double>(p_squares);
  mine.u = static_cast<double>(u_squares);
  const Sums total = BlockSum(mine);
  if (threadIdx.x == 0) s.chunk_sums[chunk.row] = total;
}

template <typename T>
__global__ void LambRatios(CudaSpace<T> s, RatioBounds bounds) {
  const int64_t t = TensorOfWarp();
  if (t >= s.tensor_count || s.tensors[t].adapt == 0) return;
  const Sums total = SumInOrder(s.chunk_sums, s.tensors[t].first_chunk, s.tensors[t].end_chunk);
  if (threadIdx.x % kWarp == 0) s.ratios[t] = RatioOf(total, bounds);
}

// Pass 2. `rate` is the learning rate before it is rounded, so that the ratio multiplies it as on
// the host.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    LambSecond(CudaSpace<T> s, Scalars<T> k, double rate, LambRule rule) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  const CudaTensor tensor = s.tensors[chunk.tensor];
  if (tensor.adapt == 0) return;
  SetLambDecay(&k, tensor.decay, rule);
  k.step = static_cast<T>(rate * s.ratios[chunk.tensor].ratio);
  ForElements<kP | kM | kV, kP>(
      s, chunk, [&](T* p, T, T* m, T* v) { *p = LambStep(k, *p, LambUpdate(k, *p, *m, *v)); });
}

template <typename T>
__global__ void LarsRatios(CudaSpace<T> s, double scale, double excluded_scale, LarsRule rule) {
  const int64_t t = TensorOfWarp();
  if (t >= s.tensor_count || s.tensors[t].adapt == 0) return;
  const CudaTensor tensor = s.tensors[t];
  const Sums total = SumInOrder(s.chunk_sums, tensor.first_chunk, tensor.end_chunk);
  if (threadIdx.x % kWarp != 0) return;
  s.ratios[t] = LarsRatioOf(total.p, s.squares[t], tensor.excluded != 0 ? excluded_scale : scale,
                            tensor.decay, rule);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) Lars(CudaSpace<T> s, Scalars<T> k, LarsRule rule) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  const CudaTensor tensor = s.tensors[chunk.tensor];
  SetGroup(&k, tensor.excluded != 0);
  k.decay = static_cast<T>(tensor.decay);
  SetLars(&k, s.ratios[chunk.tensor].ratio, s.m != nullptr, rule);
  if (s.m == nullptr) {
    ForElements<kP | kG, kP>(s, chunk, [&](T* p, T g, T*, T*) { PlainLarsElement(k, p, g); });
    return;
  }
  ForElements<kP | kG | kM, kP | kM>(s, chunk,
                                     [&](T* p, T g, T* m, T*) { LarsElement(k, p, g, m); });
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    Adam(CudaSpace<T> s, Scalars<T> k, double lr, bool coupled) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  SetGroup(&k, s.tensors[chunk.tensor].excluded != 0);
  SetAdamDecay(&k, s.tensors[chunk.tensor].decay, lr, coupled);
  ForElements<kP | kG | kM | kV, kP | kM | kV>(
      s, chunk, [&](T* p, T g, T* m, T* v) { AdamElement(k, p, g, m, v); });
}

template <typename T>
__global__ void __launch_bounds__(kThreads) PlainSgd(CudaSpace<T> s, Scalars<T> k) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  SetGroup(&k, s.tensors[chunk.tensor].excluded != 0);
  k.decay = static_cast<T>(s.tensors[chunk.tensor].decay);
  ForElements<kP | kG, kP>(s, chunk, [&](T* p, T g, T*, T*) { PlainSgdElement(k, p, g); });
}

template <typename T>
__global__ void __launch_bounds__(kThreads) Sgd(CudaSpace<T> s, Scalars<T> k, T now, T ahead) {
  const CudaChunk chunk = s.chunks[blockIdx.x];
  SetGroup(&k, s.tensors[chunk.tensor].excluded != 0);
  k.decay = static_cast<T>(s.tensors[chunk.tensor].decay);
  ForElements<kP | kG | kM, kP | kM>(
      s, chunk, [&](T* p, T g, T* m, T*) { SgdElement(k, now, ahead, p, g, m); });
}

// A launch with no block is an error in CUDA; a space without tensors has nothing to do.
template <typename... Parameters, typename... Arguments>
int Launch(void (*kernel)(Parameters...), int64_t blocks, int threads, void* stream,
           const Arguments&... arguments) {
  if (blocks == 0) return 0;
  kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads), 0,
           static_cast<cudaStream_t>(stream)>>>(arguments...);
  return cudaGetLastError();
}

template <typename T, typename... Parameters, typename... Arguments>
int LaunchByChunk(void (*kernel)(CudaSpace<T>, Parameters...), const CudaSpace<T>& space,
                  void* stream, const Arguments&... arguments) {
  return Launch(kernel, space.chunk_count, kThreads, stream, space, arguments...);
}

template <typename T, typename... Parameters, typename... Arguments>
int LaunchByTensor(void (*kernel)(CudaSpace<T>, Parameters...), const CudaSpace<T>& space,
                   void* stream, const Arguments&... arguments) {
  const int64_t blocks = (space.tensor_count + kTensorsPerBlock - 1) / kTensorsPerBlock;
  return Launch(kernel, blocks, kTensorsPerBlock * kWarp, stream, space, arguments...);
}

}  // namespace

template <typename T>
int CudaChunkSquares(const CudaSpace<T>& space, void* stream) {
  return LaunchByChunk(ChunkSquares<T>, space, stream);
}

template <typename T>
int CudaTensorSquares(const CudaSpace<T>& space, void* stream) {
  return LaunchByTensor(TensorSquares<T>, space, stream);
}

template <typename T>
int CudaLambFirst(const CudaSpace<T>& space, const Scalars<double>& k, const LambRule& rule,
                  void* stream) {
  return LaunchByChunk(LambFirst<T>, space, stream, Round<T>(k), rule);
}

template <typename T>
int CudaLambSecond(const CudaSpace<T>& space, const Scalars<double>& k, const LambRule& rule,
                   void* stream) {
  const int rc = LaunchByTensor(LambRatios<T>, space, stream, rule.bounds);
  return rc != 0 ? rc : LaunchByChunk(LambSecond<T>, space, stream, Round<T>(k), k.step, rule);
}

template <typename T>
int CudaLarsFirst(const CudaSpace<T>& space, void* stream) {
  return LaunchByChunk(LarsFirst<T>, space, stream);
}

template <typename T>
int CudaLarsSecond(const CudaSpace<T>& space, const Scalars<double>& k, const LarsRule& rule,
                   void* stream) {
  const int rc = LaunchByTensor(LarsRatios<T>, space, stream, k.grad_scale, k.excluded_scale, rule);
  return rc != 0 ? rc : LaunchByChunk(Lars<T>, space, stream, Round<T>(k), rule);
}

template <typename T>
int CudaAdam(const CudaSpace<T>& space, const Scalars<double>& k, double lr, bool coupled,
             void* stream) {
  return LaunchByChunk(Adam<T>, space, stream, Round<T>(k), lr, coupled);
}

template <typename T>
int CudaSgd(const CudaSpace<T>& space, const Scalars<double>& k, void* stream) {
  const Scalars<T> rounded = Round<T>(k);
  if (space.m == nullptr) return LaunchByChunk(PlainSgd<T>, space, stream, rounded);
  const T now = k.nesterov ? T{1} : T{0};
  const T ahead = k.nesterov ? rounded.momentum : T{1};
  return LaunchByChunk(Sgd<T>, space, stream, rounded, now, ahead);
}

const char* CudaErrorText(int rc) { return cudaGetErrorString(static_cast<cudaError_t>(rc)); }

template int CudaChunkSquares<float>(const CudaSpace<float>&, void*);
template int CudaChunkSquares<double>(const CudaSpace<double>&, void*);
template int CudaTensorSquares<float>(const CudaSpace<float>&, void*);
template int CudaTensorSquares<double>(const CudaSpace<double>&, void*);
template int CudaLambFirst<float>(const CudaSpace<float>&, const Scalars<double>&, const LambRule&,
                                  void*);
template int CudaLambFirst<double>(const CudaSpace<double>&, const Scalars<double>&,
                                   const LambRule&, void*);
template int CudaLambSecond<float>(const CudaSpace<float>&, const Scalars<double>&, const LambRule&,
                                   void*);
template int CudaLambSecond<double>(const CudaSpace<double>&, const Scalars<double>&,
                                    const LambRule&, void*);
template int CudaLarsFirst<float>(const CudaSpace<float>&, void*);
template int CudaLarsFirst<double>(const CudaSpace<double>&, void*);
template int CudaLarsSecond<float>(const CudaSpace<float>&, const Scalars<double>&, const LarsRule&,
                                   void*);
template int CudaLarsSecond<double>(const CudaSpace<double>&, const Scalars<double>&,
                                    const LarsRule&, void*);
template int CudaAdam<float>(const CudaSpace<float>&, const Scalars<double>&, double, bool, void*);
template int CudaAdam<double>(const CudaSpace<double>&, const Scalars<double>&, double, bool,
                              void*);
template int CudaSgd<float>(const CudaSpace<float>&, const Scalars<double>&, void*);
template int CudaSgd<double>(const CudaSpace<double>&, const Scalars<double>&, void*);

}  // namespace stemma::optim
