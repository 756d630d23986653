#include <functional>
#include <vector>

#include "comm/world.h"

#include "tests/support/check_contract.h"
#include "tests/support/communicator_contract.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::World;
using Body = std::function<Status(World&)>;

// Always over MPI, also with one rank. Not closed: most bodies leave the world failed on purpose.
void Run(const comm::CommSettings& settings, const Body& body) {
  const auto world = World::Open(settings, {});
  CHECK_THAT(world.status(), tests::IsOk());
  if (world.ok()) CHECK_THAT(body(**world), tests::IsOk());
}

void Plain(const Body& body) {
  comm::CommSettings settings;
  settings.backend = "mpi";
  Run(settings, body);
}

void Checked(const Body& body) {
  comm::CommSettings settings;
  settings.backend = "mpi";
  settings.check = "full";
  Run(settings, body);
}

TEST_CASE("conformance_19_scales_differ", "[check]") { Checked(tests::Row19ScalesDiffer); }

TEST_CASE("conformance_20_shapes_differ", "[check]") { Checked(tests::Row20ShapesDiffer); }

TEST_CASE("conformance_21_other_number_of_dims", "[check]") {
  Checked(tests::Row21OtherNumberOfDims);
}

TEST_CASE("conformance_22_dtypes_differ", "[check]") { Checked(tests::Row22DTypesDiffer); }

TEST_CASE("conformance_23_reduce_against_gather", "[check]") {
  Checked(tests::Row23ReduceAgainstGather);
}

TEST_CASE("conformance_24_reduce_ops_differ", "[check]") { Checked(tests::Row24OpsDiffer); }

TEST_CASE("conformance_38_gathers_differ", "[check]") { Checked(tests::Row38GathersDiffer); }

TEST_CASE("conformance_40_broadcasts_differ", "[check]") { Checked(tests::Row40BroadcastsDiffer); }

TEST_CASE("conformance_26_same_tensor_submitted_twice", "[check]") {
  Checked(tests::Row26SubmittedTwice);
}

TEST_CASE("conformance_27_same_name_used_again", "[check]") { Checked(tests::Row27NameUsedAgain); }

TEST_CASE("the same call for another bucket is another call", "[check]") {
  Checked(tests::OrderOfBucketsDiffers);
}

TEST_CASE("blocks of other lengths are named before they are sent", "[check]") {
  Checked(tests::BlocksDiffer);
}

TEST_CASE("parts of other sizes are named before they are sent", "[check]") {
  Checked(tests::CountsDiffer);
}

TEST_CASE("a rank that refuses a call leaves nobody waiting", "[check]") {
  Checked(tests::OneRankRefuses);
}

TEST_CASE("conformance_49_groups", "[groups]") {
  Plain(tests::Row49Groups);
  Checked(tests::Row49Groups);
}

TEST_CASE("conformance_50_bad_lists_and_non_members", "[groups]") {
  Plain(tests::Row50BadLists);
  Checked(tests::Row50BadLists);
}

TEST_CASE("conformance_51_unequal_lists", "[groups]") {
  Plain(tests::Row51UnequalLists);
  Checked(tests::Row51UnequalLists);
}

TEST_CASE("conformance_05_closed_world", "[groups]") {
  Plain(tests::Row05ClosedWorld);
  Checked(tests::Row05ClosedWorld);
}

TEST_CASE("a communicator that compares keeps every promise of the one inside", "[check]") {
  for (const auto promise :
       {tests::SumsEveryDType, tests::SumsInRankOrder, tests::GathersUnequalCounts,
        tests::BroadcastsFromEveryRoot, tests::ExchangesBlocks, tests::KeepsTheOrderOfCalls,
        tests::AcceptsNothing, tests::RefusesMistakes, tests::RefusesMistakesOfParts}) {
    Checked([promise](World& world) { return promise(world.data()); });
  }
}

TEST_CASE("a group keeps every promise of a communicator", "[groups]") {
  for (const auto promise :
       {tests::SumsEveryDType, tests::SumsInRankOrder, tests::GathersUnequalCounts,
        tests::ScatterThenGatherIsAllReduce, tests::ExchangesBlocks, tests::BroadcastsFromEveryRoot,
        tests::AllocatesAlignedZeros}) {
    Plain([promise](World& world) -> Status {
      std::vector<int> members;  // all but the first
      for (int r = world.ranks() > 1 ? 1 : 0; r < world.ranks(); ++r) members.push_back(r);
      STEMMA_ASSIGN_OR_RETURN(comm::Communicator* const group, world.Subset(members));
      return group->rank() < 0 ? Status() : promise(*group);
    });
  }
}

}  // namespace
}  // namespace stemma
