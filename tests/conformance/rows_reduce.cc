// Rows about all-reduce.
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"
#include "tests/support/communicator_contract.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Op;
using comm::Work;

CallOptions With(Op op, double scale = 1) {
  CallOptions options;
  options.op = op;
  options.scale = scale;
  return options;
}

const DType kFloats[] = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

CONFORMANCE_ROW(conformance_05_closed_world_refuses) {
  STEMMA_RETURN_IF_ERROR(rig.world().Close());
  float one = 1;
  const std::vector<int64_t> counts(static_cast<size_t>(rig.ranks()), 0);
  const Status found[] = {
      rig.data().AllReduce({&one, 1, DType::kF32}, {}).status(),
      rig.data().AllGather({&one, 0, DType::kF32}, {&one, 0, DType::kF32}, counts, {}).status(),
      rig.data().Broadcast({&one, 1, DType::kF32}, 0, {}).status(),
      rig.data().Barrier({}).status(),
      rig.data().Health(),
      rig.world().cohort().Min(1).status(),
      rig.world().control().EndStep(0, {}).status(),
      rig.world().Close(),
  };
  for (const Status& status : found) {
    STEMMA_RETURN_IF_ERROR(FailsWith(status, Code::kInvalidArgument, "closed"));
  }
  return Promised(one == 1, "a refused call touches nothing");
}

CONFORMANCE_ROW(conformance_09_sums_of_every_dtype_are_exact) {
  STEMMA_RETURN_IF_ERROR(SumsEveryDType(rig.data()));
  // Around the sizes at which loops, slices and paths change.
  const int n = rig.ranks();
  const auto mine = [&](int64_t i) { return double(i % 11 + rig.rank()); };
  const auto sum = [n](int64_t i) { return double(n * (i % 11) + n * (n - 1) / 2); };
  for (DType dtype : kReducible) {
    for (int64_t count : {1, 3, 15, 16, 17, 63, 64, 65, 127, 129, 255, 257, 1023, 4095, 4097}) {
      Values values(dtype, count, mine);
      STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), {})));
      STEMMA_RETURN_IF_ERROR(values.Expect(sum, "the sum"));
    }
  }
  return {};
}

CONFORMANCE_ROW(conformance_10_averages_have_the_same_bits_everywhere) {
  STEMMA_RETURN_IF_ERROR(AveragesMinimaMaximaProducts(rig.data()));
  STEMMA_RETURN_IF_ERROR(SumsInRankOrder(rig.data()));
  for (int64_t count : {5, 1000, 70001}) {
    std::vector<float> mine = Gradients(rig.rank(), count);
    const comm::Span span{mine.data(), count, DType::kF32};
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(span, With(Op::kAverage))));
    STEMMA_RETURN_IF_ERROR(
        Promised(mine == AverageInRankOrder(rig.ranks(), count), "the average in rank order"));
  }
  return {};
}

CONFORMANCE_ROW(conformance_11_averages_of_integers_are_refused) {
  for (DType dtype : {DType::kU8, DType::kI8, DType::kI32, DType::kI64}) {
    Values values(dtype, 9, [](int64_t i) { return double(i); });
    const Status found = rig.data().AllReduce(values.span(), With(Op::kAverage)).status();
    const std::string text = "the average of " + std::string(NameOf(dtype));
    STEMMA_RETURN_IF_ERROR(FailsWith(found, Code::kInvalidArgument, text));
    STEMMA_RETURN_IF_ERROR(values.Expect([](int64_t i) { return double(i); }, "untouched"));
  }
  return Finish(rig.data().Barrier({}));  // nothing was sent, so nothing is broken
}

CONFORMANCE_ROW(conformance_12_minimum_maximum_product) {
  const int n = rig.ranks(), r = rig.rank();
  // Which rank holds the least changes from element to element.
  const auto mine = [&](int64_t i) { return double(1 + (i + r) % n); };
  double factorial = 1;
  for (int k = 2; k <= n; ++k) factorial *= k;
  const std::pair<Op, double> expected[] = {
      {Op::kMin, 1.0}, {Op::kMax, double(n)}, {Op::kProduct, factorial}};
  for (const auto& [op, result] : expected) {
    for (DType dtype : kReducible) {
      for (int64_t count : {1, 100, 20000}) {
        Values values(dtype, count, mine);
        STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), With(op))));
        const auto form = [v = result](int64_t) { return v; };
        STEMMA_RETURN_IF_ERROR(values.Expect(form, std::string(NameOf(op))));
      }
    }
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Op op : {Op::kMin, Op::kMax, Op::kProduct, Op::kSum}) {
    if (rig.data().on_gpu() && n > 1 && (op == Op::kMin || op == Op::kMax))
      continue;  // NCCL drops it
    for (DType dtype : kFloats) {
      for (int from = 0; from < n; ++from) {
        Values values(dtype, 40, [&](int64_t i) { return i == 7 && r == from ? nan : 1.0; });
        STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), With(op))));
        STEMMA_RETURN_IF_ERROR(Promised(values.at(7) != values.at(7), "NaN of one rank wins"));
        STEMMA_RETURN_IF_ERROR(Promised(values.at(8) == values.at(8), "NaN stays where it is"));
      }
    }
  }
  return {};
}

