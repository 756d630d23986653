#include "comm/mpi_status.h"

#include <mpi.h>

#include <algorithm>
#include <iterator>
#include <string>

namespace stemma::comm {
namespace {

bool IsOurMistake(int error_class) {
  const int classes[] = {MPI_ERR_BUFFER, MPI_ERR_COUNT, MPI_ERR_TYPE,    MPI_ERR_TAG,
                         MPI_ERR_COMM,   MPI_ERR_RANK,  MPI_ERR_ROOT,    MPI_ERR_GROUP,
                         MPI_ERR_OP,     MPI_ERR_ARG,   MPI_ERR_REQUEST, MPI_ERR_TRUNCATE};
  return std::find(std::begin(classes), std::end(classes), error_class) != std::end(classes);
}

}  // namespace

Status FromMpi(int rc, const char* call) {
  if (rc == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING];
  int size = 0;
  int error_class = MPI_ERR_UNKNOWN;
  if (MPI_Error_string(rc, text, &size) != MPI_SUCCESS) size = 0;
  MPI_Error_class(rc, &error_class);
  std::string name(call);
  name = name.substr(0, name.find('('));  // the arguments are names of our variables
  return {IsOurMistake(error_class) ? Code::kInternal : Code::kPeerLost,
          name + ": " + std::string(text, static_cast<size_t>(size))};
}

}  // namespace stemma::comm
