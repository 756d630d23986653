#include "comm/mpi_runtime.h"

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "comm/mpi_status.h"
#include "comm/thread_group.h"
#include "comm/time_limit.h"
#include "core/exit_code.h"

namespace stemma::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kHelloTag = 19000;  // on MPI_COMM_WORLD, which a program of its own may use too
constexpr int kAnswerTag = 19001;

// Whether the request ended in time.
Result<bool> Ended(MPI_Request& request, Clock::time_point until) {
  while (true) {
    int done = 0;
    STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE)));
    if (done != 0) return true;
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

std::string Within(std::chrono::milliseconds limit) {
  return " within " + std::to_string(limit.count() / 1000) + " s (comm.init_timeout_s)";
}

}  // namespace

bool MpiRuntime::Running() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started != 0 && ended == 0;
}

Result<std::unique_ptr<MpiRuntime>> MpiRuntime::Start(std::chrono::milliseconds init_timeout,
                                                      std::function<std::string()> arrivals) {
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended != 0) {
    return Status(Code::kInvalidArgument,
                  "MPI has been finalized in this process and cannot start again: open one World "
                  "and keep it until the end");
  }
  std::unique_ptr<MpiRuntime> runtime(new MpiRuntime(init_timeout, std::move(arrivals)));
  STEMMA_RETURN_IF_ERROR(runtime->Initialise());
  return runtime;
}

Status MpiRuntime::Initialise() {
  const char* rank_said = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* pmix_rank = rank_said != nullptr ? rank_said : std::getenv("PMIX_RANK");
  const std::string me = pmix_rank != nullptr ? std::string("rank ") + pmix_rank : "a rank";
  int level = MPI_THREAD_SINGLE;
  if (Running()) {
    MPI_Query_thread(&level);
  } else {
    const TimeLimit limit(init_timeout_, [this, me] {
      const std::string came = arrivals_ ? arrivals_() : "";
      if (arrivals_ && came.empty()) return came;
      return me + ": MPI_Init did not return" + Within(init_timeout_) +
             ". A rank has not arrived: look for one that failed to start, a host that is down or "
             "a network that is blocked" +
             (came.empty() ? "" : "; " + came) + ". Exit 75: the same command may be run again";
    });
    STEMMA_RETURN_IF_ERROR(
        STEMMA_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level)));
    own_ = true;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);  // for Hello
  }
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int size = 0;
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Get_library_version(text, &size)));
  library_.assign(text, static_cast<size_t>(size));
  library_ = library_.substr(0, library_.find_first_of(",\n"));
  if (level < MPI_THREAD_MULTIPLE) {
    return {Code::kInvalidArgument,
            library_ + " gives thread level " + std::to_string(level) +
                ", MPI_THREAD_MULTIPLE is needed: use an MPI that is built with it, and ask for "
                "it where the program calls MPI_Init itself"};
  }
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank_)));
  return STEMMA_MPI(MPI_Comm_size(MPI_COMM_WORLD, &ranks_));
}

MpiRuntime::~MpiRuntime() = default;

Status MpiRuntime::Hello() { return rank_ == 0 ? HearAll() : Report(); }

Status MpiRuntime::HearAll() {
  const auto until = Clock::now() + init_timeout_;
  std::vector<char> words(static_cast<size_t>(ranks_));
  std::vector<MPI_Request> requests(static_cast<size_t>(ranks_), MPI_REQUEST_NULL);
  std::vector<bool> came(static_cast<size_t>(ranks_), true);
  for (int r = 1; r < ranks_; ++r) {
    STEMMA_RETURN_IF_ERROR(
        STEMMA_MPI(MPI_Irecv(&words[r], 1, MPI_CHAR, r, kHelloTag, MPI_COMM_WORLD, &requests[r])));
  }
  bool all = true;
  for (int r = 1; r < ranks_; ++r) {
    STEMMA_ASSIGN_OR_RETURN(const bool here, Ended(requests[r], until));
    came[r] = here;
    all = all && here;
    if (here) continue;
    MPI_Cancel(&requests[r]);
    MPI_Request_free(&requests[r]);
  }
  const std::string verdict = all ? "" : Missing(came) + Within(init_timeout_);
  for (int r = 1; r < ranks_; ++r) {  // short enough to leave at once
    if (!came[r]) continue;
    STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Send(verdict.data(), static_cast<int>(verdict.size()),
                                               MPI_CHAR, r, kAnswerTag, MPI_COMM_WORLD)));
  }
  return all ? Status() : Status(Code::kTimeout, verdict);
}

Status MpiRuntime::Report() {
  // Rank 0 may take the whole limit before it answers.
  const auto until = Clock::now() + 2 * init_timeout_;
  constexpr size_t kAnswerMax = 1 << 16;
  auto buffers = std::make_unique<std::pair<char, std::vector<char>>>();
  buffers->second.resize(kAnswerMax);
  MPI_Request hello = MPI_REQUEST_NULL, answer = MPI_REQUEST_NULL;
  STEMMA_RETURN_IF_ERROR(
      STEMMA_MPI(MPI_Isend(&buffers->first, 1, MPI_CHAR, 0, kHelloTag, MPI_COMM_WORLD, &hello)));
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Irecv(buffers->second.data(), static_cast<int>(kAnswerMax),
                                              MPI_CHAR, 0, kAnswerTag, MPI_COMM_WORLD, &answer)));
  int here = 0;
  MPI_Status received;
  while (here == 0 && Clock::now() < until) {
    STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Test(&answer, &here, &received)));
    if (here == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  if (here == 0) {
    buffers.release();  // MPI may still write there
    return {Code::kTimeout, "rank {0} did not answer" + Within(init_timeout_)};
  }
  STEMMA_RETURN_IF_ERROR(Ended(hello, until).status());
  int size = 0;
  MPI_Get_count(&received, MPI_CHAR, &size);
  if (size == 0) return {};
  return {Code::kTimeout, std::string(buffers->second.data(), static_cast<size_t>(size))};
}

Status MpiRuntime::FindNode() {
  const TimeLimit limit(2 * init_timeout_, "rank " + std::to_string(rank_) +
                                               ": the ranks of this host could not be found" +
                                               Within(2 * init_timeout_));
  MPI_Comm node = MPI_COMM_NULL;
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(
      MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node)));
  node_leader_ = rank_;
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Bcast(&node_leader_, 1, MPI_INT, 0, node)));
  int here = 0;
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_size(node, &here)));
  several_hosts_ = here < ranks_;
  return STEMMA_MPI(MPI_Comm_free(&node));
}

Status MpiRuntime::Finish() {
  if (!own_) return {};
  own_ = false;
  const TimeLimit limit(init_timeout_, "rank " + std::to_string(rank_) +
                                           ": MPI_Finalize did not return" + Within(init_timeout_));
  return STEMMA_MPI(MPI_Finalize());
}

void MpiRuntime::EndJob(int exit_code) {
  if (Running()) {
    const TimeLimit limit(std::chrono::seconds(10), "MPI_Abort did not return within 10 s",
                          exit_code);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
  }
  std::_Exit(exit_code);
}

}  // namespace stemma::comm
