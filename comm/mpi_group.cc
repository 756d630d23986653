#include "comm/mpi_group.h"

#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "comm/mpi_status.h"
#include "core/check.h"

namespace stemma::comm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr int kExchangeTag = 1;  // lanes have tags of their own

// Ranks and threads often outnumber the cores: after a moment whoever waits leaves its core to
// those who compute. Bytes on the move are looked after more closely than a peer who is still at
// work.
void Pause(Clock::duration waited, bool eager) {
  if (waited < microseconds(30)) return;
  if (waited < (eager ? milliseconds(100) : milliseconds(1))) {
    sched_yield();
  } else {
    std::this_thread::sleep_for(microseconds(waited < milliseconds(20) ? 20 : 100));
  }
}

std::string Seconds(milliseconds duration) {
  std::string text = std::to_string(static_cast<double>(duration.count()) / 1000);
  return text.substr(0, text.find('.') + 2) + " s";
}

}  // namespace

struct MpiGroup::Comm {
  MPI_Comm handle = MPI_COMM_NULL;
};
struct MpiGroup::Request {
  MPI_Request handle = MPI_REQUEST_NULL;
  MPI_Status status{};  // of a message, once it has ended
  int expected = -1;    // bytes to receive
};
struct MpiGroup::Posted {
  Words mine{};
  Words all{};
  Request request;
};
struct MpiGroup::Buffers {
  std::array<int, 2> min{};
  std::vector<int> counts, offsets, own_counts, own_offsets;
};

Result<std::unique_ptr<MpiGroup>> MpiGroup::DuplicateWorld(int64_t piece_bytes_max) {
  auto comm = std::make_unique<Comm>();
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm->handle)));
  return Own(std::move(comm), piece_bytes_max);
}

Result<std::unique_ptr<MpiGroup>> MpiGroup::SplitWorld(int color) {
  auto comm = std::make_unique<Comm>();
  const int theirs = color == kNone ? MPI_UNDEFINED : color;
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_split(MPI_COMM_WORLD, theirs, 0, &comm->handle)));
  if (color == kNone) return std::unique_ptr<MpiGroup>();
  return Own(std::move(comm));
}

Result<std::unique_ptr<MpiGroup>> MpiGroup::Own(std::unique_ptr<Comm> comm,
                                                int64_t piece_bytes_max) {
  // Before anything else: the new one inherited the handler that ends the process.
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_set_errhandler(comm->handle, MPI_ERRORS_RETURN)));
  std::unique_ptr<MpiGroup> group(new MpiGroup(std::move(comm), piece_bytes_max));
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_rank(group->comm_->handle, &group->rank_)));
  STEMMA_RETURN_IF_ERROR(STEMMA_MPI(MPI_Comm_size(group->comm_->handle, &group->ranks_)));
  return group;
}

MpiGroup::MpiGroup(std::unique_ptr<Comm> comm, int64_t piece_bytes_max)
    : comm_(std::move(comm)),
      piece_bytes_max_(piece_bytes_max),
      buffers_(std::make_unique<Buffers>()) {}

MpiGroup::~MpiGroup() {
  if (comm_->handle == MPI_COMM_NULL) return;
  // Not closed: MPI may still write there. What is lost is a little memory of a run that failed.
  buffers_.release();
  for (auto& posted : or_requests_) posted.release();
}

Status MpiGroup::Close() {
  if (comm_->handle == MPI_COMM_NULL) return {};
  STEMMA_RETURN_IF_ERROR(Health());
  while (!or_requests_.empty()) {
    STEMMA_RETURN_IF_ERROR(WaitOr({milliseconds(10000), "the last control words"}).status());
  }
  const Status status = STEMMA_MPI(MPI_Comm_free(&comm_->handle));
  Fail({Code::kInvalidArgument, "the world is closed"});
  return status;
}

void MpiGroup::Fail(const Status& cause) {
  MutexLock lock(mutex_);
  if (failure_.ok()) failure_ = cause;
  failed_ = true;
}

Status MpiGroup::Health() const {
  MutexLock lock(mutex_);
  return failure_;
}

Status MpiGroup::Call(int rc, const char* call) {
  if (rc == MPI_SUCCESS) return {};
  Fail(FromMpi(rc, call));
  return Health();
}

template <typename Test>
Status MpiGroup::Until(Test test, const Waiting& waiting) {
  const Clock::time_point start = Clock::now();
  while (true) {
    STEMMA_ASSIGN_OR_RETURN(const bool done, test());
    if (done) return {};
    if (failed_) return Health();
    if (waiting.cancelled != nullptr && *waiting.cancelled) {
      Fail({Code::kPeerLost, waiting.what + ": given up while it was under way"});
      return Health();
    }
    const Clock::duration waited = Clock::now() - start;
    if (waited > waiting.deadline) {
      Fail({Code::kTimeout, waiting.what + ": rank " + std::to_string(rank_) + " of " +
                                std::to_string(ranks_) + " waited " + Seconds(waiting.deadline) +
                                " in vain; a rank did not come, hangs or is gone "
                                "(comm.deadline_s is the limit)"});
      return Health();
    }
    Pause(waited, waiting.eager);
  }
}

