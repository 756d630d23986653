// What questions about a large family tree cost: 1,000 runs of 100 states with 64 attributes each,
// some 200 MB of logs, made anew in a folder that is removed afterwards. One JSON line a figure,
// beside it the machine's own limit, measured in the same run:
//
//   bazel run //tools/bench:tree_bench -- FOLDER [PATH OF stemma [RUNS]]
//
//   index_cold_s    the cache is gone, the logs are in the page cache; limit: reading the same
//                   bytes in one thread and their XXH3
//   query_warm_ms   open the store, check the cache, one predicate over one column; limit: listing
//                   the runs' folders in one thread
//   log_first_ms    `stemma log -n 40`, the whole program; only where its path is given
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/index_cache.h"
#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/store.h"
#include "tools/bench/statistics.h"

extern char** environ;

namespace stemma::lineage {
namespace {

constexpr int kStates = 100;
constexpr int kAttributes = 64;

double Seconds(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// Nothing is synced: this store has to last for minutes.
Status Write(Storage& storage, const std::string& path, std::string_view bytes) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  STEMMA_RETURN_IF_ERROR(file->Append(bytes));
  return file->Close();
}

std::string Two(int number) {
  char text[16];
  std::snprintf(text, sizeof text, "%02d", number);
  return text;
}

AttributeValue AnyValue(int run, int state, int number) {
  if (number % 16 == 0) return "text " + std::to_string((run + state) % 50);
  if (number % 16 == 1) return (state & 1) != 0;
  if (number % 8 == 2) return int64_t{run} * state + number;
  return 1.0 / (1 + run + state + number);
}

// One run's log, written as its writer would. Run r begins as a fork of a state of run r / 2.
class RunMaker {
 public:
  RunMaker(const Store& store, std::vector<std::vector<StateId>>* ids)
      : store_(store), paths_(store.path()), ids_(*ids) {}

  Status Make(int run) {
    const std::string name = "run" + std::to_string(run), ulid = NewUlid();
    Storage& storage = store_.storage();
    STEMMA_RETURN_IF_ERROR(storage.MakeDir(paths_.RunDir(ulid)));
    STEMMA_RETURN_IF_ERROR(storage.MakeDir(paths_.IncarnationDir(ulid, 1)));
    STEMMA_RETURN_IF_ERROR(storage.MakeDir(paths_.NameDir(name)));
    STEMMA_RETURN_IF_ERROR(Write(storage, paths_.NameRunFile(name), ulid + "\n"));
    const std::string toml = "[optim]\nname = \"lamb\"\nlr = 0.001\nseed = " + std::to_string(run) +
                             "\n[data]\nbatch = 256\n";
    const ObjectId settings = Sha256(toml);
    STEMMA_RETURN_IF_ERROR(Write(storage, paths_.Object(ObjectKind::kBlob, settings), toml));
    const std::string segment = UlidToBytes(NewUlid());
    std::string bytes = EncodeSegmentHeader(SegmentKind::kLog, segment);
    ids_.emplace_back();
    for (int state = 0; state < kStates; ++state) {
      Record record = RecordOf(run, state);
      record.run = ulid;
      record.run_name = name;
      record.settings = settings;
      STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeRecord(&record));
      bytes += EncodeFrame(segment, FrameType::kState, payload);
      ids_.back().push_back(record.id);
    }
    return Write(storage, paths_.LogSegment(ulid, 1, 1), bytes);
  }

 private:
  Record RecordOf(int run, int state) const {
    Record record;
    if (state > 0) {
      record.parents = {{ids_.back().back(), EdgeKind::kTrain}};
    } else if (run > 0) {
      record.parents = {{ids_[static_cast<size_t>(run / 2)][kStates / 2], EdgeKind::kFork}};
    }
    record.incarnation = 1;
    record.capture = static_cast<uint64_t>(state);
    record.layout = Sha256("layout");
    const std::string pack = std::to_string(run) + "/" + std::to_string(state);
    record.packs = {{0, 1, Sha256(pack), 1 << 20}};
    record.logical_bytes = 1 << 20;
    record.step = 100 * (state + 1);
    record.wall_ms = 1700000000000 + 1000 * (int64_t{run} * kStates / 2 + state);
    record.metrics = {{"loss", 1.0 / (1 + state + run % 7)}, {"lr", 0.1}, {"grad_norm", 2.5}};
    for (int i = 0; i < kAttributes; ++i) {
      record.attributes["attribute.g" + std::to_string(i / 8) + ".k" + Two(i)] =
          AnyValue(run, state, i);
    }
    return record;
  }