CONFORMANCE_ROW(conformance_13_in_place_and_out_of_place) {
  const int n = rig.ranks(), r = rig.rank();
  for (int64_t count : {1, 17, 5001}) {
    // In place, between neighbours that stay.
    Values values(DType::kF32, count + 2, [&](int64_t i) { return double(i % 5 + r); });
    const auto* before = values.span().data;
    auto* first = static_cast<float*>(values.span().data) + 1;
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce({first, count, DType::kF32}, {})));
    const auto kept = [&](int64_t i) {
      const bool edge = i == 0 || i == count + 1;
      return edge ? double(i % 5 + r) : double(n * (i % 5) + n * (n - 1) / 2);
    };
    STEMMA_RETURN_IF_ERROR(values.Expect(kept, "the neighbours"));
    STEMMA_RETURN_IF_ERROR(Promised(values.span().data == before, "storage is kept"));

    // Out of place: the input is somebody else's.
    const std::vector<int64_t> counts(static_cast<size_t>(n), count);
    const auto input = [&](int64_t i) { return double(i % 7 + r); };
    const Values in(DType::kF32, count * n, input);
    Values part(DType::kF32, count, [](int64_t) { return -1.0; });
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().ReduceScatter(in.in(), part.span(), counts, {})));
    STEMMA_RETURN_IF_ERROR(in.Expect(input, "the input of a reduce_scatter"));
    const Values own(DType::kF32, count, input);
    Values all(DType::kF32, count * n, [](int64_t) { return -1.0; });
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllGather(own.in(), all.span(), counts, {})));
    STEMMA_RETURN_IF_ERROR(own.Expect(input, "the input of an all_gather"));
  }
  return {};
}

CONFORMANCE_ROW(conformance_14_wait_is_idempotent) {
  STEMMA_RETURN_IF_ERROR(KeepsTheOrderOfCalls(rig.data()));
  const int n = rig.ranks();
  const auto one = [](int64_t) { return 1.0; };
  const auto all = [n](int64_t) { return double(n); };
  Values large(DType::kF32, 3'000'000, one), moved(DType::kF32, 50'000, one);
  STEMMA_ASSIGN_OR_RETURN(Work work, rig.data().AllReduce(large.span(), {}));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  STEMMA_RETURN_IF_ERROR(Promised(work.Done(), "done after Wait"));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  STEMMA_RETURN_IF_ERROR(large.Expect(all, "the large one"));
  {
    STEMMA_ASSIGN_OR_RETURN(Work first, rig.data().AllReduce(moved.span(), {}));
    const Work second = std::move(first);  // and nobody waits: its end does
  }
  return moved.Expect(all, "what nobody waited for");
}

CONFORMANCE_ROW(conformance_15_many_tensors_in_one_bucket) {
  const int64_t sizes[] = {1, 33, 4000, 7, 0, 1024, 2};
  for (DType dtype : kReducible) {
    int64_t total = 0;
    for (int64_t size : sizes) total += size;
    const auto mine = [&](int64_t i) { return double(i % 13 + rig.rank()); };
    Values bucket(dtype, total, mine);
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(bucket.span(), {})));
    int64_t at = 0;
    for (int64_t size : sizes) {
      Values single(dtype, size, [&](int64_t i) { return mine(at + i); });
      STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(single.span(), {})));
      STEMMA_RETURN_IF_ERROR(
          single.Expect([&](int64_t i) { return bucket.at(at + i); }, "as in the bucket"));
      at += size;
    }
  }
  return {};
}