Status MpiGroup::Finish(Request& request, const Waiting& waiting) {
  return Until([&] { return HasEnded(request); }, waiting);
}

Result<bool> MpiGroup::HasEnded(Request& request) {
  int done = 0;
  if (request.handle == MPI_REQUEST_NULL) return true;  // its status stays what it was
  STEMMA_RETURN_IF_ERROR(Call(MPI_Test(&request.handle, &done, &request.status), "MPI_Test"));
  return done != 0;
}

Status MpiGroup::CheckReceived(const Request& request, const Waiting& waiting) {
  const auto& [unused, status, expected] = request;
  (void)unused;
  if (expected < 0) return {};
  int bytes = 0;
  MPI_Get_count(&status, MPI_BYTE, &bytes);
  if (bytes == expected) return {};
  Fail({Code::kIncompatible, waiting.what + ": rank " + std::to_string(status.MPI_SOURCE) +
                                 " sent " + std::to_string(bytes) + " bytes to rank " +
                                 std::to_string(rank_) + ", which expected " +
                                 std::to_string(expected)});
  return Health();
}

Status MpiGroup::Barrier(const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  Request request;
  STEMMA_RETURN_IF_ERROR(Call(MPI_Ibarrier(comm_->handle, &request.handle), "MPI_Ibarrier"));
  return Finish(request, waiting);
}

Result<int> MpiGroup::Min(int mine, const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  Request request;
  std::array<int, 2>& values = buffers_->min;
  values = {mine, mine};
  STEMMA_RETURN_IF_ERROR(Call(
      MPI_Iallreduce(&values[0], &values[1], 1, MPI_INT, MPI_MIN, comm_->handle, &request.handle),
      "MPI_Iallreduce"));
  STEMMA_RETURN_IF_ERROR(Finish(request, waiting));
  return values[1];
}

Status MpiGroup::Broadcast(void* data, int64_t bytes, int root, const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  for (int64_t at = 0; at < bytes; at += piece_bytes_max_) {
    Request request;
    const int piece = static_cast<int>(std::min(piece_bytes_max_, bytes - at));
    STEMMA_RETURN_IF_ERROR(Call(MPI_Ibcast(static_cast<char*>(data) + at, piece, MPI_BYTE, root,
                                           comm_->handle, &request.handle),
                                "MPI_Ibcast"));
    STEMMA_RETURN_IF_ERROR(Finish(request, waiting));
  }
  return {};
}

Status MpiGroup::GatherEqual(const void* mine, int64_t bytes, void* all, const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  Request request;
  const int count = static_cast<int>(bytes);
  STEMMA_RETURN_IF_ERROR(Call(
      MPI_Iallgather(mine, count, MPI_BYTE, all, count, MPI_BYTE, comm_->handle, &request.handle),
      "MPI_Iallgather"));
  return Finish(request, waiting);
}

Status MpiGroup::GatherInPlace(void* all, const std::vector<int64_t>& bytes,
                               const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  int64_t total = 0;
  for (int64_t count : bytes) total += count;
  if (total > piece_bytes_max_) return BroadcastAll(static_cast<char*>(all), bytes, waiting);

  std::vector<int>& counts = buffers_->counts;
  std::vector<int>& offsets = buffers_->offsets;
  counts.assign(bytes.begin(), bytes.end());
  offsets.assign(counts.size(), 0);
  for (size_t r = 1; r < counts.size(); ++r) offsets[r] = offsets[r - 1] + counts[r - 1];
  Request request;
  STEMMA_RETURN_IF_ERROR(
      Call(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, all, counts.data(), offsets.data(), MPI_BYTE,
                           comm_->handle, &request.handle),
           "MPI_Iallgatherv"));
  return Finish(request, waiting);
}

// Offsets beyond an int: one rank after the other.
Status MpiGroup::BroadcastAll(char* data, const std::vector<int64_t>& bytes,
                              const Waiting& waiting) {
  for (int root = 0; root < ranks_; data += bytes[root], ++root) {
    STEMMA_RETURN_IF_ERROR(Broadcast(data, bytes[root], root, waiting));
  }
  return {};
}

Status MpiGroup::ExchangeSlices(const void* all, const std::vector<int64_t>& slices, void* received,
                                const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  const size_t n = slices.size();
  auto& [unused, counts, offsets, own_counts, own_offsets] = *buffers_;
  (void)unused;
  counts.assign(slices.begin(), slices.end());
  offsets.assign(n, 0);
  own_counts.assign(n, counts[rank_]);
  own_offsets.assign(n, 0);
  own_counts[rank_] = 0;
  for (size_t r = 1; r < n; ++r) {
    offsets[r] = offsets[r - 1] + counts[r - 1];
    own_offsets[r] = own_offsets[r - 1] + own_counts[r - 1];
  }
  counts[rank_] = 0;  // what stays here is summed where it lies
  Request request;
  STEMMA_RETURN_IF_ERROR(
      Call(MPI_Ialltoallv(all, counts.data(), offsets.data(), MPI_BYTE, received, own_counts.data(),
                          own_offsets.data(), MPI_BYTE, comm_->handle, &request.handle),
           "MPI_Ialltoallv"));
  return Finish(request, waiting);
}

