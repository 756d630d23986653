#include <cstring>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "comm/arguments.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/elements.h"
#include "tests/support/promise.h"

namespace stemma::tests {
namespace {

using comm::BeginOf;
using comm::CallOptions;
using comm::Communicator;
using comm::Op;
using internal::Elements;

using Counts = std::vector<int64_t>;

int64_t Total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// Equal parts, parts that grow with the rank (the first has nothing), and one rank that has all.
std::vector<Counts> Cuts(int ranks, int64_t unit) {
  Counts equal(ranks, unit), growing(ranks), one(ranks, 0);
  for (int r = 0; r < ranks; ++r) growing[r] = r * unit;
  one[ranks / 2] = unit * ranks;
  return {equal, growing, one};
}

// Element i of rank r is (i + r) % 5; a sum over ranks of that stays small in every dtype.
double Value(int64_t i, int rank) { return static_cast<double>((i + rank) % 5); }

struct Case {
  DType dtype = DType::kF32;
  Counts counts;
  Op op = Op::kSum;
  double scale = 1;
  bool in_place = false;
};

Status ScatterCase(Communicator& comm, const Case& c) {
  const int64_t total = Total(c.counts), own = c.counts[comm.rank()];
  const int64_t begin = BeginOf(c.counts, comm.rank());
  Elements in(c.dtype, total, [&](int64_t i) { return Value(i, comm.rank()); });
  Elements out(c.dtype, own, [](int64_t) { return 77.0; });
  const std::vector<char> before = in.bytes;
  CallOptions options;
  options.op = c.op;
  options.scale = c.scale;
  options.what = "contract";
  const comm::Span mine = c.in_place ? in.part(begin, own) : out.span();
  STEMMA_RETURN_IF_ERROR(Finish(comm.ReduceScatter(in.in(), mine, c.counts, options)));
  for (int64_t k = 0; k < own; ++k) {
    double expected = 0;
    for (int r = 0; r < comm.ranks(); ++r) expected += Value(begin + k, r);
    expected *= c.scale;
    if (c.op == Op::kAverage) expected /= comm.ranks();
    const double found = c.in_place ? in[begin + k] : out[k];
    if (found == expected) continue;
    return Broken("reduce_scatter of " + std::string(NameOf(c.dtype)) + ", element " +
                  std::to_string(k) + " of " + std::to_string(own) + ": " + std::to_string(found) +
                  " instead of " + std::to_string(expected));
  }
  if (!c.in_place && in.bytes != before) return Broken("reduce_scatter leaves its input alone");
  return {};
}

Status ExpectText(const Status& found, const std::string& text) {
  const bool good =
      found.code() == Code::kInvalidArgument && found.message().find(text) != std::string::npos;
  return good ? Status() : Broken("'" + text + "' expected, found '" + found.message() + "'");
}

}  // namespace

Status ScattersReducedParts(Communicator& comm) {
  const int n = comm.ranks();
  for (DType dtype : internal::kAllDTypes) {
    for (int64_t unit : {1, 700, 20000}) {
      for (const Counts& counts : Cuts(n, unit)) {
        STEMMA_RETURN_IF_ERROR(ScatterCase(comm, {dtype, counts, Op::kSum, 1, false}));
        STEMMA_RETURN_IF_ERROR(ScatterCase(comm, {dtype, counts, Op::kSum, 2, true}));
      }
    }
    // A third is no binary fraction: ScatterThenGatherIsAllReduce covers it.
    if (!IsFloat(dtype) || n == 3) continue;
    STEMMA_RETURN_IF_ERROR(ScatterCase(comm, {dtype, Cuts(n, 900)[1], Op::kAverage, 1, false}));
  }
  return {};
}

Status ScatterThenGatherIsAllReduce(Communicator& comm) {
  for (int64_t unit : {3, 5000, 70001}) {
    for (const Counts& counts : Cuts(comm.ranks(), unit)) {
      const int64_t total = Total(counts);
      std::vector<float> whole(total), gathered(total);
      for (int64_t i = 0; i < total; ++i) {  // of many magnitudes: another order gives other bits
        const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u + comm.rank() * 40503u);
        whole[i] = ((mixed & 8u) != 0 ? 1e-3f : 1e4f) * (static_cast<float>(mixed >> 8) - 8e6f);
      }
      std::vector<float> mine(counts[comm.rank()]);
      CallOptions options;
      options.op = Op::kAverage;
      const auto own = static_cast<int64_t>(mine.size());
      STEMMA_RETURN_IF_ERROR(Finish(comm.ReduceScatter(
          {whole.data(), total, DType::kF32}, {mine.data(), own, DType::kF32}, counts, options)));
      STEMMA_RETURN_IF_ERROR(Finish(comm.AllGather(
          {mine.data(), own, DType::kF32}, {gathered.data(), total, DType::kF32}, counts, {})));
      STEMMA_RETURN_IF_ERROR(Finish(comm.AllReduce({whole.data(), total, DType::kF32}, options)));
      if (total > 0 && std::memcmp(whole.data(), gathered.data(), total * sizeof(float)) != 0) {
        return Broken("reduce_scatter and all_gather give the bits of all_reduce");
      }
    }
  }
  return {};
}

