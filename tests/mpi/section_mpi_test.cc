// Ranks that wait inside a declared section wait beyond the deadline.
#include <chrono>
#include <memory>

#include "comm/flight_recorder.h"
#include "comm/mpi_cohort.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_group.h"
#include "comm/node_board.h"
#include "core/cohort.h"
#include "core/status.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::MpiGroup;
using std::chrono::milliseconds;
using tests::HasCode;
using tests::IsOk;

std::unique_ptr<MpiGroup> Group() { return *MpiGroup::DuplicateWorld(); }

// Rank 0 comes when another wait has ended in vain, which is longer than the deadline here.
TEST_CASE("inside a section ranks are waited for beyond the deadline", "[comm][cohort]") {
  const milliseconds deadline(200), longer(600);
  const auto group = Group(), first = Group(), second = Group(), meeting = Group();
  comm::MpiCommunicator data(Group(), deadline);
  const auto board = comm::NodeBoard::Private(1);
  comm::FlightRecorder recorder(board->mine());
  {
    const comm::Section section(recorder, "a long read", 600);
    comm::MpiCohort cohort(*group, deadline, "agreement");
    if (group->rank() == 0) CHECK_THAT(first->Barrier({longer, "alone"}), HasCode(Code::kTimeout));
    CHECK_THAT(Agree(cohort, {}), IsOk());
    if (group->rank() == 0) CHECK_THAT(second->Barrier({longer, "alone"}), HasCode(Code::kTimeout));
    auto work = data.Barrier({});
    CHECK_THAT(work.ok() ? work->Wait() : work.status(), IsOk());
  }
  CHECK_THAT(meeting->Barrier({milliseconds(20000), "end of the test"}), IsOk());
  CHECK_THAT(meeting->Close(), IsOk());
}

}  // namespace
}  // namespace stemma
