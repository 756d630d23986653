// Rows in which ranks ask for different things, which comm.check=full proves before anything is
// sent, and mistakes that one rank sees alone.
#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"
#include "tests/support/communicator_contract.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Communicator;
using comm::Op;
using comm::Work;
using Call = std::function<Result<Work>(Communicator&)>;

// In a new world in which calls are compared, the last rank calls `last` and the others `first`:
// all of them get the same kIncompatible, which says who asked for what, and so does what follows.
Status Differ(Rig& rig, const Call& first, const Call& last, const std::string& text) {
  comm::CommSettings settings = Rig::Patient();
  settings.check = "full";
  STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
  const bool is_last = rig.rank() == rig.ranks() - 1;
  const Status found = Finish((is_last ? last : first)(rig.data()));
  STEMMA_RETURN_IF_ERROR(FailsWith(found, Code::kIncompatible, text));
  STEMMA_ASSIGN_OR_RETURN(const auto all, rig.world().cohort().AllGather(found.message()));
  for (const std::string& other : all) {
    STEMMA_RETURN_IF_ERROR(Promised(other == all[0], "one text on all ranks: '" + other + "'"));
  }
  return FailsWith(Finish(rig.data().Barrier({})), Code::kIncompatible, text);
}

CallOptions Named(const char* what, Op op = Op::kSum, double scale = 1) {
  CallOptions options;
  options.what = what;
  options.op = op;
  options.scale = scale;
  return options;
}

float memory[8192];  // what mismatched calls point at: only its addresses matter

Call Reduce(DType dtype, int64_t count, const CallOptions& options) {
  return [=](Communicator& comm) -> Result<Work> {
    thread_local std::vector<char> mine;
    mine.assign(static_cast<size_t>(count) * SizeOf(dtype), 0);
    return comm.AllReduce({mine.data(), count, dtype}, options);
  };
}

Call Broadcast(DType dtype, int64_t count, int root) {
  return [=](Communicator& comm) -> Result<Work> {
    thread_local std::vector<char> mine;
    mine.assign(static_cast<size_t>(count) * SizeOf(dtype), 0);
    return comm.Broadcast({mine.data(), count, dtype}, root, Named("table"));
  };
}

Call Gather(DType dtype, const std::vector<int64_t>& counts, int rank) {
  return [=](Communicator& comm) -> Result<Work> {
    thread_local std::vector<char> mine, all;
    int64_t total = 0;
    for (int64_t count : counts) total += count;
    const int64_t own = counts[static_cast<size_t>(rank)];
    mine.assign(static_cast<size_t>(own) * SizeOf(dtype), 0);
    all.assign(static_cast<size_t>(total) * SizeOf(dtype), 0);
    return comm.AllGather({mine.data(), own, dtype}, {all.data(), total, dtype}, counts,
                          Named("sizes"));
  };
}

CONFORMANCE_ROW_FROM(2, conformance_19_scales_differ) {
  const std::string sum = "all_reduce \"bucket 4\" f32[100] sum";
  return Differ(rig, Reduce(DType::kF32, 100, Named("bucket 4", Op::kSum, 0.5)),
                Reduce(DType::kF32, 100, Named("bucket 4", Op::kSum, 0.25)),
                LastDiffers(rig.ranks(), sum + " scaled by 0.5", sum + " scaled by 0.25"));
}

CONFORMANCE_ROW_FROM(2, conformance_20_sizes_differ) {
  for (int64_t other : {99, 101, 5000}) {
    const std::string more = "all_reduce \"bucket 4\" f32[" + std::to_string(other) + "] sum";
    const Call first = Reduce(DType::kF32, 100, Named("bucket 4"));
    const Call last = Reduce(DType::kF32, other, Named("bucket 4"));
    STEMMA_RETURN_IF_ERROR(Differ(
        rig, first, last, LastDiffers(rig.ranks(), "all_reduce \"bucket 4\" f32[100] sum", more)));
  }
  return {};
}

CONFORMANCE_ROW_FROM(2, conformance_22_dtypes_differ) {
  return Differ(rig, Reduce(DType::kF32, 64, Named("fc.weight")),
                Reduce(DType::kI32, 64, Named("fc.weight")),
                LastDiffers(rig.ranks(), "all_reduce \"fc.weight\" f32[64] sum",
                            "all_reduce \"fc.weight\" i32[64] sum"));
}

CONFORMANCE_ROW_FROM(2, conformance_23_one_reduces_and_one_gathers) {
  const int n = rig.ranks(), r = rig.rank();
  Values mine(DType::kF32, 10, [&](int64_t i) { return double(i + r); });
  Values all(DType::kF32, 10 * n, [](int64_t) { return -1.0; });
  const Call reduce = [&](Communicator& comm) {
    return comm.AllReduce(mine.span(), Named("bucket 4"));
  };
  const Call gather = [&](Communicator& comm) {
    const std::vector<int64_t> counts(static_cast<size_t>(n), 10);
    return comm.AllGather(mine.in(), all.span(), counts, Named("bucket 4"));
  };
  STEMMA_RETURN_IF_ERROR(Differ(rig, reduce, gather, "all_reduce \"bucket 4\" f32[10] sum, rank"));
  STEMMA_RETURN_IF_ERROR(mine.Expect([&](int64_t i) { return double(i + r); }, "not mixed"));
  STEMMA_RETURN_IF_ERROR(all.Expect([](int64_t) { return -1.0; }, "not mixed"));
  const std::string gathers = "] all_gather \"bucket 4\" f32";
  const Call barrier = [](Communicator& comm) { return comm.Barrier(Named("epoch")); };
  return Differ(rig, reduce, barrier,
                LastDiffers(n, "all_reduce \"bucket 4\" f32[10] sum", "barrier \"epoch\""));
}

