#include "tests/support/communicator_contract.h"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/elements.h"
#include "tests/support/promise.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Communicator;
using comm::ConstSpan;
using comm::Op;
using comm::Span;
using comm::Work;
using internal::Read;
using internal::Write;

struct Case {
  DType dtype = DType::kF32;
  Op op = Op::kSum;
  double scale = 1;
  int64_t count = 1;
};

// All-reduces element i = first(i) + rank and compares with expected(i).
template <typename First, typename Expected>
Status ReduceCase(Communicator& comm, const Case& c, First first, Expected expected) {
  const size_t size = SizeOf(c.dtype);
  std::vector<char> data(static_cast<size_t>(c.count) * size);
  for (int64_t i = 0; i < c.count; ++i) {
    Write(c.dtype, first(i) + comm.rank(), data.data() + i * size);
  }
  CallOptions options;
  options.op = c.op;
  options.scale = c.scale;
  options.what = "contract";
  STEMMA_ASSIGN_OR_RETURN(Work work, comm.AllReduce({data.data(), c.count, c.dtype}, options));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  for (int64_t i = 0; i < c.count; ++i) {
    const double found = Read(c.dtype, data.data() + i * size);
    if (found == expected(i)) continue;
    return Broken(std::string(NameOf(c.op)) + " of " + std::string(NameOf(c.dtype)) + ", element " +
                  std::to_string(i) + " of " + std::to_string(c.count) + ": " +
                  std::to_string(found) + " instead of " + std::to_string(expected(i)));
  }
  return {};
}

}  // namespace

Status SumsEveryDType(Communicator& comm) {
  const int n = comm.ranks();
  const auto first = [](int64_t i) { return static_cast<double>(i % 7); };
  const auto sum = [n](int64_t i) { return n * static_cast<double>(i % 7) + n * (n - 1) / 2; };
  for (DType dtype : internal::kAllDTypes) {
    for (int64_t count : {1, 2, 1000, 5000}) {
      STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kSum, 1, count}, first, sum));
    }
    const auto twice = [sum](int64_t i) { return 2 * sum(i); };
    STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kSum, 2, 3000}, first, twice));
  }
  // More than a megabyte, and no multiple of the ranks.
  return ReduceCase(comm, {DType::kF32, Op::kSum, 1, 1000003}, first, sum);
}

Status AveragesMinimaMaximaProducts(Communicator& comm) {
  const int n = comm.ranks();
  const auto first = [n](int64_t i) { return static_cast<double>(1 + n * (i % 3)); };
  const auto max = [&](int64_t i) { return first(i) + n - 1; };
  for (DType dtype : internal::kAllDTypes) {
    STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kMin, 1, 3000}, first, first));
    STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kMax, 1, 3000}, first, max));
    const auto one = [](int64_t) { return 1.0; };
    double factorial = 1;
    for (int r = 1; r < n; ++r) factorial *= 1 + r;
    const auto product = [&](int64_t) { return factorial; };
    STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kProduct, 1, 300}, one, product));
    if (!IsFloat(dtype)) continue;
    // Multiples of n, so that the average is exact; rank r adds r, on average (n - 1) / 2.
    const auto base = [n](int64_t i) { return static_cast<double>(2 * n * (i % 5)); };
    if (n == 3) continue;  // a third is no binary fraction: SumsInRankOrder covers it
    const auto average = [&](int64_t i) { return base(i) + (n - 1) / 2.0; };
    STEMMA_RETURN_IF_ERROR(ReduceCase(comm, {dtype, Op::kAverage, 1, 3000}, base, average));
  }
  if (comm.on_gpu() && n > 1) return {};  // NCCL drops NaN
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> one{comm.rank() == n / 2 ? nan : 1.0f};
  for (Op op : {Op::kMin, Op::kMax}) {
    CallOptions options;
    options.op = op;
    STEMMA_RETURN_IF_ERROR(Finish(comm.AllReduce({one.data(), 1, DType::kF32}, options)));
    if (one[0] == one[0]) return Broken("minima and maxima propagate NaN");
    one[0] = comm.rank() == 0 ? nan : 1.0f;
  }
  return {};
}

Status SumsInRankOrder(Communicator& comm) {
  const int n = comm.ranks();
  // Large and small values of both signs: another order gives other bits.
  const auto value = [](int rank, int64_t i) {
    const float magnitude = (rank + i) % 3 == 0 ? 1e8f : 0.1f;
    return ((rank + i) % 2 == 0 ? magnitude : -magnitude) *
           (1.0f + 0.001f * static_cast<float>(i % 97));
  };
  for (int64_t count : {1, 100, 4097, 300001}) {
    std::vector<float> data(count), expected(count);
    for (int64_t i = 0; i < count; ++i) {
      data[i] = value(comm.rank(), i);
      expected[i] = value(0, i);
      for (int r = 1; r < n; ++r) expected[i] = expected[i] + value(r, i);
      expected[i] = expected[i] * static_cast<float>(1.0 / n);
    }
    CallOptions options;
    options.op = Op::kAverage;
    STEMMA_RETURN_IF_ERROR(Finish(comm.AllReduce({data.data(), count, DType::kF32}, options)));
    if (std::memcmp(data.data(), expected.data(), count * sizeof(float)) != 0) {
      return Broken("sums are made in rank order, at " + std::to_string(count) + " elements");
    }
  }
  return {};
}

