#include "comm/world.h"

#include "tests/ranks/tensor_rows.h"
#include "tests/support/conformance_report.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {

// At 1 to 4 ranks, as threads.
void Check(Status (*row)(comm::Communicator&)) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    const auto worlds = comm::World::Threads(ranks);
    const auto results =
        tests::SpawnRanks(ranks, [&](int rank) { return row(worlds[rank]->data()); });
    for (int rank = 0; rank < ranks; ++rank) {
      INFO("rank " << rank << " of " << ranks);
      CHECK_THAT(results[rank], tests::IsOk());
    }
    tests::RanOn("threads", ranks);
  }
}

TEST_CASE("conformance_25_a_tensor_elsewhere_is_refused", "[tensors]") {
  Check(tests::Row25OtherDevice);
}

TEST_CASE("conformance_28_no_elements", "[tensors]") { Check(tests::Row28NoElements); }

TEST_CASE("conformance_30_non_contiguous_input", "[tensors]") { Check(tests::Row30NonContiguous); }

TEST_CASE("conformance_31_unsupported_dtype", "[tensors]") { Check(tests::Row31UnsupportedTypes); }

TEST_CASE("conformance_36_all_gather_equal_sizes", "[tensors]") { Check(tests::Row36GatherEqual); }

TEST_CASE("conformance_37_all_gather_different_first_dims", "[tensors]") {
  Check(tests::Row37GatherUnequal);
}

TEST_CASE("conformance_38_all_gather_errors", "[tensors]") { Check(tests::Row38GatherErrors); }

TEST_CASE("conformance_39_broadcast_from_every_root", "[tensors]") {
  Check(tests::Row39BroadcastEveryRoot);
}

TEST_CASE("conformance_40_broadcast_invalid_root", "[tensors]") {
  Check(tests::Row40BroadcastInvalidRoot);
}

TEST_CASE("conformance_41_broadcast_of_300_tensors", "[tensors]") {
  Check(tests::Row41BroadcastManyTensors);
}

TEST_CASE("conformance_42_reduce_scatter_even_and_uneven", "[tensors]") {
  Check(tests::Row42ReduceScatter);
}

TEST_CASE("conformance_43_reduce_scatter_errors", "[tensors]") {
  Check(tests::Row43ReduceScatterErrors);
}

TEST_CASE("conformance_44_scatter_and_gather_is_all_reduce", "[tensors]") {
  Check(tests::Row44ScatterGatherIsAllReduce);
}

TEST_CASE("conformance_45_equal_split_not_divisible", "[tensors]") {
  Check(tests::Row45EqualSplitNotDivisible);
}

TEST_CASE("conformance_46_all_to_all_with_splits", "[tensors]") {
  Check(tests::Row46AllToAllSplits);
}

TEST_CASE("conformance_47_all_to_all_errors", "[tensors]") { Check(tests::Row47AllToAllErrors); }

TEST_CASE("work under way keeps its tensor", "[tensors]") { Check(tests::AsyncHoldsItsTensor); }

}  // namespace
}  // namespace stemma
