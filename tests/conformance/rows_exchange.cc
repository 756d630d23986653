// Rows about reduce-scatter, all-to-all and barrier.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Op;
using comm::Work;
using Counts = std::vector<int64_t>;

size_t Index(int64_t i) { return static_cast<size_t>(i); }

int64_t Sum(const Counts& counts) {
  int64_t total = 0;
  for (int64_t count : counts) total += count;
  return total;
}

int64_t Begin(const Counts& counts, int rank) {
  return Sum({counts.begin(), counts.begin() + rank});
}

// `total` rows over `ranks`: the first total % ranks ranks get one more.
Counts Evenly(int64_t total, int ranks) {
  Counts counts;
  for (int r = 0; r < ranks; ++r) counts.push_back(total / ranks + (r < total % ranks ? 1 : 0));
  return counts;
}

Status ScatterCase(Rig& rig, DType dtype, const Counts& counts, bool in_place) {
  const int n = rig.ranks(), r = rig.rank();
  const auto mine = [&](int64_t i) { return double(i % 7 + r); };
  Values in(dtype, Sum(counts), mine);
  Values part(dtype, counts[Index(r)], [](int64_t) { return 99.0; });
  const int64_t first = Begin(counts, r);
  comm::Span out = part.span();
  if (in_place) out.data = static_cast<char*>(in.span().data) + Index(first) * SizeOf(dtype);
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().ReduceScatter(in.in(), out, counts, {})));
  const auto sum = [&](int64_t i) { return double(n * ((first + i) % 7) + n * (n - 1) / 2); };
  if (!in_place) {
    STEMMA_RETURN_IF_ERROR(in.Expect(mine, "the input"));
    return part.Expect(sum, "this rank's part");
  }
  for (int64_t i = 0; i < counts[Index(r)]; ++i) {
    STEMMA_RETURN_IF_ERROR(Promised(in.at(first + i) == sum(i), "this rank's part, in place"));
  }
  return {};
}

CONFORMANCE_ROW(conformance_42_reduce_scatter_even_and_uneven) {
  const int n = rig.ranks();
  for (DType dtype : kReducible) {
    for (int64_t total : {1, 2, 5, 12, 1000, 1001, 50003}) {
      for (bool in_place : {false, true}) {
        STEMMA_RETURN_IF_ERROR(ScatterCase(rig, dtype, Evenly(total, n), in_place));
      }
    }
  }
  for (int only = 0; only < n; ++only) {  // all for one rank, nothing for the others
    Counts counts(Index(n), 0);
    counts[Index(only)] = 77;
    STEMMA_RETURN_IF_ERROR(ScatterCase(rig, DType::kF32, counts, false));
  }
  return {};
}

CONFORMANCE_ROW(conformance_43_reduce_scatter_refuses) {
  const int n = rig.ranks();
  float memory[64] = {};
  const auto refused = [&](int64_t count, const Counts& counts, Op op, const std::string& text) {
    CallOptions options;
    options.op = op;
    const int64_t own = counts.size() == Index(n) ? counts[Index(rig.rank())] : 1;
    const Status found = rig.data()
                             .ReduceScatter({memory, count, DType::kF32},
                                            {memory + 32, own, DType::kF32}, counts, options)
                             .status();
    return FailsWith(found, Code::kInvalidArgument, text);
  };
  const Counts ones(Index(n), 1);
  for (Op op : {Op::kMin, Op::kMax, Op::kProduct}) {
    STEMMA_RETURN_IF_ERROR(refused(n, ones, op, std::string(NameOf(op)) + " is not offered"));
  }
  // A scalar has nothing to cut: its one element is for one rank, so the counts cannot fit all.
  const std::string sum = "the counts add up to " + std::to_string(n);
  if (n > 1) STEMMA_RETURN_IF_ERROR(refused(1, ones, Op::kSum, "in has 1 elements, " + sum));
  STEMMA_RETURN_IF_ERROR(refused(n + 1, ones, Op::kSum, sum));
  STEMMA_RETURN_IF_ERROR(refused(n + 1, Counts(Index(n) + 1, 1), Op::kSum,
                                 std::to_string(n + 1) + " counts for " + std::to_string(n)));
  return Finish(rig.data().Barrier({}));
}