// Values whose sum depends on the order, cut in several ways: every cut has the bits of the whole.
CONFORMANCE_ROW(conformance_16_fused_and_unfused_have_the_same_bits) {
  constexpr int64_t kCount = 30011;
  const std::vector<float> expected = AverageInRankOrder(rig.ranks(), kCount);
  for (int64_t piece : {kCount, int64_t{9973}, int64_t{4096}, int64_t{1000}, int64_t{100}}) {
    std::vector<float> mine = Gradients(rig.rank(), kCount);
    std::vector<Work> works;
    for (int64_t at = 0; at < kCount; at += piece) {
      const comm::Span span{mine.data() + at, std::min(piece, kCount - at), DType::kF32};
      STEMMA_ASSIGN_OR_RETURN(Work work, rig.data().AllReduce(span, With(Op::kAverage)));
      works.push_back(std::move(work));
    }
    for (Work& work : works) STEMMA_RETURN_IF_ERROR(work.Wait());
    const bool same = std::memcmp(mine.data(), expected.data(), kCount * sizeof(float)) == 0;
    STEMMA_RETURN_IF_ERROR(Promised(same, "the same bits in pieces of " + std::to_string(piece)));
  }
  return {};
}

CONFORMANCE_ROW(conformance_18_scale_multiplies_once) {
  const int n = rig.ranks();
  for (DType dtype : kReducible) {
    for (int64_t count : {5, 3001}) {
      const auto mine = [&](int64_t i) { return double(4 * (i % 3)); };
      for (double scale : {0.5, 1.0, 2.0}) {
        Values values(dtype, count, mine);
        STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), With(Op::kSum, scale))));
        const auto form = [&](int64_t i) { return scale * 4 * n * double(i % 3); };
        STEMMA_RETURN_IF_ERROR(values.Expect(form, "scaled by " + std::to_string(scale)));
      }
    }
  }
  Values odd(DType::kI32, 3, [](int64_t i) { return double(2 * i + 1); });
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(odd.span(), With(Op::kSum, 0.25 / n))));
  const auto nearest = [](int64_t i) { return i == 0 ? 0.0 : 1.0; };  // 0.25, 0.75, 1.25
  STEMMA_RETURN_IF_ERROR(odd.Expect(nearest, "integers are rounded to nearest"));
  // Scaled in f32, and rounded to bf16 once, afterwards.
  Values wide(DType::kBF16, 4, [](int64_t) { return 256.0; });
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(wide.span(), With(Op::kSum, 1.0 / 256))));
  STEMMA_RETURN_IF_ERROR(wide.Expect([n](int64_t) { return double(n); }, "bf16 scaled in f32"));
  // A sum beyond f16 that the scale brings back: 40000 n / n.
  Values half(DType::kF16, 4, [](int64_t) { return 40000.0; });
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(half.span(), With(Op::kAverage))));
  return half.Expect([](int64_t) { return 40000.0; }, "f16 does not overflow before the scale");
}

CONFORMANCE_ROW(conformance_27_a_name_may_come_again_with_another_size) {
  const int n = rig.ranks();
  for (int64_t count : {4, 4096, 1, 70000}) {
    for (DType dtype : {DType::kF32, DType::kI64}) {
      CallOptions options;
      options.what = "layer4.weight";
      Values values(dtype, count, [](int64_t i) { return double(i % 9); });
      STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), options)));
      STEMMA_RETURN_IF_ERROR(values.Expect([n](int64_t i) { return double(n * (i % 9)); }, "sum"));
    }
  }
  return {};
}

CONFORMANCE_ROW(conformance_28_zero_elements_succeed) {
  STEMMA_RETURN_IF_ERROR(AcceptsNothing(rig.data()));
  const std::vector<int64_t> none(static_cast<size_t>(rig.ranks()), 0);
  for (DType dtype : kReducible) {
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce({nullptr, 0, dtype}, With(Op::kMax))));
    STEMMA_RETURN_IF_ERROR(
        Finish(rig.data().ReduceScatter({nullptr, 0, dtype}, {nullptr, 0, dtype}, none, {})));
    STEMMA_RETURN_IF_ERROR(
        Finish(rig.data().AllToAll({nullptr, 0, dtype}, none, {nullptr, 0, dtype}, none, {})));
  }
  return Finish(rig.data().Barrier({}));
}

CONFORMANCE_ROW(conformance_31_dtypes_that_cannot_be_added_are_refused) {
  int16_t memory[4] = {1, 2, 3, 4};
  for (DType dtype : {DType::kBool, DType::kI16}) {
    for (Op op : {Op::kSum, Op::kMin, Op::kMax, Op::kProduct}) {
      const Status found = rig.data().AllReduce({memory, 2, dtype}, With(op)).status();
      const std::string text = std::string(NameOf(dtype)) + " cannot be reduced";
      STEMMA_RETURN_IF_ERROR(FailsWith(found, Code::kInvalidArgument, text));
    }
  }
  // They can still be moved.
  memory[0] = static_cast<int16_t>(rig.rank() == 0 ? 77 : 5);
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().Broadcast({memory, 1, DType::kI16}, 0, {})));
  return Promised(memory[0] == 77, "i16 can be broadcast");
}

}  // namespace
}  // namespace stemma::tests
