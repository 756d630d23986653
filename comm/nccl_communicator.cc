#include "comm/nccl_communicator.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "comm/arguments.h"
#include "comm/cuda_status.h"
#include "comm/flight_recorder.h"
#include "comm/nccl_device.h"
#include "comm/nccl_status.h"
#include "comm/reduce_kernels.h"

namespace stemma::comm {

struct NcclCommunicator::Device : NcclDevice {
  using NcclDevice::NcclDevice;
};

namespace {

// REQUIRES: SizeOf(dtype) > 0. What is only moved travels as bytes.
ncclDataType_t TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kI8:
      return ncclInt8;
    case DType::kI32:
      return ncclInt32;
    case DType::kI64:
      return ncclInt64;
    case DType::kF16:
      return ncclFloat16;
    case DType::kBF16:
      return ncclBfloat16;
    case DType::kF32:
      return ncclFloat32;
    case DType::kF64:
      return ncclFloat64;
    default:
      return ncclUint8;
  }
}

ncclRedOp_t OpOf(Op op) {
  switch (op) {
    case Op::kSum:
      return ncclSum;
    case Op::kAverage:
      return ncclAvg;
    case Op::kMin:
      return ncclMin;
    case Op::kMax:
      return ncclMax;
    case Op::kProduct:
      return ncclProd;
  }
  return ncclSum;
}

Status CheckScale(const std::string& call, DType dtype, const CallOptions& options) {
  const bool adds = options.op == Op::kSum || options.op == Op::kAverage;
  if (options.scale == 1 || (adds && IsFloat(dtype))) return {};
  return {Code::kInvalidArgument, call + ": NCCL scales floating-point sums only, not " +
                                      std::string(NameOf(options.op)) + " of " +
                                      std::string(NameOf(dtype)) + "; scale afterwards"};
}

// The factor as one element of the dtype, which is how NCCL reads it; `bits` holds any of them.
void WriteFactor(DType dtype, double factor, uint64_t* bits) {
  const auto narrow = static_cast<float>(factor);
  switch (dtype) {
    case DType::kF64:
      std::memcpy(bits, &factor, sizeof factor);
      return;
    case DType::kF32:
      std::memcpy(bits, &narrow, sizeof narrow);
      return;
    case DType::kF16:
      *bits = HalfFromFloat(narrow);
      return;
    default:
      *bits = BfloatFromFloat(narrow);
      return;
  }
}

}  // namespace

class NcclCommunicator::Pending final : public Work::Impl {
 public:
  Pending(std::shared_ptr<Device> device, std::shared_ptr<CudaEvent> done, cudaStream_t caller)
      : device_(std::move(device)), done_(std::move(done)), caller_(caller) {}

  Status Wait() override {
    STEMMA_RETURN_IF_ERROR(device_->Health());
    return STEMMA_CUDA(cudaStreamWaitEvent(caller_, done_->get(), 0));
  }
  bool Done() const override {
    const cudaError_t found = cudaEventQuery(done_->get());
    // It is this thread's last error now, and the next launch here would be blamed for it.
    if (found == cudaErrorNotReady) cudaGetLastError();
    return found == cudaSuccess;
  }

 private:
  const std::shared_ptr<Device> device_;
  const std::shared_ptr<CudaEvent> done_;  // with the watch
  const cudaStream_t caller_;
};

Result<std::unique_ptr<NcclCommunicator>> NcclCommunicator::Connect(
    Cohort& cohort, std::chrono::milliseconds deadline) {
  ncclUniqueId id{};
  Status made;
  if (cohort.rank() == 0) made = FromNccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
  STEMMA_RETURN_IF_ERROR(Agree(cohort, made));
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes,
                          cohort.Broadcast(std::string(id.internal, sizeof id.internal), 0));
  std::memcpy(id.internal, bytes.data(), sizeof id.internal);

  auto device = std::make_shared<Device>(cohort.rank(), cohort.size(), deadline);
  STEMMA_RETURN_IF_ERROR(Agree(cohort, device->Connect(id)));
  return std::unique_ptr<NcclCommunicator>(new NcclCommunicator(std::move(device)));
}

Result<std::unique_ptr<NcclCommunicator>> NcclCommunicator::Split(int place, int members) {
  if (place < 0) {
    STEMMA_RETURN_IF_ERROR(device_->Split(nullptr));
    return std::unique_ptr<NcclCommunicator>();
  }
  auto part = std::make_shared<Device>(place, members, device_->deadline);
  STEMMA_RETURN_IF_ERROR(device_->Split(part.get()));
  return std::unique_ptr<NcclCommunicator>(new NcclCommunicator(std::move(part)));
}

NcclCommunicator::NcclCommunicator(std::shared_ptr<Device> device) : device_(std::move(device)) {}
NcclCommunicator::~NcclCommunicator() = default;

