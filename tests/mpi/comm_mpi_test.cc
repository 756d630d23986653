#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <mpi.h>

#include "comm/mpi_cohort.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_group.h"
#include "comm/mpi_verbs.h"
#include "comm/words.h"
#include "comm/world.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/conformance_report.h"
#include "tests/support/group_contract.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/world_contract.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::CommSettings;
using comm::Communicator;
using comm::MpiCohort;
using comm::MpiCommunicator;
using comm::MpiGroup;
using comm::MpiVerbs;
using comm::World;
using std::chrono::milliseconds;
using tests::HasCode;
using tests::IsOk;

std::unique_ptr<MpiGroup> Group() { return *MpiGroup::DuplicateWorld(); }

// Always over MPI, also with one rank, where a World would not need it.
std::unique_ptr<MpiCommunicator> Data(milliseconds deadline = milliseconds(20000)) {
  return std::make_unique<MpiCommunicator>(Group(), deadline);
}

template <typename Promise>
void CheckData(Promise promise) {
  const auto data = Data();
  CHECK_THAT(promise(*data), IsOk());
  CHECK_THAT(data->Close(), IsOk());
}

template <typename Promise>
void CheckControl(Promise promise) {
  const auto group = Group();
  const milliseconds deadline(20000);
  auto texts = std::make_unique<MpiCohort>(*group, deadline, "control texts");
  const auto control = MakeControl(MakeMpiWords(*group, deadline), std::move(texts), 1);
  CHECK_THAT(promise(*control, group->rank(), group->ranks()), IsOk());
  CHECK_THAT(group->Close(), IsOk());
}

template <typename Promise>
void CheckCohort(Promise promise) {
  const auto group = Group();
  {
    MpiCohort cohort(*group, milliseconds(20000), "agreement");
    CHECK_THAT(promise(cohort), IsOk());
  }
  CHECK_THAT(group->Close(), IsOk());
}

TEST_CASE("a dtype is not summed as another", "[comm]") { CheckData(tests::SumsEveryDType); }

TEST_CASE("averages, minima, maxima and products are what they say", "[comm]") {
  CheckData(tests::AveragesMinimaMaximaProducts);
}

TEST_CASE("the order of a sum is the order of the ranks", "[comm]") {
  CheckData(tests::SumsInRankOrder);
}

TEST_CASE("ranks with much and with nothing are gathered in order", "[comm]") {
  CheckData(tests::GathersUnequalCounts);
}

TEST_CASE("every rank keeps its part of a sum, whatever the sizes of the parts", "[comm]") {
  CheckData(tests::ScattersReducedParts);
}

TEST_CASE("parts of a sum have the bits of the whole", "[comm]") {
  CheckData(tests::ScatterThenGatherIsAllReduce);
}

TEST_CASE("blocks reach their ranks, also those without elements", "[comm]") {
  CheckData(tests::ExchangesBlocks);
}

TEST_CASE("mistakes about parts and blocks name the values", "[comm]") {
  CheckData(tests::RefusesMistakesOfParts);
}

TEST_CASE("any rank may broadcast", "[comm]") { CheckData(tests::BroadcastsFromEveryRoot); }

TEST_CASE("calls under way at once end in their order", "[comm]") {
  CheckData(tests::KeepsTheOrderOfCalls);
}

TEST_CASE("zero elements succeed, and a mistake is refused before anything is sent", "[comm]") {
  CheckData(tests::AcceptsNothing);
  CheckData(tests::RefusesMistakes);
  CheckData(tests::AllocatesAlignedZeros);
}

TEST_CASE("the control word loses no flag", "[control]") {
  CheckControl(tests::ControlWordCarriesFlags);
}

TEST_CASE("a disagreement names who said what", "[control]") {
  CheckControl(tests::ControlWordNamesDisagreement);
}

TEST_CASE("a rank that fails takes all along, with its text and code", "[control]") {
  CheckControl(tests::ControlWordCarriesFailure);
}

TEST_CASE("texts of any length travel, and all ranks reach one verdict", "[cohort]") {
  CheckCohort(tests::CohortExchanges);
  CheckCohort(tests::AgreeGivesOneVerdict);
}