  const Store& store_;
  const Paths paths_;
  std::vector<std::vector<StateId>>& ids_;
};

void PrintFigure(const char* name, const char* unit, const std::vector<double>& values,
                 double limit) {
  std::printf(
      "{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.6g, \"limit\": %.6g, \"values\": [", name,
      unit, bench::Median(values), limit);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.6g", i ? ", " : "", values[i]);
  std::printf("]}\n");
  std::fflush(stdout);
}

Status ReadEverything(const Store& store, const std::vector<std::string>& runs, uint64_t* bytes) {
  const Paths paths(store.path());
  *bytes = 0;
  for (const std::string& run : runs) {
    STEMMA_ASSIGN_OR_RETURN(const std::string log,
                            store.storage().ReadAll(paths.LogSegment(run, 1, 1)));
    if (Xxh128(log).empty()) return Status(Code::kInternal, "a digest has 16 bytes");
    *bytes += log.size();
  }
  return {};
}

// Rows whose loss is small and whose step is round, by hand.
size_t Query(const Index& index) {
  const Values* const loss = index.metrics.Find("loss");
  size_t found = 0;
  for (size_t i = 0; loss != nullptr && i < loss->at.size(); ++i) {
    double value;
    std::memcpy(&value, &loss->values[i].bits, sizeof value);
    if (value < 0.02 && index.step[loss->at[i]] % 1000 == 0) ++found;
  }
  return found;
}

Status MeasureIndex(const std::string& path, const std::string& cache, size_t states) {
  STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open(path, false, PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const auto runs, store->storage().List(Paths(path).RunsDir()));
  Status status;
  uint64_t bytes = 0;
  std::vector<double> cold, warm, read, list;
  for (int i = 0; i < 5 && status.ok(); ++i) {
    read.push_back(Seconds([&] { status = ReadEverything(*store, runs, &bytes); }));
    if (status.ok() && i > 0) status = store->storage().Remove(IndexCachePath(*store, cache));
    cold.push_back(Seconds([&] {
      const auto index = LoadIndex(*store, cache);
      if (status.ok()) status = index.status();
      if (index.ok() && (index->size() != states || !index->warnings.empty())) {
        status = Status(Code::kInternal, "the index is not what was written");
      }
    }));
  }
  STEMMA_RETURN_IF_ERROR(std::move(status));
  std::fprintf(stderr, "%zu states, %.1f MB of logs\n", states, static_cast<double>(bytes) / 1e6);
  PrintFigure("index_cold_s", "s", cold, bench::Median(read));
  size_t found = 0;
  for (int i = 0; i < 21 && status.ok(); ++i) {
    list.push_back(1e3 * Seconds([&] {
                     for (const std::string& run : runs)
                       (void)store->storage().List(Paths(path).RunDir(run));
                   }));
    warm.push_back(1e3 * Seconds([&] {
                     const auto opened = Store::Open(path, false, PosixStorage());
                     if (!opened.ok()) return void(status = opened.status());
                     const auto index = LoadIndex(**opened, cache);
                     if (!index.ok()) return void(status = index.status());
                     found = Query(*index);
                   }));
  }
  STEMMA_RETURN_IF_ERROR(std::move(status));
  if (found == 0 || found == states) return Status(Code::kInternal, "the query found nothing");
  PrintFigure("query_warm_ms", "ms", warm, bench::Median(list));
  return {};
}

// Its output goes nowhere; true when it left with 0.
bool Ran(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int left = -1;
  const int error = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0 || waitpid(child, &left, 0) != child) return false;
  return left == 0;
}

Status MeasureLog(const std::string& program, const std::string& store) {
  std::vector<double> log, graph, nothing;
  bool whole = true;
  for (int i = 0; i < 11; ++i) {
    nothing.push_back(1e3 * Seconds([&] { whole = Ran({program, "version"}) && whole; }));
    log.push_back(1e3 * Seconds([&] {
                    whole = Ran({program, "log", "-n", "40", "--store=" + store}) && whole;
                  }));
    graph.push_back(
        1e3 * Seconds([&] {
          whole = Ran({program, "log", "--graph", "-n", "40", "--store=" + store}) && whole;
        }));
  }
  if (!whole) return Status(Code::kInternal, program + " log failed");
  PrintFigure("log_first_ms", "ms", log, bench::Median(nothing));
  PrintFigure("log_graph_first_ms", "ms", graph, bench::Median(nothing));
  return {};
}

Status Bench(const std::string& folder, const std::string& program, int runs) {
  const std::string path = folder + "/store", cache = folder + "/cache";
  {
    STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open(path, true, PosixStorage()));
    std::vector<std::vector<StateId>> ids;
    RunMaker maker(*store, &ids);
    for (int run = 0; run < runs; ++run) STEMMA_RETURN_IF_ERROR(maker.Make(run));
  }
  setenv("STEMMA_CACHE", cache.c_str(), 1);
  STEMMA_RETURN_IF_ERROR(MeasureIndex(path, cache, static_cast<size_t>(runs) * kStates));
  return program.empty() ? Status() : MeasureLog(program, path);
}

}  // namespace
}  // namespace stemma::lineage

int main(int argc, char** argv) {
  std::string folder = std::string(argc > 1 ? argv[1] : ".") + "/tree_bench_XXXXXX";
  const int runs = argc > 3 ? std::atoi(argv[3]) : 1000;
  if (runs < 1 || mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "tree_bench FOLDER [STEMMA [RUNS]]: cannot make a folder there\n");
    return 2;
  }
  const stemma::Status status = stemma::lineage::Bench(folder, argc > 2 ? argv[2] : "", runs);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
