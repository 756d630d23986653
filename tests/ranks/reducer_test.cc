// The reducer's scenarios over worlds of threads. Assertions only after the join: Catch2's are not
// thread-safe.
#include <ATen/Parallel.h>

#include "tests/ranks/reducer_scenarios.h"

#include <catch2/catch.hpp>
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

void OnThreads(Status (*scenario)(comm::World&)) {
  for (int ranks : {1, 2, 3}) {
    INFO(ranks << " ranks");
    auto worlds = comm::World::Threads(ranks);
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
  }
}

TEST_CASE("gradients are the mean over all samples, exactly") { OnThreads(MeanIsExact); }
TEST_CASE("N ranks with b samples equal one rank with N b") { OnThreads(EqualsOneBigBatch); }
TEST_CASE("buckets meet although ranks finish them in another order") {
  OnThreads(OrderOfBackwardDoesNotMatter);
}
TEST_CASE("a parameter without gradient counts as zero") { OnThreads(UnusedParameterIsZero); }
TEST_CASE("micro-batches add up and only the last one communicates") {
  OnThreads(MicroBatchesAddUp);
}
TEST_CASE("running statistics are the mean over ranks after each step") {
  OnThreads(AveragedBuffersAreTheMean);
}
TEST_CASE("every rank starts with rank 0's parameters, frozen ones and buffers") {
  OnThreads(EverythingStartsAsOnRankZero);
}
TEST_CASE("replicas have the same bits after several steps") { OnThreads(ReplicasStayEqual); }
TEST_CASE("a weight under two names is reduced once") { OnThreads(TiedWeightsAreOneParameter); }
TEST_CASE("f32, f64, bf16 and f16 are reduced side by side") { OnThreads(AllFloatTypesAreReduced); }
TEST_CASE("moving to flat memory keeps the layout of a weight") {
  OnThreads(ChannelsLastStaysChannelsLast);
}
TEST_CASE("a tensor with gaps is refused, a dense one is reduced") { OnThreads(TensorCollectives); }

TEST_CASE("more backwards than announced are an error with both counts") {
  OnThreads(TooManyBackwards);
}
TEST_CASE("fewer backwards than announced are an error with both counts") {
  OnThreads(TooFewBackwards);
}
TEST_CASE("unused = error names the parameter, but not a frozen one") {
  OnThreads(UnusedParameterIsAnError);
}
TEST_CASE("zero_grad between steps does no harm") { OnThreads(LostAliasIsReattached); }
TEST_CASE("zero_grad inside a step is an error, not a lost gradient") {
  OnThreads(ZeroGradInsideTheStep);
}
TEST_CASE("model->to() after Create is an error, not a silent stop of reduction") {
  OnThreads(ConvertedModelIsRefused);
}
TEST_CASE("a newly trainable parameter is an error") { OnThreads(NewlyTrainableIsRefused); }
TEST_CASE("calls out of order say which call is missing") { OnThreads(CallsOutOfOrder); }
TEST_CASE("another model on one rank is the same error on all") { OnThreads(OtherModelOnOneRank); }
TEST_CASE("a mistake of one rank alone ends Create on all") { OnThreads(BadArgumentOnOneRank); }
TEST_CASE("a rank that abandons its steps does not hang the others") {
  OnThreads(FailingRankDoesNotHangOthers);
}
TEST_CASE("tensors survive the reducer") { OnThreads(MemoryOutlivesTheReducer); }

}  // namespace
}  // namespace stemma::tests
