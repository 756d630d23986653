// What a state of ResNet-50 under LAMB (307 MB) costs on a real disk: captures, and bringing it
// back, each beside what the disk itself can do, in turns. Give a folder on the file system in
// question:  bazel run //tools/bench:state_bench -- /scratch/me 2
//
// One JSON line per figure: {"name": ..., "values": [...], "reference": ...}. Files are put out of
// the page cache before they are read, which any user may do with files of his own.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "comm/thread_cohort.h"
#include "core/status.h"
#include "lineage/aligned_memory.h"
#include "lineage/capturer.h"
#include "lineage/graph.h"
#include "lineage/restore.h"
#include "lineage/store.h"
#include "tools/bench/statistics.h"

namespace stemma::lineage {
namespace {

using bench::Median;

constexpr int64_t kParameters = 25557032;
constexpr uint64_t kBlock = 8 << 20;

double SecondsOf(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "state_bench: %s\n", status.message().c_str());
  std::exit(1);
}

void Print(const char* name, const std::vector<double>& values, double reference) {
  std::printf("{\"name\": \"%s\", \"values\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.6g", i ? ", " : "", values[i]);
  std::printf("], \"reference\": %.6g}\n", reference);
  std::fflush(stdout);
}

// Parameters, and LAMB's two slots, which a restore may bring later.
class State final : public Source, public Sink {
 public:
  State() {
    for (const char* section : {"params", "lamb.m", "lamb.v"}) {
      int64_t left = kParameters;
      for (int i = 0; left > 0; ++i) {
        Span span;
        span.name = std::string(section) + "/" + std::to_string(i);
        span.section = section;
        // As in the network: a few tensors of megabytes, many of kilobytes.
        span.shape = {std::min<int64_t>(left, i % 3 == 0 ? 1179648 : 2048 + 64 * (i % 7))};
        span.late = section[0] == 'l';
        left -= span.shape[0];
        spans.push_back(span);
        bytes.emplace_back(static_cast<size_t>(span.bytes()), '\0');
        for (size_t at = 0; at < bytes.back().size(); at += 4) {
          const float value =
              static_cast<float>((at * 2654435761u + spans.size()) % 1000003) * 1e-6f;
          std::memcpy(bytes.back().data() + at, &value, 4);
        }
      }
    }
  }
  Status Read(size_t span, uint64_t offset, uint64_t count, char* out) override {
    std::memcpy(out, bytes[span].data() + offset, count);
    return {};
  }
  Status Write(size_t span, uint64_t offset, std::string_view in) override {
    std::memcpy(bytes[span].data() + offset, in.data(), in.size());
    return {};
  }
  char* Room(size_t span, uint64_t offset, uint64_t) override {
    return bytes[span].data() + offset;
  }
  Status WriteLow(size_t span, uint64_t first, std::string_view low) override {
    char* const values = bytes[span].data() + 4 * first;
    for (size_t i = 0; i < low.size() / 2; ++i) std::memcpy(values + 4 * i, low.data() + 2 * i, 2);
    return {};
  }
  uint64_t Bytes() const {
    uint64_t sum = 0;
    for (const Span& span : spans) sum += static_cast<uint64_t>(span.bytes());
    return sum;
  }