int NcclCommunicator::rank() const { return device_->rank; }
int NcclCommunicator::ranks() const { return device_->ranks; }

namespace {

std::chrono::milliseconds LimitOf(const CallOptions& options, const NcclDevice& device) {
  return options.deadline.count() > 0 ? options.deadline : Section::Lengthen(device.deadline);
}

bool Fine(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

// `reduce(op)` with the operator that also scales.
template <typename Reduction>
ncclResult_t WithOp(NcclDevice& device, DType dtype, const CallOptions& options, Reduction reduce) {
  if (options.scale == 1) return reduce(OpOf(options.op));
  uint64_t factor = 0;
  WriteFactor(dtype, FactorOf(options, device.ranks), &factor);
  ncclRedOp_t scaled = ncclSum;
  ncclResult_t result = ncclRedOpCreatePreMulSum(&scaled, &factor, TypeOf(dtype),
                                                 ncclScalarHostImmediate, device.comm);
  if (result != ncclSuccess) return result;
  result = reduce(scaled);
  ncclRedOpDestroy(scaled, device.comm);  // what was launched has its own copy
  return result;
}

// `call(r)` for every rank, as one launch.
template <typename Call>
ncclResult_t Grouped(int ranks, Call call) {
  ncclResult_t first = ncclGroupStart();
  for (int r = 0; r < ranks && Fine(first); ++r) first = call(r);
  const ncclResult_t ended = ncclGroupEnd();
  return Fine(first) ? ended : first;
}

}  // namespace

Result<Work> NcclCommunicator::AllReduce(Span inout, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduce(inout, options));
  STEMMA_RETURN_IF_ERROR(CheckScale("all_reduce", inout.dtype, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  const auto caller = static_cast<cudaStream_t>(options.stream);
  const std::string what = Describe("all_reduce", inout, options);
  const auto reduce = [&] {
    return WithOp(*device_, inout.dtype, options, [&](ncclRedOp_t op) {
      return ncclAllReduce(inout.data, inout.data, static_cast<size_t>(inout.count),
                           TypeOf(inout.dtype), op, device_->comm, device_->stream);
    });
  };
  STEMMA_ASSIGN_OR_RETURN(auto done,
                          device_->Launch(what, caller, LimitOf(options, *device_), reduce));
  return Work(std::make_unique<Pending>(device_, std::move(done), caller));
}

Result<Work> NcclCommunicator::AllGather(ConstSpan mine, Span all,
                                         const std::vector<int64_t>& counts,
                                         const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckGather(mine, all, counts, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (all.count == 0) return Work();
  const auto caller = static_cast<cudaStream_t>(options.stream);
  const std::string what = Describe("all_gather", all, options);
  // NCCL's all-gather knows equal counts only: one broadcast per rank, fused by the group.
  const auto gather = [&] {
    return Grouped(ranks(), [&](int root) {
      const size_t bytes = static_cast<size_t>(counts[root]) * SizeOf(all.dtype);
      if (bytes == 0) return ncclSuccess;
      char* const at = static_cast<char*>(all.data) + BeginOf(counts, root) * SizeOf(all.dtype);
      const void* const from = root == rank() ? mine.data : at;
      return ncclBroadcast(from, at, bytes, ncclUint8, root, device_->comm, device_->stream);
    });
  };
  STEMMA_ASSIGN_OR_RETURN(auto done,
                          device_->Launch(what, caller, LimitOf(options, *device_), gather));
  return Work(std::make_unique<Pending>(device_, std::move(done), caller));
}

Result<Work> NcclCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                             const std::vector<int64_t>& counts,
                                             const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckReduceScatter(in, mine, counts, rank(), ranks(), options));
  STEMMA_RETURN_IF_ERROR(CheckScale("reduce_scatter", in.dtype, options));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0) return Work();
  const auto caller = static_cast<cudaStream_t>(options.stream);
  const std::string what = Describe("reduce_scatter", {nullptr, in.count, in.dtype}, options);
  const bool even =
      std::all_of(counts.begin(), counts.end(), [&](int64_t count) { return count == counts[0]; });
  // NCCL's reduce-scatter knows equal counts only: otherwise one reduction per rank.
  const auto scatter = [&](ncclRedOp_t op) {
    const ncclDataType_t type = TypeOf(in.dtype);
    if (even) {
      return ncclReduceScatter(in.data, mine.data, static_cast<size_t>(mine.count), type, op,
                               device_->comm, device_->stream);
    }
    return Grouped(ranks(), [&](int root) {
      if (counts[root] == 0) return ncclSuccess;
      const auto skipped = static_cast<size_t>(BeginOf(counts, root)) * SizeOf(in.dtype);
      const char* const from = static_cast<const char*>(in.data) + skipped;
      return ncclReduce(from, mine.data, static_cast<size_t>(counts[root]), type, op, root,
                        device_->comm, device_->stream);
    });
  };
  STEMMA_ASSIGN_OR_RETURN(auto done, device_->Launch(what, caller, LimitOf(options, *device_), [&] {
    return WithOp(*device_, in.dtype, options, scatter);
  }));
  return Work(std::make_unique<Pending>(device_, std::move(done), caller));
}