CONFORMANCE_ROW_FROM(2, conformance_24_operators_differ) {
  return Differ(
      rig, Reduce(DType::kF32, 3, Named("loss", Op::kSum)),
      Reduce(DType::kF32, 3, Named("loss", Op::kMax)),
      LastDiffers(rig.ranks(), "all_reduce \"loss\" f32[3] sum", "all_reduce \"loss\" f32[3] max"));
}

// The first call completes on all ranks: the second one was never made.
CONFORMANCE_ROW(conformance_26_a_tensor_given_away_twice) {
  const int n = rig.ranks();
  comm::CommSettings settings = Rig::Patient();
  settings.check = "full";
  STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
  Values values(DType::kF32, 500'000, [&](int64_t i) { return double(i % 3 + rig.rank()); });
  STEMMA_ASSIGN_OR_RETURN(Work first, rig.data().AllReduce(values.span(), Named("w")));
  if (rig.rank() == 0) {
    auto* inside = static_cast<float*>(values.span().data) + 1000;
    const Status second = rig.data().AllReduce({inside, 10, DType::kF32}, Named("again")).status();
    STEMMA_RETURN_IF_ERROR(FailsWith(second, Code::kInvalidArgument, "\"w\""));
    STEMMA_RETURN_IF_ERROR(FailsWith(second, Code::kInvalidArgument, "\"again\""));
  }
  STEMMA_RETURN_IF_ERROR(first.Wait());
  const auto sum = [n](int64_t i) { return double(n * (i % 3) + n * (n - 1) / 2); };
  STEMMA_RETURN_IF_ERROR(values.Expect(sum, "the first call's sum"));
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), Named("w"))));  // free again
  return values.Expect([&](int64_t i) { return n * sum(i); }, "a later call's sum");
}

CONFORMANCE_ROW(conformance_38_gathers_that_do_not_fit) {
  const int n = rig.ranks(), r = rig.rank();
  std::vector<int64_t> counts(static_cast<size_t>(n), 2), fewer(static_cast<size_t>(n) - 1, 2);
  const auto refused = [&](comm::ConstSpan mine, comm::Span all, const std::vector<int64_t>& sizes,
                           const std::string& text) {
    const Status found = rig.data().AllGather(mine, all, sizes, {}).status();
    return FailsWith(found, Code::kInvalidArgument, text);
  };
  const DType f32 = DType::kF32;
  STEMMA_RETURN_IF_ERROR(
      refused({memory, 2, DType::kI32}, {memory + 100, 2 * n, f32}, counts, "different dtypes"));
  STEMMA_RETURN_IF_ERROR(refused({memory, 3, f32}, {memory + 100, 2 * n, f32}, counts,
                                 "mine has 3 elements, counts[" + std::to_string(r) + "] says 2"));
  STEMMA_RETURN_IF_ERROR(refused({memory, 2, f32}, {memory + 100, 2 * n + 1, f32}, counts,
                                 "the counts add up to " + std::to_string(2 * n)));
  STEMMA_RETURN_IF_ERROR(refused({memory, 2, f32}, {memory + 100, 2 * n, f32}, fewer,
                                 std::to_string(n - 1) + " counts for " + std::to_string(n)));
  counts[0] = -1;
  STEMMA_RETURN_IF_ERROR(
      refused({memory, 2, f32}, {memory + 100, 2 * n, f32}, counts, "below zero"));
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().Barrier({})));  // nothing was sent
  if (n == 1) return {};

  const std::vector<int64_t> all(static_cast<size_t>(n), 2);
  STEMMA_RETURN_IF_ERROR(Differ(rig, Gather(f32, all, r), Gather(DType::kI64, all, r),
                                "all_gather \"sizes\" i64[" + std::to_string(2 * n) + "]"));
  std::vector<int64_t> others = all;
  others[0] = 5;  // the last rank believes that rank 0 has more
  return Differ(rig, Gather(f32, all, r), Gather(f32, others, r),
                "all_gather \"sizes\" f32[" + std::to_string(2 * n + 3) + "]");
}

CONFORMANCE_ROW(conformance_40_broadcasts_that_do_not_fit) {
  const int n = rig.ranks();
  for (int root : {-1, n, n + 7}) {
    const Status found = rig.data().Broadcast({memory, 4, DType::kF32}, root, {}).status();
    STEMMA_RETURN_IF_ERROR(
        FailsWith(found, Code::kInvalidArgument,
                  "root " + std::to_string(root) + " of " + std::to_string(n) + " ranks"));
  }
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().Barrier({})));
  if (n == 1) return {};
  const Call usual = Broadcast(DType::kF32, 8, 0);
  const std::string text = "broadcast \"table\" f32[8] from 0";
  STEMMA_RETURN_IF_ERROR(Differ(rig, usual, Broadcast(DType::kF32, 8, 1),
                                LastDiffers(n, text, "broadcast \"table\" f32[8] from 1")));
  STEMMA_RETURN_IF_ERROR(Differ(rig, usual, Broadcast(DType::kF32, 9, 0),
                                LastDiffers(n, text, "broadcast \"table\" f32[9] from 0")));
  return Differ(rig, usual, Broadcast(DType::kI32, 8, 0),
                LastDiffers(n, text, "broadcast \"table\" i32[8] from 0"));
}

}  // namespace
}  // namespace stemma::tests