Status GathersUnequalCounts(Communicator& comm) {
  for (int64_t unit : {1, 70000}) {
    std::vector<int64_t> counts;  // the first rank has nothing when there are several
    int64_t total = 0;
    for (int r = 0; r < comm.ranks(); ++r) {
      counts.push_back(comm.ranks() == 1 ? unit : r * unit);
      total += counts.back();
    }
    std::vector<int32_t> mine(counts[comm.rank()], 100 + comm.rank()), all(total, -1);
    const ConstSpan in{mine.data(), counts[comm.rank()], DType::kI32};
    const Span out{all.data(), total, DType::kI32};
    STEMMA_RETURN_IF_ERROR(Finish(comm.AllGather(in, out, counts, {})));
    size_t at = 0;
    for (int r = 0; r < comm.ranks(); ++r) {
      for (int64_t k = 0; k < counts[r]; ++k) {
        if (all[at++] != 100 + r) return Broken("all_gather keeps the order of the ranks");
      }
    }
  }
  return {};
}

Status BroadcastsFromEveryRoot(Communicator& comm) {
  for (int root = 0; root < comm.ranks(); ++root) {
    std::vector<int64_t> data(5000, comm.rank() == root ? 7 + root : -1);
    STEMMA_RETURN_IF_ERROR(Finish(comm.Broadcast({data.data(), 5000, DType::kI64}, root, {})));
    for (int64_t found : data) {
      if (found != 7 + root) return Broken("broadcast from root " + std::to_string(root));
    }
  }
  return {};
}

Status KeepsTheOrderOfCalls(Communicator& comm) {
  constexpr int kCalls = 20;
  std::vector<std::vector<double>> data(kCalls);
  std::vector<Work> works;
  for (int k = 0; k < kCalls; ++k) {
    data[k].assign(k % 2 == 0 ? 3 : 40000, k + comm.rank());
    const Span span{data[k].data(), static_cast<int64_t>(data[k].size()), DType::kF64};
    STEMMA_ASSIGN_OR_RETURN(Work work, comm.AllReduce(span, {}));
    works.push_back(std::move(work));
  }
  STEMMA_RETURN_IF_ERROR(Finish(comm.Barrier({})));
  const double n = comm.ranks();
  for (int k = kCalls - 1; k >= 0; --k) {
    if (!works[k].Done()) return Broken("what was called before a barrier ended before it");
    STEMMA_RETURN_IF_ERROR(works[k].Wait());
    STEMMA_RETURN_IF_ERROR(works[k].Wait());  // idempotent
    for (double found : data[k]) {
      if (found != n * k + n * (n - 1) / 2) return Broken("call " + std::to_string(k));
    }
  }
  return {};
}

Status AcceptsNothing(Communicator& comm) {
  const std::vector<int64_t> none(comm.ranks(), 0);
  STEMMA_RETURN_IF_ERROR(Finish(comm.AllReduce({nullptr, 0, DType::kF32}, {})));
  STEMMA_RETURN_IF_ERROR(Finish(comm.Broadcast({nullptr, 0, DType::kF32}, 0, {})));
  const Span all{nullptr, 0, DType::kU8};
  STEMMA_RETURN_IF_ERROR(Finish(comm.ReduceScatter({nullptr, 0, DType::kU8}, all, none, {})));
  STEMMA_RETURN_IF_ERROR(Finish(comm.AllToAll({nullptr, 0, DType::kU8}, none, all, none, {})));
  return Finish(comm.AllGather({nullptr, 0, DType::kU8}, all, none, {}));
}

Status RefusesMistakes(Communicator& comm) {
  int32_t one = 1;
  CallOptions average;
  average.op = Op::kAverage;
  const std::vector<int64_t> too_many(comm.ranks() + 1, 0);
  const Status refused[] = {
      comm.AllReduce({&one, 1, DType::kI32}, average).status(),
      comm.AllReduce({nullptr, 1, DType::kF32}, {}).status(),
      comm.AllReduce({&one, 1, DType::kBool}, {}).status(),
      comm.AllReduce({&one, -1, DType::kI32}, {}).status(),
      comm.Broadcast({&one, 1, DType::kI32}, comm.ranks(), {}).status(),
      comm.Broadcast({&one, 1, DType::kI32}, -1, {}).status(),
      comm.AllGather({&one, 0, DType::kI32}, {&one, 0, DType::kI32}, too_many, {}).status(),
      comm.Allocate(-1, "contract").status(),
  };
  for (const Status& status : refused) {
    if (status.code() != Code::kInvalidArgument) {
      return Broken("a mistake is refused as such: '" + status.message() + "'");
    }
  }
  return comm.Health();  // nothing was sent, so nothing is broken
}

Status AllocatesAlignedZeros(Communicator& comm) {
  STEMMA_ASSIGN_OR_RETURN(const auto segment, comm.Allocate(10000, "contract"));
  if (reinterpret_cast<uintptr_t>(segment->data()) % 4096 != 0) return Broken("alignment");
  if (segment->bytes() != 10000) return Broken("bytes of a segment");
  const char* data = static_cast<const char*>(segment->data());
  for (int64_t i = 0; i < segment->bytes(); ++i) {
    if (data[i] != 0) return Broken("segments begin as zeros");
  }
  return {};
}

}  // namespace stemma::tests