Status ExchangesBlocks(Communicator& comm) {
  const int n = comm.ranks(), me = comm.rank();
  // What rank a sends to rank b: sometimes nothing, and rank 1 neither sends nor receives.
  const auto length = [](int a, int b, int64_t unit) {
    return a == 1 || b == 1 ? int64_t{0} : (a + 2 * b) % 3 * unit;
  };
  for (DType dtype : internal::kAllDTypes) {
    for (int64_t unit : {0, 1, 300, 50000}) {
      Counts send(n), receive(n);
      for (int r = 0; r < n; ++r) {
        send[r] = length(me, r, unit);
        receive[r] = length(r, me, unit);
      }
      // Element k from a to b is (a + 3 b + k) % 50.
      Elements in(dtype, Total(send), [](int64_t) { return 0.0; });
      for (int r = 0; r < n; ++r) {
        for (int64_t k = 0; k < send[r]; ++k) {
          internal::Write(dtype, static_cast<double>((me + 3 * r + k) % 50),
                          static_cast<char*>(in.part(BeginOf(send, r) + k, 1).data));
        }
      }
      Elements out(dtype, Total(receive), [](int64_t) { return 77.0; });
      STEMMA_RETURN_IF_ERROR(Finish(comm.AllToAll(in.in(), send, out.span(), receive, {})));
      for (int r = 0; r < n; ++r) {
        for (int64_t k = 0; k < receive[r]; ++k) {
          const auto expected = static_cast<double>((r + 3 * me + k) % 50);
          if (out[BeginOf(receive, r) + k] != expected) {
            return Broken("all_to_all of " + std::string(NameOf(dtype)) + ", element " +
                          std::to_string(k) + " from rank " + std::to_string(r));
          }
        }
      }
    }
  }
  return {};
}

Status RefusesMistakesOfParts(Communicator& comm) {
  const int n = comm.ranks();
  std::vector<int32_t> in(4 * n), out(4 * n);
  const Counts equal(n, 2), more(n, 3), few(n - 1, 1);
  const comm::ConstSpan whole{in.data(), 2 * n, DType::kI32};
  const comm::Span part{out.data(), 2, DType::kI32}, all{out.data(), 2 * n, DType::kI32};
  const auto scatter = [&](comm::ConstSpan from, comm::Span to, const Counts& counts,
                           Op op = Op::kSum) {
    CallOptions options;
    options.op = op;
    return comm.ReduceScatter(from, to, counts, options).status();
  };
  const std::string size = std::to_string(2 * n), want = std::to_string(3 * n);
  const std::pair<Status, std::string> refused[] = {
      {scatter(whole, part, more), "in has " + size + " elements, the counts add up to " + want},
      {scatter(whole, part, few), std::to_string(n - 1) + " counts for "},
      {scatter(whole, {out.data(), 1, DType::kI32}, equal), "mine has 1 elements, counts["},
      {scatter(whole, {out.data(), 2, DType::kF32}, equal), "different dtypes, i32 and f32"},
      {scatter(whole, part, equal, Op::kMax), "max is not offered; use sum or average"},
      {scatter(whole, part, equal, Op::kAverage), "the average of i32 would be rounded"},
      {scatter({in.data(), 2 * n, DType::kBool}, {out.data(), 2, DType::kBool}, equal),
       "bool cannot be reduced"},
      {scatter(whole, {in.data() + 2 * comm.rank() + 1, 2, DType::kI32}, equal), "overlaps"},
      {comm.AllGather({out.data() + 2 * comm.rank() + 1, 2, DType::kI32}, all, equal, {}).status(),
       "mine overlaps all"},
      {comm.AllToAll(whole, equal, all, more, {}).status(), "out has " + size + " elements"},
      {comm.AllToAll(whole, few, all, equal, {}).status(), std::to_string(n - 1) + " counts for "},
      {comm.AllToAll(whole, equal, {out.data(), 2 * n, DType::kF32}, equal, {}).status(), "dtypes"},
      {comm.AllToAll(whole, equal, {in.data() + 1, 2 * n, DType::kI32}, equal, {}).status(),
       "in and out overlap"},
      {comm.AllToAll({nullptr, 2 * n, DType::kI32}, equal, all, equal, {}).status(), "no memory"},
  };
  for (const auto& [status, text] : refused) STEMMA_RETURN_IF_ERROR(ExpectText(status, text));
  return comm.Health();  // nothing was sent, so nothing is broken
}

}  // namespace stemma::tests
