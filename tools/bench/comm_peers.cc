// Our all-reduce beside MPI_Allreduce and the memory's own limit, in one process and in turns.
//
//   mpirun -n 2 comm_peers [--what ours,mpi,limit] [--sizes 4,64MiB] [--rounds 5] [--round-ms 50]
//                          [--backend auto]
//
// f32 sums in place, over
//   ours    World's data communicator, buffers from its Allocate
//   mpi     MPI_Allreduce(MPI_IN_PLACE) on a private buffer; its settings come from the launcher
//           (OMPI_MCA_... in the environment). Without `ours`, MPI starts with MPI_THREAD_SINGLE,
//           which is kinder to it
//   limit   no all-reduce: each rank reads its part of every rank's shared buffer and writes the
//   sum
//           to all of them, without waiting for anybody. The better of plain and streaming stores
//
// Every rank rewrites its whole buffer before every call; ranks then meet at a spinning barrier in
// shared memory, which lets them go within a fraction of a microsecond; a call lasts as long as on
// the slowest rank; the result is checked after each visit. Rank 0 prints one line per what, size:
// what bytes calls median_us p95_us best_us.
//
// This program is the one place outside comm/ that calls MPI: what it compares with. All ranks are
// on one node.
#include <mpi.h>

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/world.h"
#include "core/exit_code.h"
#include "tools/bench/options.h"
#include "tools/bench/statistics.h"

namespace stemma::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kCallsMin = 3, kCallsMax = 2000, kAlign = 4096, kLine = 64, kChecked = 4096;
constexpr const char* kSizes = "4,64,256,1KiB,4KiB,16KiB,64KiB,256KiB,1MiB,4MiB,16MiB,64MiB,256MiB";

Status FromMpi(int rc, const char* what) {
  if (rc == MPI_SUCCESS) return {};
  return {Code::kIo, std::string(what) + " failed with code " + std::to_string(rc)};
}

// Memory that all ranks map: one buffer each, and a barrier.
class Shared {
 public:
  Status Open(MPI_Comm comm, int64_t bytes) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &ranks_);
    const MPI_Aint size = bytes + 2 * kAlign + kLine;
    void* mine = nullptr;
    STEMMA_RETURN_IF_ERROR(
        FromMpi(MPI_Win_allocate_shared(size, 1, MPI_INFO_NULL, comm, &mine, &window_),
                "MPI_Win_allocate_shared (are all ranks on one node?)"));
    for (int r = 0; r < ranks_; ++r) {
      MPI_Aint part = 0;
      int unit = 0;
      char* base = nullptr;
      MPI_Win_shared_query(window_, r, &part, &unit, &base);
      const auto address = reinterpret_cast<uintptr_t>(base);
      base += (kAlign - address % kAlign) % kAlign;
      if (r == 0) arrived_ = new (base) std::atomic<uint64_t>(0);
      buffers_.push_back(reinterpret_cast<float*>(base + kAlign));
    }
    std::fill(buffers_[rank_], buffers_[rank_] + bytes / 4, 0.0f);  // its owner touches it first
    return FromMpi(MPI_Barrier(comm), "MPI_Barrier");
  }
  ~Shared() {
    if (window_ != MPI_WIN_NULL) MPI_Win_free(&window_);
  }

  void Meet() {
    meetings_ += static_cast<uint64_t>(ranks_);
    arrived_->fetch_add(1, std::memory_order_acq_rel);
    for (int spins = 0; arrived_->load(std::memory_order_acquire) < meetings_; ++spins) {
      _mm_pause();
      if (spins % 4096 == 4095) sched_yield();  // more ranks than cores
    }
  }
  float* buffer(int rank) const { return buffers_[static_cast<size_t>(rank)]; }
  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

 private:
  MPI_Win window_ = MPI_WIN_NULL;
  int rank_ = 0, ranks_ = 1;
  std::atomic<uint64_t>* arrived_ = nullptr;
  uint64_t meetings_ = 0;
  std::vector<float*> buffers_;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual float* buffer() = 0;
  virtual Status AllReduce(int64_t count) = 0;
};

class Ours final : public Peer {
 public:
  Status Open(comm::World& world, int64_t bytes) {
    world_ = &world;
    STEMMA_ASSIGN_OR_RETURN(segment_, world.data().Allocate(bytes, "benchmark"));
    return {};
  }
  float* buffer() override { return static_cast<float*>(segment_->data()); }
  Status AllReduce(int64_t count) override {
    STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                            world_->data().AllReduce({buffer(), count, DType::kF32}, {}));
    return work.Wait();
  }

 private:
  comm::World* world_ = nullptr;
  std::unique_ptr<comm::Segment> segment_;
};