  std::vector<Span> spans;
  std::vector<std::string> bytes;
};

void OnRanks(int ranks, const std::function<void(Cohort&)>& body) {
  auto group = std::make_shared<comm::ThreadGroup>(ranks, std::chrono::milliseconds(600000));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      comm::ThreadCohort cohort(group, comm::kCohortBoard, rank, "bench");
      body(cohort);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Not in the page cache any more.
void Evict(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0 || fdatasync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
    std::fprintf(stderr, "state_bench: cannot evict %s\n", path.c_str());
    std::exit(1);
  }
  close(fd);
}

// `writers` threads with a file each, as large together as the state; O_DIRECT, and synced.
double DiskWrites(const std::string& folder, uint64_t bytes, int writers) {
  const double seconds = SecondsOf([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; ++i) {
      threads.emplace_back([&, i] {
        const std::string path = folder + "/limit" + std::to_string(i);
        const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_DIRECT, 0666);
        const AlignedMemory block = AllocateAligned(kBlock);
        std::memset(block.get(), 0x5a, kBlock);
        const uint64_t share = bytes / static_cast<uint64_t>(writers) / kBlock * kBlock + kBlock;
        if (fallocate(fd, 0, 0, static_cast<off_t>(share)) != 0) Check({Code::kIo, "fallocate"});
        for (uint64_t done = 0; done < share; done += kBlock) {
          if (write(fd, block.get(), kBlock) != static_cast<ssize_t>(kBlock)) {
            Check({Code::kIo, "write " + path});
          }
        }
        if (fsync(fd) != 0) Check({Code::kIo, "fsync " + path});
        close(fd);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(bytes) / seconds;
}

// What DiskWrites wrote, `readers` threads per file, O_DIRECT.
double DiskReads(const std::string& folder, int files, int readers) {
  std::vector<std::thread> threads;
  uint64_t bytes = 0;
  const double seconds = SecondsOf([&] {
    for (int i = 0; i < files * readers; ++i) {
      const std::string path = folder + "/limit" + std::to_string(i % files);
      const int fd = open(path.c_str(), O_RDONLY | O_DIRECT);
      const uint64_t size = static_cast<uint64_t>(lseek(fd, 0, SEEK_END));
      bytes += i < files ? size : 0;
      threads.emplace_back([fd, size, readers, part = static_cast<uint64_t>(i / files)] {
        const AlignedMemory block = AllocateAligned(kBlock);
        for (uint64_t at = part * kBlock; at < size;
             at += static_cast<uint64_t>(readers) * kBlock) {
          if (pread(fd, block.get(), kBlock, static_cast<off_t>(at)) <= 0) {
            Check({Code::kIo, "read"});
          }
        }
        close(fd);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(bytes) / seconds;
}

// One capture, from the call until it is durable. Collective.
double Save(Capturer& capturer, Cohort& cohort, Record* record) {
  return SecondsOf([&] {
    CaptureRequest request;
    request.record.world = static_cast<uint32_t>(cohort.size());
    Check(capturer.Capture(std::move(request)));
    Check(capturer.WaitCopied());
    auto durable = capturer.Finish(cohort);
    Check(durable.status());
    *record = durable->back().record;
  });
}

struct Restored {
  double first = 0, all = 0;  // seconds until forward can begin, until everything is there
};

Restored BringBack(const Store& store, const Record& record, State& state, RestoreMode mode) {
  for (const PackRef& pack : record.packs) Evict(store.PackPath(pack.pack));
  SoloCohort solo;
  Restored restored;
  restored.all = SecondsOf([&] {
    std::unique_ptr<Restoring> restoring;
    restored.first = SecondsOf([&] {
      auto begun = BeginRestore(store, record, state.spans, state, solo, RestoreReads::kEach, mode);
      Check(begun.status());
      restoring = *std::move(begun);
      for (size_t i = 0; i < state.spans.size(); ++i) {
        if (!state.spans[i].late) Check(restoring->WaitFor(i));
      }
    });
    Check(restoring->WaitAll());
  });
  return restored;
}

struct Rates {  // bytes per second; shares
  std::vector<double> save, write_limit, restore, read_limit, first, progressive, stored;
};

// One rank of the job. Rank 0 measures what one process measures, while the others wait.
void RunRank(const std::string& folder, Store& store, RunWriter& writer, State& state,
             Cohort& cohort, int rounds, Rates* rates) {
  const bool root = cohort.rank() == 0;
  const double bytes = static_cast<double>(state.Bytes());
  auto capturer = Capturer::Create({}, store, root ? &writer : nullptr, writer.tmp_dir(),
                                   state.spans, state, cohort.rank(), cohort.size());
  Check(Agree(cohort, capturer.status()));
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    const double limit = root ? DiskWrites(folder, state.Bytes(), cohort.size()) : 0;
    Check(Agree(cohort, {}));
    Record record;
    const double seconds = Save(**capturer, cohort, &record);
    if (!root) continue;
    const double read_limit = DiskReads(folder, cohort.size(), 4 / cohort.size());
    const Restored restored = BringBack(store, record, state, RestoreMode::kExact);
    const Restored halves = BringBack(store, record, state, RestoreMode::kProgressive);
    uint64_t on_disk = 0;
    for (const PackRef& pack : record.packs) {
      on_disk += pack.bytes;
      Check(store.storage().Remove(store.PackPath(pack.pack)));
    }
    if (round < 0) continue;
    rates->write_limit.push_back(limit);
    rates->save.push_back(bytes / seconds);
    rates->stored.push_back(static_cast<double>(on_disk) / bytes);
    rates->read_limit.push_back(read_limit);
    rates->restore.push_back(bytes / restored.all);
    rates->first.push_back(100 * restored.first / restored.all);
    rates->progressive.push_back(100 * halves.first / restored.all);
  }
}

void Bench(const std::string& folder, int ranks, int rounds) {
  auto store = Store::Open(folder + "/store", true, PosixStorage());
  Check(store.status());
  auto writer = (*store)->StartRun("bench");
  Check(writer.status());
  State state;
  Rates rates;
  OnRanks(ranks, [&](Cohort& cohort) {
    RunRank(folder, **store, **writer, state, cohort, rounds, &rates);
  });
  std::vector<double> save_rates;
  for (const double rate : rates.save) save_rates.push_back(rate / 1e9);
  const auto shares = [](const std::vector<double>& ours, const std::vector<double>& limit) {
    std::vector<double> out;
    for (size_t i = 0; i < ours.size(); ++i) out.push_back(100 * ours[i] / limit[i]);
    return out;
  };
  Print("save_rate", save_rates, Median(rates.write_limit) / 1e9);
  Print("save_limit_share", shares(rates.save, rates.write_limit), Median(rates.write_limit) / 1e9);
  Print("restore_limit_share", shares(rates.restore, rates.read_limit),
        Median(rates.read_limit) / 1e9);
  Print("first_forward_share", rates.first, Median(rates.restore) / 1e9);
  Print("progressive_first_share", rates.progressive, Median(rates.restore) / 1e9);
  Print("bytes_ratio", rates.stored, static_cast<double>(state.Bytes()) / 1e6);
}

}  // namespace
}  // namespace stemma::lineage

int main(int argc, char** argv) {
  const int ranks = argc > 2 ? std::atoi(argv[2]) : 2;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 7;
  if (argc < 2 || ranks < 1 || ranks > 4 || rounds < 1) {
    std::fprintf(stderr, "usage: state_bench FOLDER [RANKS: 1, 2 or 4 [ROUNDS]]\n");
    return 2;
  }
  std::string folder = std::string(argv[1]) + "/state_bench_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "cannot make a folder in %s\n", argv[1]);
    return 2;
  }
  std::fprintf(stderr, "store in %s (remove it afterwards)\n", folder.c_str());
  stemma::lineage::Bench(folder, ranks, rounds);
  return 0;
}