Status MpiGroup::Exchange(const std::vector<Block>& send, const std::vector<Block>& receive,
                          const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Health());
  std::vector<MPI_Request> requests;
  std::vector<int> expected;
  const auto post = [&](const Block& block, int peer, bool sends) -> Status {
    for (int64_t at = 0; at < block.bytes && peer != rank_; at += kPieceBytesMax) {
      const int piece = static_cast<int>(std::min(kPieceBytesMax, block.bytes - at));
      MPI_Request request = MPI_REQUEST_NULL;
      const int rc = sends ? MPI_Isend(block.data + at, piece, MPI_BYTE, peer, kExchangeTag,
                                       comm_->handle, &request)
                           : MPI_Irecv(block.data + at, piece, MPI_BYTE, peer, kExchangeTag,
                                       comm_->handle, &request);
      STEMMA_RETURN_IF_ERROR(Call(rc, sends ? "MPI_Isend" : "MPI_Irecv"));
      requests.push_back(request);
      expected.push_back(sends ? -1 : piece);
    }
    return {};
  };
  for (int r = 0; r < ranks_; ++r) STEMMA_RETURN_IF_ERROR(post(receive[r], r, false));
  for (int k = 1; k < ranks_; ++k) {  // not all to rank 0 first
    const int to = (rank_ + k) % ranks_;
    STEMMA_RETURN_IF_ERROR(post(send[to], to, true));
  }
  std::vector<MPI_Status> statuses(requests.size());
  const auto count = static_cast<int>(requests.size());
  const auto test = [&]() -> Result<bool> {
    int done = 0;
    STEMMA_RETURN_IF_ERROR(
        Call(MPI_Testall(count, requests.data(), &done, statuses.data()), "MPI_Testall"));
    return done != 0;
  };
  STEMMA_RETURN_IF_ERROR(Until(test, waiting));
  for (size_t k = 0; k < statuses.size(); ++k) {
    Request ended;
    ended.status = statuses[k];
    ended.expected = expected[k];
    STEMMA_RETURN_IF_ERROR(CheckReceived(ended, waiting));
  }
  return {};
}

Result<int64_t> MpiGroup::Send(const void* data, int64_t bytes, int to, Lane lane) {
  STEMMA_RETURN_IF_ERROR(Health());
  Request& request = *(messages_[next_message_] = std::make_unique<Request>());
  STEMMA_RETURN_IF_ERROR(Call(
      MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, to, lane, comm_->handle, &request.handle),
      "MPI_Isend"));
  return next_message_++;
}

Result<int64_t> MpiGroup::Receive(void* data, int64_t bytes, int from, Lane lane) {
  STEMMA_RETURN_IF_ERROR(Health());
  Request& request = *(messages_[next_message_] = std::make_unique<Request>());
  request.expected = static_cast<int>(bytes);
  STEMMA_RETURN_IF_ERROR(Call(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, from, lane,
                                        comm_->handle, &request.handle),
                              "MPI_Irecv"));
  return next_message_++;
}

Result<bool> MpiGroup::Ended(int64_t message) { return HasEnded(*messages_[message]); }

Status MpiGroup::Await(int64_t message, const Waiting& waiting) {
  STEMMA_RETURN_IF_ERROR(Finish(*messages_[message], waiting));
  STEMMA_RETURN_IF_ERROR(CheckReceived(*messages_[message], waiting));
  messages_.erase(message);
  return {};
}

Status MpiGroup::PostOr(const Words& words) {
  STEMMA_RETURN_IF_ERROR(Health());
  auto posted = std::make_unique<Posted>();
  posted->mine = words;
  STEMMA_RETURN_IF_ERROR(Call(
      MPI_Iallreduce(posted->mine.data(), posted->all.data(), static_cast<int>(posted->mine.size()),
                     MPI_UINT64_T, MPI_BOR, comm_->handle, &posted->request.handle),
      "MPI_Iallreduce"));
  or_requests_.push_back(std::move(posted));
  return {};
}

Result<Words> MpiGroup::WaitOr(const Waiting& waiting) {
  STEMMA_CHECK(!or_requests_.empty(), "no words were posted");
  STEMMA_RETURN_IF_ERROR(Health());
  STEMMA_RETURN_IF_ERROR(Finish(or_requests_.front()->request, waiting));
  const Words all = or_requests_.front()->all;
  or_requests_.pop_front();
  return all;
}

}  // namespace stemma::comm
