// The reducer's scenarios over worlds of threads. Assertions only after the join: Catch2's are not
// thread-safe.
#include <ATen/Parallel.h>

#include "tests/ranks/reducer_scenarios.h"

#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

void OnBackend(const std::string& backend, Status (*scenario)(comm::World&),
               comm::CommSettings settings, const std::vector<int>& worlds_of) {
  settings.backend = backend;
  for (int ranks : worlds_of) {
    INFO(ranks << " ranks, backend " << backend);
    auto worlds = comm::World::Threads(ranks, settings);
    const auto results = SpawnRanks(ranks, [&](int rank) {
      at::set_num_threads(1);  // per thread: the ranks share the cores
      try {
        return scenario(*worlds[static_cast<size_t>(rank)]);
      } catch (const std::exception& error) {
        return Status(Code::kInternal, error.what());
      }
    });
    for (int rank = 0; rank < ranks; ++rank) {
      INFO("rank " << rank);
      CHECK_THAT(results[static_cast<size_t>(rank)], IsOk());
    }
    RanOn(backend, ranks);
  }
}

void OnThreads(Status (*scenario)(comm::World&), const comm::CommSettings& settings = {},
               const std::vector<int>& worlds_of = {1, 2, 3, 4}) {
  for (const char* backend : {"threads", "node-shared"}) {
    OnBackend(backend, scenario, settings, worlds_of);
  }
}

TEST_CASE("gradients are the mean over all samples, exactly") { OnThreads(MeanIsExact); }
TEST_CASE("conformance_52_N_ranks_with_b_samples_equal_one_rank_with_N_b") {
  OnThreads(EqualsOneBigBatch);
}
TEST_CASE("buckets meet although ranks finish them in another order") {
  OnThreads(OrderOfBackwardDoesNotMatter);
}
TEST_CASE("conformance_57_a_parameter_without_gradient_counts_as_zero") {
  OnThreads(UnusedParameterIsZero);
}
TEST_CASE("conformance_60_micro_batches_add_up_and_only_the_last_one_communicates") {
  OnThreads(MicroBatchesAddUp);
}
TEST_CASE("running statistics are the mean over ranks after each step") {
  OnThreads(AveragedBuffersAreTheMean);
}
TEST_CASE("conformance_54_every_rank_starts_with_rank_0s_parameters_frozen_ones_and_buffers") {
  OnThreads(EverythingStartsAsOnRankZero);
}
TEST_CASE("conformance_53_replicas_have_the_same_bits_after_several_steps") {
  OnThreads(ReplicasStayEqual);
}
TEST_CASE("conformance_59_a_weight_under_two_names_is_reduced_once") {
  OnThreads(TiedWeightsAreOneParameter);
}
TEST_CASE("f32, f64, bf16 and f16 are reduced side by side") { OnThreads(AllFloatTypesAreReduced); }
TEST_CASE("conformance_32_moving_to_flat_memory_keeps_the_layout_of_a_weight") {
  OnThreads(ChannelsLastStaysChannelsLast);
}
TEST_CASE("a tensor with gaps is refused, a dense one is reduced") { OnThreads(TensorCollectives); }

TEST_CASE("conformance_61_more_backwards_than_announced_are_an_error_with_both_counts") {
  OnThreads(TooManyBackwards);
}
TEST_CASE("fewer backwards than announced are an error with both counts") {
  OnThreads(TooFewBackwards);
}
TEST_CASE("conformance_57_unused_is_error_names_the_parameter_but_not_a_frozen_one") {
  OnThreads(UnusedParameterIsAnError);
}
TEST_CASE("conformance_78_zero_grad_between_steps_does_no_harm") {
  OnThreads(LostAliasIsReattached);
}
TEST_CASE("conformance_62_zero_grad_inside_a_step_is_an_error_not_a_lost_gradient") {
  OnThreads(ZeroGradInsideTheStep);
}
TEST_CASE("conformance_77_model_to_after_Create_is_an_error_not_a_silent_stop_of_reduction") {
  OnThreads(ConvertedModelIsRefused);
}
TEST_CASE("conformance_58_a_newly_trainable_parameter_is_an_error") {
  OnThreads(NewlyTrainableIsRefused);
}
TEST_CASE("calls out of order say which call is missing") { OnThreads(CallsOutOfOrder); }
TEST_CASE("conformance_55_another_model_on_one_rank_is_the_same_error_on_all") {
  OnThreads(OtherModelOnOneRank);
}
TEST_CASE("a mistake of one rank alone ends Create on all") { OnThreads(BadArgumentOnOneRank); }
TEST_CASE("conformance_90_a_rank_that_abandons_its_steps_does_not_hang_the_others") {
  OnThreads(FailingRankDoesNotHangOthers);
}
TEST_CASE("tensors survive the reducer") { OnThreads(MemoryOutlivesTheReducer); }