// Values whose sum depends on the order: the bits of both ways are those of rank order.
CONFORMANCE_ROW(conformance_44_reduce_scatter_and_gather_equal_all_reduce) {
  const int n = rig.ranks(), r = rig.rank();
  for (int64_t total : {3, 1000, 4097, 100003}) {
    for (Op op : {Op::kSum, Op::kAverage}) {
      CallOptions options;
      options.op = op;
      std::vector<float> whole = Gradients(r, total), parts = whole;
      const Counts counts = Evenly(total, n);
      float* own = parts.data() + Begin(counts, r);
      const comm::Span mine{own, counts[Index(r)], DType::kF32},
          all{parts.data(), total, DType::kF32};
      const comm::ConstSpan in{parts.data(), total, DType::kF32};
      STEMMA_RETURN_IF_ERROR(Finish(rig.data().ReduceScatter(in, mine, counts, options)));
      const comm::ConstSpan reduced{own, counts[Index(r)], DType::kF32};
      STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllGather(reduced, all, counts, {})));
      STEMMA_RETURN_IF_ERROR(
          Finish(rig.data().AllReduce({whole.data(), total, DType::kF32}, options)));
      const bool same = std::memcmp(whole.data(), parts.data(), Index(total) * 4) == 0;
      STEMMA_RETURN_IF_ERROR(Promised(same, "the bits of all_reduce"));
      if (op == Op::kSum) continue;
      const std::vector<float> expected = AverageInRankOrder(n, total);
      const bool ordered = std::memcmp(whole.data(), expected.data(), Index(total) * 4) == 0;
      STEMMA_RETURN_IF_ERROR(Promised(ordered, "the bits of rank order"));
    }
  }
  return {};
}

// Rank a sends rank b sizes(a, b) elements; the k-th is 16 a + 4 b + k % 4.
Status ExchangeCase(Rig& rig, DType dtype, const std::function<int64_t(int, int)>& sizes) {
  const int n = rig.ranks(), r = rig.rank();
  const auto element = [](int from, int to, int64_t k) {
    return double(16 * from + 4 * to + k % 4);
  };
  Counts send, receive;
  std::vector<double> sent, expected;
  for (int peer = 0; peer < n; ++peer) {
    send.push_back(sizes(r, peer));
    receive.push_back(sizes(peer, r));
    for (int64_t k = 0; k < send.back(); ++k) sent.push_back(element(r, peer, k));
    for (int64_t k = 0; k < receive.back(); ++k) expected.push_back(element(peer, r, k));
  }
  const auto input = [&](int64_t i) { return sent[Index(i)]; };
  const Values in(dtype, Sum(send), input);
  Values out(dtype, Sum(receive), [](int64_t) { return 99.0; });
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllToAll(in.in(), send, out.span(), receive, {})));
  STEMMA_RETURN_IF_ERROR(in.Expect(input, "what was sent"));
  return out.Expect([&](int64_t i) { return expected[Index(i)]; }, "what was received");
}

CONFORMANCE_ROW(conformance_46_all_to_all_with_unequal_blocks) {
  for (DType dtype : {DType::kU8, DType::kI32, DType::kI64, DType::kF16, DType::kBF16, DType::kF32,
                      DType::kF64}) {
    for (int64_t unit : {1, 1000, 30001}) {
      const std::function<int64_t(int, int)> cases[] = {
          [&](int, int) { return unit; },
          [&](int from, int to) { return unit * ((from + 2 * to) % 3); },     // some are zero
          [&](int from, int to) { return from == 0 || to == 0 ? 0 : unit; },  // an empty rank
          [&](int from, int to) { return from == to ? 0 : unit + from; },
          [&](int from, int) { return from == 0 ? unit : 0; },
      };
      for (const auto& sizes : cases) STEMMA_RETURN_IF_ERROR(ExchangeCase(rig, dtype, sizes));
    }
  }
  return {};
}

Status Refused(Rig& rig, comm::ConstSpan in, const Counts& send, comm::Span out,
               const Counts& receive, const std::string& text) {
  const Status found = rig.data().AllToAll(in, send, out, receive, {}).status();
  return FailsWith(found, Code::kInvalidArgument, text);
}

