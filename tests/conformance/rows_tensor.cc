// Rows that speak of tensors and of trainings. Those of gather, broadcast, scatter and exchange are
// in tests/ranks/tensor_rows.h.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <string>
#include <vector>

#include "ops/reducer.h"
#include "ops/tensor_collectives.h"

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"
#include "tests/ranks/reducer_fixture.h"

namespace stemma::tests {
namespace {

const at::ScalarType kAddable[] = {at::kByte, at::kChar,     at::kInt,   at::kLong,
                                   at::kHalf, at::kBFloat16, at::kFloat, at::kDouble};

CONFORMANCE_ROW(conformance_09_sums_of_tensors_in_one_to_three_dimensions) {
  const int n = rig.ranks();
  const std::vector<std::vector<int64_t>> shapes = {{17}, {17, 17}, {17, 17, 17}, {}};
  for (at::ScalarType type : kAddable) {
    for (const auto& shape : shapes) {
      const at::Tensor base = at::arange(at::ones(shape).numel(), at::kLong).remainder(7);
      const at::Tensor mine = (base + rig.rank()).reshape(shape).to(type);
      STEMMA_RETURN_IF_ERROR(ops::AllReduce(rig.world(), mine));
      const at::Tensor sum = (base * n + n * (n - 1) / 2).reshape(shape).to(type);
      STEMMA_RETURN_IF_ERROR(Expect(mine.equal(sum) && mine.sizes() == at::IntArrayRef(shape),
                                    std::string("the sum of ") + c10::toString(type)));
    }
  }
  return {};
}

// As many elements in another number of dimensions.
CONFORMANCE_ROW_FROM(2, conformance_21_other_dimensions) {
  const std::vector<std::vector<int64_t>> others = {{10, 10}, {100, 1}, {2, 5, 10}};
  for (const auto& other : others) {
    comm::CommSettings settings = Rig::Patient();
    settings.check = "full";
    STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
    const bool last = rig.rank() == rig.ranks() - 1;
    const at::Tensor tensor = last ? at::ones(other) : at::ones({100});
    std::string shape;
    for (int64_t size : other) shape += (shape.empty() ? "[" : ",") + std::to_string(size);
    const std::string text =
        LastDiffers(rig.ranks(), "all_reduce f32[100] sum", "all_reduce f32" + shape + "] sum");
    STEMMA_RETURN_IF_ERROR(
        ExpectError(ops::AllReduce(rig.world(), tensor), Code::kIncompatible, text));
    STEMMA_RETURN_IF_ERROR(Expect(tensor.equal(at::ones_like(tensor)), "nothing was added"));
  }
  return {};
}

// A network of f32 after eight steps, as a digest of its parameters.
Result<uint64_t> Trained(comm::World& world, const ops::OpsSettings& settings) {
  at::set_num_threads(1);
  const Net net(7, at::kFloat, 600);
  STEMMA_ASSIGN_OR_RETURN(auto reducer, ops::Reducer::Create(settings, world, net.Parameters()));
  for (uint64_t step = 0; step < 8; ++step) {
    const uint64_t key = 100 * step + static_cast<uint64_t>(world.rank());
    STEMMA_RETURN_IF_ERROR(
        OneStep(*reducer, 3.0 * world.ranks(), net.Loss(Drawn(key, {3, 4}, at::kFloat))));
    SgdStep(reducer->parameters(), 0.01);
  }
  return reducer->DigestParameters();
}

CONFORMANCE_ROW(conformance_16_buckets_of_any_size_train_to_the_same_bits) {
  std::vector<uint64_t> digests;
  for (double mb : {4.0, 0.001, 1e-6}) {
    ops::OpsSettings settings;
    settings.bucket_mb = settings.first_mb = settings.last_mb = mb;
    STEMMA_ASSIGN_OR_RETURN(const uint64_t digest, Trained(rig.world(), settings));
    digests.push_back(digest);
  }
  const bool same = digests[0] == digests[1] && digests[0] == digests[2];
  return Expect(same, "one bucket, some buckets, one for each tensor: the same parameters");
}

CONFORMANCE_ROW(conformance_17_the_same_run_gives_the_same_bits) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t first, Trained(rig.world(), {}));
  STEMMA_RETURN_IF_ERROR(rig.Reopen(Rig::Patient()));
  STEMMA_ASSIGN_OR_RETURN(const uint64_t again, Trained(rig.world(), {}));
  STEMMA_ASSIGN_OR_RETURN(const auto all, rig.world().cohort().AllGather(std::to_string(again)));
  for (const std::string& digest : all) {
    STEMMA_RETURN_IF_ERROR(Expect(digest == std::to_string(again), "equal on all ranks"));
  }
  return Expect(first == again, "the same run again: the same parameters");
}

}  // namespace
}  // namespace stemma::tests
