// The reducer's main scenarios with ranks as processes: the functions that tests/ranks runs over
// threads.
#include <ATen/Parallel.h>

#include <memory>
#include <string_view>

#include <mpi.h>

#include "tests/ranks/reducer_scenarios.h"

#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

// A new world for each backend: two nodes where there are ranks for it.
void OnBackends(Status (*scenario)(comm::World&)) {
  at::set_num_threads(1);
  for (const char* backend : {"mpi", "node-shared", "hierarchical"}) {
    INFO("backend " << backend);
    int ranks = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    comm::CommSettings settings;
    settings.backend = backend;
    settings.deadline_s = 60;
    if (std::string_view(backend) == "hierarchical") settings.ranks_per_node = (ranks + 1) / 2;
    auto world = comm::World::Open(settings, {{"test", "reducer_mpi_test"}});
    REQUIRE_THAT(world.status(), IsOk());
    const Status result = scenario(**world);
    CHECK_THAT(result, IsOk());
    RanOn(backend, ranks, result.ok());
    CHECK_THAT((*world)->Close(), IsOk());
  }
}

TEST_CASE("gradients are the mean over all samples, exactly") { OnBackends(MeanIsExact); }
TEST_CASE("conformance_52_N_ranks_with_b_samples_equal_one_rank_with_N_b") {
  OnBackends(EqualsOneBigBatch);
}
TEST_CASE("buckets meet although ranks finish them in another order") {
  OnBackends(OrderOfBackwardDoesNotMatter);
}
TEST_CASE("conformance_60_micro_batches_add_up_and_only_the_last_one_communicates") {
  OnBackends(MicroBatchesAddUp);
}
TEST_CASE("running statistics are the mean over ranks after each step") {
  OnBackends(AveragedBuffersAreTheMean);
}
TEST_CASE("conformance_54_every_rank_starts_with_rank_0s_parameters_frozen_ones_and_buffers") {
  OnBackends(EverythingStartsAsOnRankZero);
}
TEST_CASE("conformance_53_replicas_have_the_same_bits_after_several_steps") {
  OnBackends(ReplicasStayEqual);
}
TEST_CASE("f32, f64, bf16 and f16 are reduced side by side") {
  OnBackends(AllFloatTypesAreReduced);
}
TEST_CASE("conformance_55_another_model_on_one_rank_is_the_same_error_on_all") {
  OnBackends(OtherModelOnOneRank);
}
TEST_CASE("a mistake of one rank alone ends Create on all") { OnBackends(BadArgumentOnOneRank); }
TEST_CASE("conformance_90_a_rank_that_abandons_its_steps_does_not_hang_the_others") {
  OnBackends(FailingRankDoesNotHangOthers);
}
TEST_CASE("tensors survive the reducer") { OnBackends(MemoryOutlivesTheReducer); }
TEST_CASE("conformance_57_keep_none_leaves_no_gradient_where_nobody_used_a_parameter") {
  OnBackends(UnusedKeepsNone);
}
TEST_CASE("conformance_58_toggled_parameters_and_Replan") {
  OnBackends(ToggledParametersAndReplan);
}
TEST_CASE("conformance_59_reentrant_checkpoints_are_reduced_once_with_the_full_gradient") {
  OnBackends(ReentrantCheckpointsCountOnce);
}
TEST_CASE("conformance_63_clipping_by_the_global_norm_is_the_same_on_all_ranks") {
  OnBackends(ClipsByGlobalNorm);
}
TEST_CASE("conformance_64_compression_stays_within_its_bound") {
  OnBackends(CompressionStaysWithinItsBound);
}
TEST_CASE("conformance_67_a_non_finite_gradient_names_its_rank_and_parameter") {
  OnBackends(NonFiniteNamesTheRank);
}
TEST_CASE("conformance_68_ranks_without_data_contribute_zeros_and_all_know") {
  OnBackends(UnevenData);
}
TEST_CASE("conformance_69_other_collectives_after_a_join_are_refused") {
  OnBackends(OtherCollectivesAfterAJoin);
}
TEST_CASE("conformance_16_and_33_fused_buckets_have_the_bits_of_unfused_ones") {
  OnBackends(FusedBitsAreUnfusedBits);
}

}  // namespace
}  // namespace stemma::tests