CONFORMANCE_ROW(conformance_45_all_to_all_that_does_not_divide) {
  const int n = rig.ranks();
  float from[64] = {}, to[64] = {};
  // An equal split of 2 n + 1 elements covers 2 n of them.
  const Counts two(Index(n), 2);
  STEMMA_RETURN_IF_ERROR(Refused(rig, {from, 2 * n + 1, DType::kF32}, two, {to, 2 * n, DType::kF32},
                                 two,
                                 "in has " + std::to_string(2 * n + 1) +
                                     " elements, the counts add up to " + std::to_string(2 * n)));
  return Finish(rig.data().Barrier({}));
}

CONFORMANCE_ROW(conformance_47_all_to_all_refuses) {
  const int n = rig.ranks();
  float from[64] = {}, to[64] = {};
  const DType f32 = DType::kF32;
  const Counts one(Index(n), 1), more(Index(n) + 1, 1);
  Counts beyond = one, negative = one, other_self = one;
  beyond.back() = 60;
  negative[0] = -1;
  other_self[Index(rig.rank())] = 2;
  STEMMA_RETURN_IF_ERROR(
      Refused(rig, {from, n, f32}, beyond, {to, n, f32}, one, "the counts add up to"));
  STEMMA_RETURN_IF_ERROR(
      Refused(rig, {from, n, f32}, more, {to, n, f32}, one, std::to_string(n + 1) + " counts"));
  STEMMA_RETURN_IF_ERROR(
      Refused(rig, {from, n, f32}, one, {to, n, f32}, more, std::to_string(n + 1) + " counts"));
  STEMMA_RETURN_IF_ERROR(
      Refused(rig, {from, n, f32}, negative, {to, n, f32}, one, "a count below zero"));
  STEMMA_RETURN_IF_ERROR(
      Refused(rig, {from, n, f32}, one, {to, n, DType::kI32}, one, "different dtypes"));
  STEMMA_RETURN_IF_ERROR(Refused(rig, {from, n, f32}, one, {to, n + 1, f32}, one, "out has"));
  STEMMA_RETURN_IF_ERROR(Refused(rig, {from, n, f32}, one, {to, n + 1, f32}, other_self,
                                 "sends itself 1 elements and expects 2"));
  STEMMA_RETURN_IF_ERROR(Refused(rig, {from, n, f32}, one, {from, n, f32}, one, "overlap"));
  STEMMA_RETURN_IF_ERROR(Refused(rig, {nullptr, n, f32}, one, {to, n, f32}, one, "no memory for"));
  return Finish(rig.data().Barrier({}));
}

// Each rank leaves a file before it enters; whoever leaves finds the files of all.
CONFORMANCE_ROW(conformance_48_nobody_leaves_a_barrier_early) {
  const int n = rig.ranks(), r = rig.rank();
  const char* base = std::getenv("TEST_TMPDIR");
  const auto mark = [&](int round, int rank) {
    return std::filesystem::path(base == nullptr ? "." : base) /
           (rig.backend() + std::to_string(n) + "." + std::to_string(round) + "." +
            std::to_string(rank));
  };
  for (int round = 0; round < 12; ++round) {
    Values running(DType::kF64, 100'000, [](int64_t) { return 1.0; });
    std::vector<Work> works;
    if (round % 2 == 1) {  // behind operations that are under way
      STEMMA_ASSIGN_OR_RETURN(Work work, rig.data().AllReduce(running.span(), {}));
      works.push_back(std::move(work));
    }
    if (r == round % n) {  // one comes late; the others must not care how late
      volatile double busy = 0;
      for (int i = 0; i < 2'000'000; ++i) busy = busy + i;
    }
    std::ofstream(mark(round, r)) << "here";
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().Barrier({})));
    for (int peer = 0; peer < n; ++peer) {
      const bool came = std::filesystem::exists(mark(round, peer));
      STEMMA_RETURN_IF_ERROR(Promised(came, "rank " + std::to_string(peer) + " was not there yet"));
    }
    if (works.empty()) continue;
    STEMMA_RETURN_IF_ERROR(Promised(works[0].Done(), "what was called before a barrier has ended"));
    STEMMA_RETURN_IF_ERROR(works[0].Wait());
    STEMMA_RETURN_IF_ERROR(running.Expect([n](int64_t) { return double(n); }, "the sum"));
  }
  return {};
}

}  // namespace
}  // namespace stemma::tests
