#include "comm/mpi_clock.h"

#include <mpi.h>

#include <cstdlib>
#include <limits>
#include <string>

#include "comm/flight_recorder.h"
#include "comm/mpi_status.h"
#include "comm/time_limit.h"

namespace stemma::comm {
namespace {

constexpr int kTag = 19002;  // on MPI_COMM_WORLD, beside the hello
constexpr int kExchanges = 16;

Status Answer(int rank) {
  for (int i = 0; i < kExchanges; ++i) {
    int64_t time = 0;
    STEMMA_RETURN_IF_ERROR(
        STEMMA_MPI(MPI_Recv(&time, 1, MPI_INT64_T, rank, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE)));
    time = SteadyNanoseconds();
    STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Send(&time, 1, MPI_INT64_T, rank, kTag, MPI_COMM_WORLD)));
  }
  return {};
}

Result<int64_t> Ask() {
  int64_t offset = 0, fastest = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < kExchanges; ++i) {
    const int64_t begin = SteadyNanoseconds();
    int64_t theirs = 0;
    STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Send(&begin, 1, MPI_INT64_T, 0, kTag, MPI_COMM_WORLD)));
    STEMMA_RETURN_IF_ERROR(
        STEMMA_MPI(MPI_Recv(&theirs, 1, MPI_INT64_T, 0, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE)));
    const int64_t end = SteadyNanoseconds();
    if (end - begin >= fastest) continue;
    fastest = end - begin;
    offset = theirs - (begin + fastest / 2);
  }
  return std::llabs(offset) <= fastest / 2 ? 0 : offset;
}

}  // namespace

Result<int64_t> OffsetToRank0(int rank, int ranks, std::chrono::milliseconds limit) {
  const TimeLimit time_limit(
      limit, "rank " + std::to_string(rank) + ": clocks could not be compared: a rank is missing");
  if (rank != 0) return Ask();
  for (int other = 1; other < ranks; ++other) STEMMA_RETURN_IF_ERROR(Answer(other));
  return 0;
}

}  // namespace stemma::comm