class OpenMpi final : public Peer {
 public:
  OpenMpi(MPI_Comm comm, int64_t bytes) : comm_(comm), memory_((bytes + kAlign) / 4) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    aligned_ = memory_.data() + (kAlign - address % kAlign) % kAlign / 4;
  }
  float* buffer() override { return aligned_; }
  Status AllReduce(int64_t count) override {
    return FromMpi(
        MPI_Allreduce(MPI_IN_PLACE, aligned_, static_cast<int>(count), MPI_FLOAT, MPI_SUM, comm_),
        "MPI_Allreduce");
  }

 private:
  const MPI_Comm comm_;
  std::vector<float> memory_;
  float* aligned_ = nullptr;
};

void SumPlain(float* const* buffers, int ranks, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    float sum = buffers[0][i];
    for (int r = 1; r < ranks; ++r) sum += buffers[r][i];
    for (int r = 0; r < ranks; ++r) buffers[r][i] = sum;
  }
}

// Two ranks, eight floats at a time; begin and end are multiples of eight.
__attribute__((target("avx2"))) void SumPair(float* a, float* b, int64_t begin, int64_t end,
                                             bool stream) {
  for (int64_t i = begin; i < end; i += 8) {
    const __m256 sum = _mm256_add_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i));
    if (stream) {
      _mm256_stream_ps(a + i, sum);
      _mm256_stream_ps(b + i, sum);
    } else {
      _mm256_store_ps(a + i, sum);
      _mm256_store_ps(b + i, sum);
    }
  }
  _mm_sfence();
}

class Limit final : public Peer {
 public:
  Limit(Shared& shared, bool stream) : shared_(shared), stream_(stream) {}
  float* buffer() override { return shared_.buffer(shared_.rank()); }
  Status AllReduce(int64_t count) override {
    const int n = shared_.ranks(), rank = shared_.rank();
    const auto bound = [&](int r) { return r == n ? count : count / n * r / 8 * 8; };
    const int64_t begin = bound(rank), end = bound(rank + 1);
    if (n == 2 && (end - begin) % 8 == 0 && __builtin_cpu_supports("avx2")) {
      SumPair(shared_.buffer(0), shared_.buffer(1), begin, end, stream_);
      return {};
    }
    std::vector<float*> buffers;
    for (int r = 0; r < n; ++r) buffers.push_back(shared_.buffer(r));
    SumPlain(buffers.data(), n, begin, end);
    return {};
  }

 private:
  Shared& shared_;
  const bool stream_;
};

struct Row {
  std::string what;
  Peer* peer = nullptr;
  int64_t bytes = 0, calls = 0;
  std::vector<double> call_s;
};

float Value(int64_t i, int rank, int64_t k) {
  return static_cast<float>(((i + k) % 8 + 1) * (rank + 1));
}

class Measurement {
 public:
  Measurement(MPI_Comm comm, Shared& shared, double round_ms)
      : comm_(comm), shared_(shared), round_ms_(round_ms) {}

  Status Visit(Row& row) {
    const bool first = row.calls == 0;
    if (first) STEMMA_RETURN_IF_ERROR(ChooseCalls(row));
    double spent = 0;
    STEMMA_RETURN_IF_ERROR(Call(row, -1, &spent));
    std::vector<double> seconds;
    for (int64_t k = 0; k < row.calls; ++k) {
      STEMMA_RETURN_IF_ERROR(Call(row, k, &spent));
      seconds.push_back(spent);
    }
    STEMMA_RETURN_IF_ERROR(Check(row, row.calls - 1));
    STEMMA_RETURN_IF_ERROR(Slowest(&seconds));
    row.call_s.insert(row.call_s.end(), seconds.begin(), seconds.end());
    return {};
  }

 private:
  Status Call(Row& row, int64_t k, double* spent) {
    float* x = row.peer->buffer();
    const int64_t count = row.bytes / 4;
    for (int64_t i = 0; i < count; ++i) x[i] = Value(i, shared_.rank(), k + kCallsMax);
    shared_.Meet();
    const auto begin = Clock::now();
    const Status status = row.peer->AllReduce(count);
    *spent = std::chrono::duration<double>(Clock::now() - begin).count();
    shared_.Meet();  // the limit's loop waits for nobody: a peer may still write to our buffer
    return status;
  }
  // All ranks take the slowest's answer.
  Status ChooseCalls(Row& row) {
    std::vector<double> seconds(3);
    for (size_t i = 0; i < seconds.size(); ++i) {
      STEMMA_RETURN_IF_ERROR(Call(row, static_cast<int64_t>(i), &seconds[i]));
    }
    STEMMA_RETURN_IF_ERROR(Slowest(&seconds));
    const double each = *std::min_element(seconds.begin(), seconds.end());
    const double wanted = round_ms_ / 1e3 / std::max(each, 1e-9);
    row.calls = std::clamp(static_cast<int64_t>(std::min(wanted, 1e9)), kCallsMin, kCallsMax);
    return {};
  }
  Status Check(const Row& row, int64_t k) {
    const int n = shared_.ranks();
    const int64_t count = row.bytes / 4, step = std::max<int64_t>(1, count / kChecked);
    for (int64_t i = 0; i < count; i += step) {
      const float wanted = Value(i, 0, k + kCallsMax) * static_cast<float>(n * (n + 1) / 2);
      if (row.peer->buffer()[i] == wanted) continue;
      return {Code::kInternal, row.what + ", " + std::to_string(row.bytes) + " bytes: element " +
                                   std::to_string(i) + " is wrong"};
    }
    return {};
  }
  Status Slowest(std::vector<double>* seconds) {
    return FromMpi(MPI_Allreduce(MPI_IN_PLACE, seconds->data(), static_cast<int>(seconds->size()),
                                 MPI_DOUBLE, MPI_MAX, comm_),
                   "MPI_Allreduce");
  }

