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
TEST_CASE("N ranks with b samples equal one rank with N b") {
  CHECK_THAT(EqualsOneBigBatch(TheWorld()), IsOk());
}
TEST_CASE("buckets meet although ranks finish them in another order") {
  CHECK_THAT(OrderOfBackwardDoesNotMatter(TheWorld()), IsOk());
}
TEST_CASE("micro-batches add up and only the last one communicates") {
  CHECK_THAT(MicroBatchesAddUp(TheWorld()), IsOk());
}
TEST_CASE("running statistics are the mean over ranks after each step") {
  CHECK_THAT(AveragedBuffersAreTheMean(TheWorld()), IsOk());
}
TEST_CASE("every rank starts with rank 0's parameters, frozen ones and buffers") {
  CHECK_THAT(EverythingStartsAsOnRankZero(TheWorld()), IsOk());
}
TEST_CASE("replicas have the same bits after several steps") {
  CHECK_THAT(ReplicasStayEqual(TheWorld()), IsOk());
}
TEST_CASE("f32, f64, bf16 and f16 are reduced side by side") {
  CHECK_THAT(AllFloatTypesAreReduced(TheWorld()), IsOk());
}
TEST_CASE("another model on one rank is the same error on all") {
  CHECK_THAT(OtherModelOnOneRank(TheWorld()), IsOk());
}
TEST_CASE("a mistake of one rank alone ends Create on all") {
  CHECK_THAT(BadArgumentOnOneRank(TheWorld()), IsOk());
}
TEST_CASE("a rank that abandons its steps does not hang the others") {
  CHECK_THAT(FailingRankDoesNotHangOthers(TheWorld()), IsOk());
}
TEST_CASE("tensors survive the reducer") {
  CHECK_THAT(MemoryOutlivesTheReducer(TheWorld()), IsOk());
}
TEST_CASE("the world closes") {
  CHECK_THAT(TheWorld().Close(), IsOk());
  the_world.reset();  // before MPI_Finalize
}

}  // namespace
}  // namespace stemma::tests