Result<Work> NcclCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                        const std::vector<int64_t>& receive,
                                        const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckAllToAll(in, send, out, receive, rank(), ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (in.count == 0 && out.count == 0) return Work();  // point to point: no peer waits for us
  const auto caller = static_cast<cudaStream_t>(options.stream);
  const std::string what = Describe("all_to_all", {nullptr, in.count, in.dtype}, options);
  const size_t size = SizeOf(in.dtype);
  const auto exchange = [&] {
    return Grouped(ranks(), [&](int r) {
      const char* const from = static_cast<const char*>(in.data) + BeginOf(send, r) * size;
      char* const to = static_cast<char*>(out.data) + BeginOf(receive, r) * size;
      ncclResult_t result = ncclSuccess;
      if (send[r] > 0) {
        const size_t bytes = static_cast<size_t>(send[r]) * size;
        result = ncclSend(from, bytes, ncclUint8, r, device_->comm, device_->stream);
      }
      if (receive[r] > 0 && Fine(result)) {
        const size_t bytes = static_cast<size_t>(receive[r]) * size;
        result = ncclRecv(to, bytes, ncclUint8, r, device_->comm, device_->stream);
      }
      return result;
    });
  };
  STEMMA_ASSIGN_OR_RETURN(auto done,
                          device_->Launch(what, caller, LimitOf(options, *device_), exchange));
  return Work(std::make_unique<Pending>(device_, std::move(done), caller));
}

Result<Work> NcclCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckBroadcast(inout, root, ranks()));
  STEMMA_RETURN_IF_ERROR(Health());
  if (inout.count == 0) return Work();
  const auto caller = static_cast<cudaStream_t>(options.stream);
  const std::string what = Describe("broadcast", inout, options);
  STEMMA_ASSIGN_OR_RETURN(auto done, device_->Launch(what, caller, LimitOf(options, *device_), [&] {
    return ncclBroadcast(inout.data, inout.data, inout.bytes(), ncclUint8, root, device_->comm,
                         device_->stream);
  }));
  return Work(std::make_unique<Pending>(device_, std::move(done), caller));
}

Result<Work> NcclCommunicator::Barrier(const CallOptions& options) {
  CallOptions sum = options;
  sum.op = Op::kSum;
  sum.scale = 1;
  return AllReduce({device_->token, 1, DType::kF32}, sum);
}

namespace {

class NcclSegment final : public Segment {
 public:
  NcclSegment(int gpu, void* data, int64_t bytes) : gpu_(gpu), data_(data), bytes_(bytes) {}
  // Copies from here may still be under way on anybody's stream. cudaFree would wait for them;
  // ncclMemFree, which unmaps the memory, does not.
  ~NcclSegment() override {
    int current = gpu_;
    cudaGetDevice(&current);
    if (current != gpu_) cudaSetDevice(gpu_);
    cudaDeviceSynchronize();
    ncclMemFree(data_);
    if (current != gpu_) cudaSetDevice(current);
  }
  NcclSegment(const NcclSegment&) = delete;
  void* data() override { return data_; }
  int64_t bytes() const override { return bytes_; }

 private:
  const int gpu_;
  void* const data_;
  const int64_t bytes_;
};

}  // namespace

Result<std::unique_ptr<Segment>> NcclCommunicator::Allocate(int64_t bytes, std::string_view what) {
  if (bytes < 0) return Status(Code::kInvalidArgument, std::string(what) + ": bytes below zero");
  int gpu = 0;
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaGetDevice(&gpu)));
  void* data = nullptr;
  const size_t size = bytes > 0 ? static_cast<size_t>(bytes) : 1;
  const std::string call =
      std::string(what) + ", " + std::to_string(bytes) + " bytes: ncclMemAlloc";
  STEMMA_RETURN_IF_ERROR(FromNccl(ncclMemAlloc(&data, size), call));
  auto segment = std::make_unique<NcclSegment>(gpu, data, bytes);
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaMemset(data, 0, size)));
  STEMMA_RETURN_IF_ERROR(STEMMA_CUDA(cudaStreamSynchronize(nullptr)));  // other streams do not wait
  return std::unique_ptr<Segment>(std::move(segment));
}

void NcclCommunicator::Abort(const Status& cause) { device_->Fail(cause); }

Status NcclCommunicator::Health() const { return device_->Health(); }

Status NcclCommunicator::Close() { return device_->Close(); }

}  // namespace stemma::comm