  const MPI_Comm comm_;
  Shared& shared_;
  const double round_ms_;
};

struct Options {
  std::string what = "ours,mpi,limit", sizes = kSizes, backend = "auto";
  int64_t rounds = 5;
  double round_ms = 50;
};

void Print(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    std::printf("%s %lld %zu %.4f %.4f %.4f\n", row.what.c_str(), static_cast<long long>(row.bytes),
                row.call_s.size(), 1e6 * Median(row.call_s), 1e6 * Quantile(row.call_s, 0.95),
                1e6 * Quantile(row.call_s, 0));
  }
}

Status Measure(const Options& options, comm::World* world, MPI_Comm comm) {
  STEMMA_ASSIGN_OR_RETURN(const auto sizes, ParseSizes(options.sizes));
  if (sizes.empty()) return {Code::kInvalidArgument, "--sizes names none"};
  const int64_t most = *std::max_element(sizes.begin(), sizes.end());
  Shared shared;
  STEMMA_RETURN_IF_ERROR(shared.Open(comm, most));
  Ours ours;
  if (world != nullptr) STEMMA_RETURN_IF_ERROR(ours.Open(*world, most));
  OpenMpi mpi(comm, most);
  Limit plain(shared, false), stream(shared, true);
  std::vector<Row> rows;
  for (const int64_t bytes : sizes) {
    for (const std::string& what : Split(options.what)) {
      if (what == "ours") rows.push_back({what, &ours, bytes, 0, {}});
      if (what == "mpi") rows.push_back({what, &mpi, bytes, 0, {}});
      if (what == "limit") rows.push_back({"limit-plain", &plain, bytes, 0, {}});
      if (what == "limit") rows.push_back({"limit-stream", &stream, bytes, 0, {}});
    }
  }
  Measurement measurement(comm, shared, options.round_ms);
  for (int64_t round = 0; round < options.rounds; ++round) {
    for (Row& row : rows) STEMMA_RETURN_IF_ERROR(measurement.Visit(row));
  }
  if (shared.rank() == 0) Print(rows);
  return {};
}

Status RunWithOurs(const Options& options) {
  comm::CommSettings settings;
  settings.backend = options.backend;
  STEMMA_ASSIGN_OR_RETURN(auto world, comm::World::Open(settings, {}));
  if (world->rank() == 0) std::printf("# %s\n", world->description().c_str());
  int started = 0;
  MPI_Initialized(&started);
  if (started == 0) return {Code::kInvalidArgument, "start it with mpirun, also for one rank"};
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  const Status status = Measure(options, world.get(), comm);
  if (!status.ok()) world->Abort(status, ExitCodeFor(status));
  MPI_Comm_free(&comm);
  return world->Close();
}

Status RunWithoutOurs(const Options& options) {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SINGLE, &provided);
  const Status status = Measure(options, nullptr, MPI_COMM_WORLD);
  MPI_Finalize();
  return status;
}

Status Main(const std::vector<std::string>& arguments) {
  Options options;
  cli::Flags flags("comm_peers", "All-reduce of ours, of OpenMPI and the memory's limit.");
  flags.Text("what", &options.what, "LIST", "ours, mpi, limit");
  flags.Text("sizes", &options.sizes, "LIST", "as 4,64KiB,64MiB");
  flags.Text("backend", &options.backend, "NAME", "comm.backend of ours");
  flags.Integer("rounds", &options.rounds, "N", "visits of every size");
  flags.Number("round-ms", &options.round_ms, "MS", "time of one visit; three calls at least");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) {
    std::fputs(flags.HelpText().c_str(), stdout);
    return {};
  }
  const std::vector<std::string> known = {"ours", "mpi", "limit"}, asked = Split(options.what);
  for (const std::string& what : asked) {
    if (std::find(known.begin(), known.end(), what) != known.end()) continue;
    return {Code::kInvalidArgument, "--what knows ours, mpi and limit, not \"" + what + "\""};
  }
  const bool with_ours = std::find(asked.begin(), asked.end(), "ours") != asked.end();
  return with_ours ? RunWithOurs(options) : RunWithoutOurs(options);
}

}  // namespace
}  // namespace stemma::bench

int main(int argc, char** argv) {
  const stemma::Status status =
      stemma::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
  if (!status.ok()) std::fprintf(stderr, "comm_peers: %s\n", status.message().c_str());
  return stemma::ExitCodeFor(status);
}