TEST_CASE("conformance_16_and_33_fused_buckets_have_the_bits_of_unfused_ones") {
  OnThreads(FusedBitsAreUnfusedBits);
}
TEST_CASE("conformance_25_and_34_another_device_is_refused_on_all_before_anything_is_sent") {
  OnThreads(OtherDeviceIsRefused);
}
TEST_CASE("conformance_35_a_partly_filled_bucket_waits_and_its_timeout_names_it") {
  comm::CommSettings impatient;
  impatient.deadline_s = 4;  // also of everything before the wait that is meant to end
  OnThreads(MissingParameterTimesOut, impatient, {2});
}
TEST_CASE("conformance_41_300_tensors_are_broadcast_in_one_pass") {
  OnThreads(ManyTensorsInOneBroadcast);
}
TEST_CASE("conformance_56_duplicate_and_missing_names_are_errors") {
  OnThreads(BadNamesAreRefused);
}
TEST_CASE("conformance_57_keep_none_leaves_no_gradient_where_nobody_used_a_parameter") {
  OnThreads(UnusedKeepsNone);
}
TEST_CASE("conformance_58_toggled_parameters_and_Replan") { OnThreads(ToggledParametersAndReplan); }
TEST_CASE("conformance_59_reentrant_checkpoints_are_reduced_once_with_the_full_gradient") {
  OnThreads(ReentrantCheckpointsCountOnce);
}
TEST_CASE("conformance_62_zero_grad_between_backward_and_Wait_is_an_error") {
  OnThreads(ZeroGradAfterBackward);
}
TEST_CASE("conformance_63_clipping_by_the_global_norm_is_the_same_on_all_ranks") {
  OnThreads(ClipsByGlobalNorm);
}
TEST_CASE("conformance_64_compression_stays_within_its_bound") {
  OnThreads(CompressionStaysWithinItsBound);
}
TEST_CASE("conformance_64_fp16_does_not_overflow_and_leaves_integers_alone") {
  OnThreads(Fp16DoesNotOverflow);
}
TEST_CASE("conformance_67_a_non_finite_gradient_names_its_rank_and_parameter") {
  OnThreads(NonFiniteNamesTheRank);
}
TEST_CASE("conformance_68_ranks_without_data_contribute_zeros_and_all_know") {
  OnThreads(UnevenData);
}
TEST_CASE("conformance_69_other_collectives_after_a_join_are_refused") {
  OnThreads(OtherCollectivesAfterAJoin);
}
TEST_CASE("conformance_79_create_graph_is_an_error_or_a_copy") { OnThreads(LostAliasIsCopied); }
TEST_CASE("a user's hook makes the bucket's call, and is part of the digest") {
  OnThreads(UserHookReducesBuckets);
}
TEST_CASE("running statistics are averaged after forwards that run inside backward") {
  OnThreads(NestedForwardsCompleteTheMean);
}
TEST_CASE("a parameter that becomes trainable inside a step is an error") {
  OnThreads(TrainableInsideTheStepIsRefused);
}
TEST_CASE("counters of ranks that ran forward less often become rank 0's") {
  OnThreads(CountersAreBroadcast);
}
TEST_CASE("a large gradient becomes zero before its first contribution, or in Finish") {
  OnThreads(LargeGradientsBecomeZeroLate);
}
TEST_CASE("a large gradient that was written to before its first contribution is an error") {
  OnThreads(HandWrittenLargeGradient);
}
TEST_CASE("another tensor in .grad of a launched bucket is an error, also with lost_alias=copy") {
  OnThreads(ReplacedGradientIsRefused);
}
TEST_CASE("a bucket's call that one rank cannot make leaves it stuck, with the hook's text") {
  OnThreads(FailingHookLeavesItsRankStuck);
}
TEST_CASE("a hook that one rank cannot prepare ends AddHook on all, and Replan repairs it") {
  OnThreads(FailingPrepareEndsAddHook);
}
TEST_CASE("Abandon before the first BeginStep makes the peers' calls") {
  comm::CommSettings checked;
  checked.check = "full";
  OnThreads(AbandonWithTheStepsShape, checked, {1, 3});
  OnThreads(AbandonWithoutAnyShape, checked, {1, 3});
}
TEST_CASE("each gradient lets the backend make progress") { OnThreads(HookMakesProgress); }

}  // namespace
}  // namespace stemma::tests
