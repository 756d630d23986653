// Node-shared memory between ranks that are processes.
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include "comm/mpi_cohort.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_group.h"
#include "comm/world.h"

#include "tests/support/node_scenarios.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::Communicator;
using comm::MpiGroup;
using comm::World;
using std::chrono::milliseconds;
using tests::IsOk;

template <typename Scenario>
void Check(Scenario scenario) {
  auto group = *MpiGroup::DuplicateWorld();
  {
    comm::MpiCohort cohort(*group, milliseconds(60000), "node");
    CHECK_THAT(scenario(cohort), IsOk());
  }
  CHECK_THAT(group->Close(), IsOk());
}

TEST_CASE("conformance_85_setups_keep_the_contract", "[node]") { Check(tests::KeepsTheContract); }

TEST_CASE("conformance_85_87_same_bits_from_any_memory", "[node]") {
  Check(tests::GivesTheSameBitsFromAnyMemory);
}

TEST_CASE("blocks move from and to any memory", "[node]") { Check(tests::MovesFromAnyMemory); }

TEST_CASE("a rank that computes serves its peers", "[node]") { Check(tests::ProgressServesPeers); }

TEST_CASE("a rank may run far ahead", "[node]") { Check(tests::OutgrowsTheRing); }

TEST_CASE("a segment may be freed while peers use theirs", "[node]") {
  Check(tests::FreesSegments);
}

TEST_CASE("conformance_19_20_22_23_24_mismatched_calls_are_named", "[node]") {
  Check(tests::NamesMismatchedCalls);
}

TEST_CASE("a rank that does not come is named", "[node]") { Check(tests::NamesLateRanks); }

TEST_CASE("abort wakes sleepers with its cause", "[node]") { Check(tests::AbortWakesSleepers); }

Status Average(Communicator& comm, float* values, int64_t count) {
  comm::CallOptions options;
  options.op = comm::Op::kAverage;
  STEMMA_ASSIGN_OR_RETURN(auto work, comm.AllReduce({values, count, DType::kF32}, options));
  return work.Wait();
}

TEST_CASE("conformance_85_mpi_and_node_memory_give_the_same_bits", "[node]") {
  auto group = *MpiGroup::DuplicateWorld();
  comm::MpiCohort cohort(*group, milliseconds(60000), "node");
  auto mpi =
      std::make_unique<comm::MpiCommunicator>(*MpiGroup::DuplicateWorld(), milliseconds(60000));
  auto node = tests::OpenNode(cohort, {});
  CHECK_THAT(node.status(), IsOk());
  REQUIRE(node.ok());
  auto segment = (*node)->Allocate(200003 * sizeof(float), "bucket");
  REQUIRE(segment.ok());
  for (int64_t count : {1, 127, 128, 129, 5000, 200003}) {
    std::vector<float> here(static_cast<size_t>(count));
    for (int64_t k = 0; k < count; ++k) {
      here[k] = (k % 3 == 0 ? 1e7f : 0.1f) * static_cast<float>(k % 11 - 5 * group->rank());
    }
    auto* const there = static_cast<float*>((*segment)->data());
    std::memcpy(there, here.data(), here.size() * sizeof(float));
    CHECK_THAT(Average(*mpi, here.data(), count), IsOk());
    CHECK_THAT(Average(**node, there, count), IsOk());
    CHECK(std::memcmp(there, here.data(), here.size() * sizeof(float)) == 0);
  }
  CHECK_THAT(mpi->Close(), IsOk());
  CHECK_THAT(group->Close(), IsOk());
}

// What /dev/shm holds is no limit: the memory is none of its files.
TEST_CASE("conformance_82_buckets_need_no_dev_shm", "[node]") {
  auto group = *MpiGroup::DuplicateWorld();
  comm::MpiCohort cohort(*group, milliseconds(60000), "node");
  auto node = tests::OpenNode(cohort, {});
  REQUIRE(node.ok());
  auto segment = (*node)->Allocate(100 << 20, "buckets of 100 MB");
  CHECK_THAT(segment.status(), IsOk());
  const auto impossible = (*node)->Allocate(int64_t{1} << 50, "a bucket of a petabyte").status();
  CHECK_THAT(impossible, tests::HasCode(Code::kIo,
                                        "rank 0: a bucket of a petabyte: no room for "
                                        "1125899906842624 bytes"));
  CHECK_THAT((*node)->Health(), IsOk());
  CHECK_THAT(group->Close(), IsOk());
}

}  // namespace
}  // namespace stemma