TEST_CASE("facts that differ are named and grouped by value", "[cohort]") {
  CheckCohort(tests::AgreeOnGroupsByValue);
}

// The gradients of a rank: of many magnitudes, so that the order of a sum shows in its bits.
std::vector<float> Gradients(int rank, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u + rank * 40503u);
    const float magnitude = (mixed & 8u) != 0 ? 1e-3f : 1e4f;
    values.push_back(magnitude * (static_cast<float>(mixed >> 8) / 16777216.0f - 0.5f));
  }
  return values;
}

Status Average(Communicator& comm, std::vector<float>& values) {
  comm::CallOptions options;
  options.op = comm::Op::kAverage;
  const auto count = static_cast<int64_t>(values.size());
  STEMMA_ASSIGN_OR_RETURN(auto work, comm.AllReduce({values.data(), count, DType::kF32}, options));
  return work.Wait();
}

TEST_CASE("processes and threads give the same bits", "[comm]") {
  const auto data = Data();
  const int ranks = data->ranks();
  for (int64_t count : {7, 1000, 200003}) {
    std::vector<float> here = Gradients(data->rank(), count);
    CHECK_THAT(Average(*data, here), IsOk());
    std::vector<std::vector<float>> threads;
    for (int r = 0; r < ranks; ++r) threads.push_back(Gradients(r, count));
    const auto worlds = World::Threads(ranks);
    tests::SpawnRanks(ranks, [&](int r) { return Average(worlds[r]->data(), threads[r]); });
    CHECK(std::memcmp(here.data(), threads[0].data(), count * sizeof(float)) == 0);
  }
  CHECK_THAT(data->Close(), IsOk());
}

// The limits of MPI's int and of the scratch memory, brought down to sizes that a test can pass.
// 1000 is no multiple of an element, so pieces end within one.
TEST_CASE("what is longer than a segment or a piece is cut, with the same bits", "[comm]") {
  for (const int64_t segment : {int64_t{1024}, MpiVerbs::kSegmentBytesMax}) {
    const auto data = std::make_unique<MpiCommunicator>(*MpiGroup::DuplicateWorld(1000),
                                                        milliseconds(20000), segment);
    const int ranks = data->ranks();
    std::vector<float> here = Gradients(data->rank(), 20003);
    CHECK_THAT(Average(*data, here), IsOk());
    std::vector<std::vector<float>> threads;
    for (int r = 0; r < ranks; ++r) threads.push_back(Gradients(r, 20003));
    const auto worlds = World::Threads(ranks);
    tests::SpawnRanks(ranks, [&](int r) { return Average(worlds[r]->data(), threads[r]); });
    CHECK(std::memcmp(here.data(), threads[0].data(), here.size() * sizeof(float)) == 0);

    std::vector<float> from_last = Gradients(data->rank(), 1501);
    const auto count = static_cast<int64_t>(from_last.size());
    auto sent = data->Broadcast({from_last.data(), count, DType::kF32}, ranks - 1, {});
    REQUIRE_THAT(sent.status(), IsOk());
    CHECK_THAT(sent->Wait(), IsOk());
    CHECK(from_last == Gradients(ranks - 1, 1501));
    CHECK_THAT(data->Close(), IsOk());
  }
}

