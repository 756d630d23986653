// The reducer's main scenarios over MPI: the same functions that tests/ranks runs over threads.
#include <ATen/Parallel.h>

#include <memory>
#include <stdexcept>

#include "tests/ranks/reducer_scenarios.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

std::unique_ptr<comm::World> the_world;

// One world for the whole program; opened by the first test case, closed by the last one.
comm::World& TheWorld() {
  if (the_world != nullptr) return *the_world;
  auto world = comm::World::Open({}, {{"test", "reducer_mpi_test"}});
  if (!world.ok()) throw std::runtime_error(world.status().message());
  at::set_num_threads(1);
  the_world = *std::move(world);
  return *the_world;
}

TEST_CASE("gradients are the mean over all samples, exactly") {
  CHECK_THAT(MeanIsExact(TheWorld()), IsOk());
}
TEST_CASE("conformance_52_N_ranks_with_b_samples_equal_one_rank_with_N_b") {
  CHECK_THAT(EqualsOneBigBatch(TheWorld()), IsOk());
}
TEST_CASE("buckets meet although ranks finish them in another order") {
  CHECK_THAT(OrderOfBackwardDoesNotMatter(TheWorld()), IsOk());
}
TEST_CASE("conformance_60_micro_batches_add_up_and_only_the_last_one_communicates") {
  CHECK_THAT(MicroBatchesAddUp(TheWorld()), IsOk());
}
TEST_CASE("running statistics are the mean over ranks after each step") {
  CHECK_THAT(AveragedBuffersAreTheMean(TheWorld()), IsOk());
}
TEST_CASE("conformance_54_every_rank_starts_with_rank_0s_parameters_frozen_ones_and_buffers") {
  CHECK_THAT(EverythingStartsAsOnRankZero(TheWorld()), IsOk());
}
TEST_CASE("conformance_53_replicas_have_the_same_bits_after_several_steps") {
  CHECK_THAT(ReplicasStayEqual(TheWorld()), IsOk());
}
TEST_CASE("f32, f64, bf16 and f16 are reduced side by side") {
  CHECK_THAT(AllFloatTypesAreReduced(TheWorld()), IsOk());
}
TEST_CASE("conformance_55_another_model_on_one_rank_is_the_same_error_on_all") {
  CHECK_THAT(OtherModelOnOneRank(TheWorld()), IsOk());
}
TEST_CASE("a mistake of one rank alone ends Create on all") {
  CHECK_THAT(BadArgumentOnOneRank(TheWorld()), IsOk());
}
TEST_CASE("conformance_90_a_rank_that_abandons_its_steps_does_not_hang_the_others") {
  CHECK_THAT(FailingRankDoesNotHangOthers(TheWorld()), IsOk());
}
TEST_CASE("tensors survive the reducer") {
  CHECK_THAT(MemoryOutlivesTheReducer(TheWorld()), IsOk());
}
TEST_CASE("conformance_57_keep_none_leaves_no_gradient_where_nobody_used_a_parameter") {
  CHECK_THAT(UnusedKeepsNone(TheWorld()), IsOk());
}
TEST_CASE("conformance_58_toggled_parameters_and_Replan") {
  CHECK_THAT(ToggledParametersAndReplan(TheWorld()), IsOk());
}
TEST_CASE("conformance_59_reentrant_checkpoints_are_reduced_once_with_the_full_gradient") {
  CHECK_THAT(ReentrantCheckpointsCountOnce(TheWorld()), IsOk());
}
TEST_CASE("conformance_63_clipping_by_the_global_norm_is_the_same_on_all_ranks") {
  CHECK_THAT(ClipsByGlobalNorm(TheWorld()), IsOk());
}
TEST_CASE("conformance_64_compression_stays_within_its_bound") {
  CHECK_THAT(CompressionStaysWithinItsBound(TheWorld()), IsOk());
}
TEST_CASE("conformance_67_a_non_finite_gradient_names_its_rank_and_parameter") {
  CHECK_THAT(NonFiniteNamesTheRank(TheWorld()), IsOk());
}
TEST_CASE("conformance_68_ranks_without_data_contribute_zeros_and_all_know") {
  CHECK_THAT(UnevenData(TheWorld()), IsOk());
}
TEST_CASE("conformance_69_other_collectives_after_a_join_are_refused") {
  CHECK_THAT(OtherCollectivesAfterAJoin(TheWorld()), IsOk());
}
TEST_CASE("conformance_16_and_33_fused_buckets_have_the_bits_of_unfused_ones") {
  CHECK_THAT(FusedBitsAreUnfusedBits(TheWorld()), IsOk());
}
TEST_CASE("the world closes") {
  CHECK_THAT(TheWorld().Close(), IsOk());
  the_world.reset();  // before MPI_Finalize
}

}  // namespace
}  // namespace stemma::tests
