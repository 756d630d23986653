#include "comm/sum_chain.h"

#include <algorithm>

#include "comm/reduce_kernels.h"

namespace stemma::comm {

struct SumChain::Job {
  Op op;
  DType dtype, wide;  // wide: the accumulator's
  const std::vector<const void*>& parts;
  int64_t count;
  double factor;
  char* out;
  const Waiting& waiting;
  int64_t chunk = 1;  // elements
  // Messages, by chunk; those sent in any order.
  std::vector<int64_t> arriving = {}, returned = {}, sent = {};
  size_t back = 0;  // chunks of the result that are here

  int64_t chunks() const { return (count + chunk - 1) / chunk; }
  int64_t first(int64_t k) const { return k * chunk; }
  int64_t length(int64_t k) const { return std::min(chunk, count - k * chunk); }
};

namespace {

bool IsNarrow(DType dtype) { return dtype == DType::kF16 || dtype == DType::kBF16; }

void Widen(DType dtype, const void* from, int64_t count, float* to) {
  const auto* const in = static_cast<const uint16_t*>(from);
  if (dtype == DType::kF16) {
    for (int64_t i = 0; i < count; ++i) to[i] = FloatFromHalf(in[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = FloatFromBfloat(in[i]);
  }
}

void Narrow(DType dtype, const float* from, int64_t count, void* to) {
  auto* const out = static_cast<uint16_t*>(to);
  if (dtype == DType::kF16) {
    for (int64_t i = 0; i < count; ++i) out[i] = HalfFromFloat(from[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = BfloatFromFloat(from[i]);
  }
}

}  // namespace

SumChain::SumChain(MpiGroup& group, int previous, int next, int64_t chunk_bytes)
    : group_(group),
      previous_(previous),
      next_(next),
      chunk_bytes_(chunk_bytes),
      running_(std::make_unique<std::vector<char>>()) {}

SumChain::~SumChain() {
  if (!group_.Health().ok()) running_.release();
}

Status SumChain::Reduce(Op op, DType dtype, const std::vector<const void*>& parts, int64_t count,
                        double factor, void* out, const Waiting& waiting) {
  Job job{op,
          dtype,
          IsNarrow(dtype) ? DType::kF32 : dtype,
          parts,
          count,
          factor,
          static_cast<char*>(out),
          waiting};
  const size_t wide = SizeOf(job.wide), size = SizeOf(dtype);
  job.chunk = std::max<int64_t>(1, chunk_bytes_ / static_cast<int64_t>(wide));
  const size_t running = static_cast<size_t>(count) * wide;
  if (running_->size() < running) running_->resize(running);
  for (int64_t k = 0; k < job.chunks(); ++k) {
    if (previous_ >= 0) {
      STEMMA_ASSIGN_OR_RETURN(job.arriving.emplace_back(),
                              group_.Receive(running_->data() + job.first(k) * wide,
                                             job.length(k) * wide, previous_, MpiGroup::kForth));
    }
    if (next_ >= 0) {
      STEMMA_ASSIGN_OR_RETURN(job.returned.emplace_back(),
                              group_.Receive(job.out + job.first(k) * size, job.length(k) * size,
                                             next_, MpiGroup::kBack));
    }
  }
  for (int64_t k = 0; k < job.chunks(); ++k) {
    STEMMA_RETURN_IF_ERROR(Forth(job, k));
    STEMMA_RETURN_IF_ERROR(Back(job, false));
  }
  STEMMA_RETURN_IF_ERROR(Back(job, true));
  for (int64_t message : job.sent) STEMMA_RETURN_IF_ERROR(group_.Await(message, waiting));
  return {};
}

// Adds this node's ranks to chunk k and sends it on, or back when this is the last node.
Status SumChain::Forth(Job& job, int64_t k) {
  const size_t wide = SizeOf(job.wide), size = SizeOf(job.dtype);
  const int64_t first = job.first(k), n = job.length(k);
  if (previous_ >= 0) STEMMA_RETURN_IF_ERROR(group_.Await(job.arriving[k], job.waiting));
  Add(job, first, n);
  if (next_ >= 0) {
    STEMMA_ASSIGN_OR_RETURN(
        job.sent.emplace_back(),
        group_.Send(running_->data() + first * wide, n * wide, next_, MpiGroup::kForth));
  } else if (previous_ >= 0) {
    STEMMA_ASSIGN_OR_RETURN(job.sent.emplace_back(), group_.Send(job.out + first * size, n * size,
                                                                 previous_, MpiGroup::kBack));
  }
  return {};
}

// Passes back what has come back: what is here already, or all of it.
Status SumChain::Back(Job& job, bool wait) {
  const size_t size = SizeOf(job.dtype);
  for (; job.back < job.returned.size(); ++job.back) {
    const int64_t message = job.returned[job.back];
    if (!wait) {
      STEMMA_ASSIGN_OR_RETURN(const bool here, group_.Ended(message));
      if (!here) return {};
    }
    STEMMA_RETURN_IF_ERROR(group_.Await(message, job.waiting));
    if (previous_ < 0) continue;
    const auto k = static_cast<int64_t>(job.back);
    STEMMA_ASSIGN_OR_RETURN(job.sent.emplace_back(),
                            group_.Send(job.out + job.first(k) * size, job.length(k) * size,
                                        previous_, MpiGroup::kBack));
  }
  return {};
}

// running = running + part 0 + part 1 ...; on the last node also scaled, into `out`.
void SumChain::Add(const Job& job, int64_t first, int64_t n) {
  const size_t wide = SizeOf(job.wide), size = SizeOf(job.dtype);
  const bool last = next_ < 0;
  char* const running = running_->data() + first * wide;
  std::vector<const void*> in;
  if (previous_ >= 0) in.push_back(running);
  if (IsNarrow(job.dtype)) wide_.resize(job.parts.size() * static_cast<size_t>(job.chunk));
  for (size_t r = 0; r < job.parts.size(); ++r) {
    const char* const part = static_cast<const char*>(job.parts[r]) + first * size;
    if (!IsNarrow(job.dtype)) {
      in.push_back(part);
      continue;
    }
    float* const widened = wide_.data() + r * static_cast<size_t>(job.chunk);
    Widen(job.dtype, part, n, widened);
    in.push_back(widened);
  }
  char* const out = job.out + first * size;
  char* const to = last && !IsNarrow(job.dtype) ? out : running;
  // The qualified name is the kernel: Reduce is a member here.
  stemma::comm::Reduce(job.op, job.wide, in, n, last ? job.factor : 1.0, to);
  if (last && IsNarrow(job.dtype)) {
    Narrow(job.dtype, reinterpret_cast<const float*>(running), n, out);
  }
}

}  // namespace stemma::comm