TEST_CASE("a rank that does not come is a time-out that names the call", "[comm]") {
  const auto data = Data(milliseconds(300));
  const auto meeting = Group();
  float values[40000] = {};
  if (data->ranks() > 1 && data->rank() != data->ranks() - 1) {
    for (int64_t count : {1, 40000}) {
      comm::CallOptions options;
      options.what = "bucket 4";
      auto work = data->AllReduce({values, count, DType::kF32}, options);
      const Status status = work.ok() ? work->Wait() : work.status();
      CHECK_THAT(status, HasCode(Code::kTimeout, "all_reduce \"bucket 4\" f32[1] sum: rank "));
    }
    CHECK_THAT(data->Health(), HasCode(Code::kTimeout));
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("a rank that agrees to nothing is a time-out that says so", "[cohort]") {
  const auto group = Group(), meeting = Group();
  if (group->ranks() > 1 && group->rank() == 0) {
    MpiCohort cohort(*group, milliseconds(200), "agreement");
    CHECK_THAT(Agree(cohort, {}), HasCode(Code::kTimeout, "agreement (minimum): rank 0 of"));
    CHECK_THAT(Agree(cohort, {}), HasCode(Code::kTimeout));
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("a block shorter than expected is an error where it is missed", "[comm]") {
  const auto data = Data();
  const auto meeting = Group();
  if (data->ranks() == 2) {
    int32_t in[4] = {}, out[4] = {};
    const bool one = data->rank() == 1;
    const std::vector<int64_t> send{1, 1}, receive{one ? 2 : 1, 1};
    auto work =
        data->AllToAll({in, 2, DType::kI32}, send, {out, one ? 3 : 2, DType::kI32}, receive, {});
    REQUIRE(work.ok());
    if (one) {
      CHECK_THAT(work->Wait(),
                 HasCode(Code::kIncompatible, "rank 0 sent 4 bytes to rank 1, which expected 8"));
    } else {
      CHECK_THAT(work->Wait(), IsOk());
    }
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("a message shorter than expected is an error where it is missed", "[comm]") {
  const auto group = Group();
  const auto meeting = Group();
  const comm::Waiting waiting{milliseconds(20000), "bucket 4"};
  if (group->ranks() == 2) {
    int32_t values[2] = {1, 2};
    const bool one = group->rank() == 1;
    const auto message = one ? group->Receive(values, 8, 0, MpiGroup::kForth)
                             : group->Send(values, 4, 1, MpiGroup::kForth);
    REQUIRE(message.ok());
    const std::string why = "bucket 4: rank 0 sent 4 bytes to rank 1, which expected 8";
    if (one) {
      while (!*group->Ended(*message)) continue;  // looked at before: the length is not forgotten
      CHECK_THAT(group->Await(*message, waiting), HasCode(Code::kIncompatible, why));
      CHECK_THAT(group->Health(), HasCode(Code::kIncompatible, why));
    } else {
      CHECK_THAT(group->Await(*message, waiting), IsOk());
    }
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("abort wakes who waits, with the cause", "[comm]") {
  const auto data = Data();
  const auto meeting = Group();
  if (data->ranks() > 1 && data->rank() == 0) {
    auto running = data->Barrier({});
    auto queued = data->Barrier({});
    std::thread other([&] { data->Abort({Code::kPeerLost, "rank 1 is gone"}); });
    CHECK_THAT(running->Wait(), HasCode(Code::kPeerLost, "rank 1 is gone"));
    CHECK_THAT(queued->Wait(), HasCode(Code::kPeerLost, "rank 1 is gone"));
    other.join();
    CHECK_THAT(data->Barrier({}).status(), HasCode(Code::kPeerLost, "rank 1 is gone"));
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("conformance_02_ranks_are_those_of_mpi", "[world]") {
  const auto world = World::Open({}, {{"build", "a"}});
  REQUIRE(world.ok());
  int rank = -1, ranks = 0, node_rank = -1, node_ranks = 0;
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &node_rank);
  MPI_Comm_size(node, &node_ranks);
  tests::RanOn((*world)->data().name(), ranks);
  CHECK((*world)->rank() == rank);
  CHECK((*world)->ranks() == ranks);
  CHECK((*world)->node_rank() == node_rank);
  CHECK((*world)->node_ranks() == node_ranks);
  CHECK((*world)->data().rank() == rank);
  CHECK((*world)->data().ranks() == ranks);
  CHECK((*world)->cohort().rank() == rank);
  CHECK((*world)->cohort().size() == ranks);
  // Dense per host: all of one host, so each number once.
  const auto all = (*world)->cohort().AllGather((*world)->host() + std::to_string(node_rank));
  REQUIRE(all.ok());
  for (int r = 0; r < ranks; ++r) CHECK((*all)[r] == (*world)->host() + std::to_string(r));
  MPI_Comm_free(&node);
  CHECK_THAT((*world)->Close(), IsOk());
}

TEST_CASE("a world opens, works and closes", "[world]") {
  Result<std::unique_ptr<World>> opened = World::Open({}, {{"build", "a"}});
  CHECK_THAT(opened.status(), IsOk());
  REQUIRE(opened.ok());
  World& world = **opened;
  const int ranks = world.ranks();
  CHECK(world.node_ranks() == ranks);
  CHECK(world.node_rank() == world.rank());
  CHECK(world.gpu_index() == -1);
  CHECK(world.description() == std::to_string(ranks) + (ranks == 1 ? " rank" : " ranks") +
                                   " on 1 host, backend " +
                                   (ranks == 1 ? "threads" : "node-shared") + ", order rank");
  CHECK_THAT(World::Open({}, {}).status(), HasCode(Code::kInvalidArgument, world.description()));
  CHECK_THAT(tests::SumsInRankOrder(world.data()), IsOk());
  CHECK_THAT(tests::CohortExchanges(world.cohort()), IsOk());
  CHECK_THAT(tests::ControlWordCarriesFlags(world.control(), world.rank(), ranks), IsOk());
  CHECK_THAT(world.Close(), IsOk());
  CHECK_THAT(world.Close(), HasCode(Code::kInvalidArgument, "closed"));
  CHECK_THAT(world.data().Barrier({}).status(), HasCode(Code::kInvalidArgument, "closed"));
  CHECK_THAT(world.cohort().Min(1).status(), HasCode(Code::kInvalidArgument, "closed"));
  CHECK_THAT(world.control().EndStep(9, {}).status(), HasCode(Code::kInvalidArgument, "closed"));
}

TEST_CASE("groups of a world are worlds", "[world]") {
  const CommSettings settings;
  const auto world = World::Open(settings, {{"build", "a"}});
  REQUIRE(world.ok());
  CHECK_THAT(tests::GroupsAreWorlds(**world, settings), IsOk());
  CHECK_THAT((*world)->Close(), IsOk());
}

TEST_CASE("closing a world that failed says why, each time", "[world]") {
  const auto meeting = Group();
  {
    const auto world = World::Open({}, {{"build", "a"}});
    REQUIRE(world.ok());
    if ((*world)->rank() == 0) (*world)->data().Abort({Code::kPeerLost, "rank 0 had enough"});
    CHECK_THAT((*world)->Close(), HasCode(Code::kPeerLost, "rank 0 had enough"));
    CHECK_THAT((*world)->Close(), HasCode(Code::kPeerLost, "rank 0 had enough"));
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

TEST_CASE("conformance_07_ranks_built_or_set_differently_do_not_start", "[world]") {
  const auto group = Group();
  const bool odd = group->rank() == group->ranks() - 1 && group->ranks() > 1;
  CommSettings settings;
  settings.deadline_s = odd ? 10 : 150;
  const Status found =
      World::Open(settings, {{"LibTorch loaded", odd ? "2.10.0" : "2.11.0"}}).status();
  if (group->ranks() == 1) {
    CHECK_THAT(found, IsOk());
  } else {
    CHECK_THAT(found, HasCode(Code::kIncompatible, "LibTorch loaded differs: rank"));
    CHECK_THAT(found, HasCode(Code::kIncompatible, "comm.deadline_s differs: rank"));
  }
  CHECK_THAT(group->Close(), IsOk());
}

TEST_CASE("backends that cannot work are refused by name", "[world]") {
  CommSettings settings;
  settings.backend = "gloo";
  CHECK_THAT(World::Open(settings, {}).status(),
             HasCode(Code::kInvalidArgument, "known are auto, node-shared, hierarchical, mpi, "));
  settings.backend = "threads";
  const auto group = Group();
  const Status threads = World::Open(settings, {}).status();
  if (group->ranks() > 1) {
    CHECK_THAT(threads, HasCode(Code::kInvalidArgument, "comm.backend=threads is a world of one"));
  }
  settings.backend = "mpi";
  CHECK_THAT(World::Open(settings, {}).status(), IsOk());
  CHECK_THAT(group->Close(), IsOk());
}

}  // namespace
}  // namespace stemma
