#include "tools/bench/many_writers.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/random.h"
#include "lineage/capturer.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/restore.h"
#include "lineage/store.h"

namespace stemma::bench {
namespace {

using lineage::Span;

constexpr size_t kIdBytes = 32;
constexpr size_t kWhyBytes = 200;

// In memory that all processes share: what one run was promised, and how it ended. The ids follow.
struct Promise {
  char why[kWhyBytes];  // "": it ended well
  int acknowledged;
  char* Id(int i) { return reinterpret_cast<char*>(this + 1) + kIdBytes * static_cast<size_t>(i); }
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The shared memory: a barrier of all runs, and a promise for each.
class Shared {
 public:
  static Result<std::unique_ptr<Shared>> Make(int runs, int states) {
    const size_t each = sizeof(Promise) + kIdBytes * static_cast<size_t>(states);
    const size_t promise_bytes = (each + 63) / 64 * 64;
    const size_t bytes = sizeof(pthread_barrier_t) + 64 + promise_bytes * static_cast<size_t>(runs);
    void* const at =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return Status(Code::kIo, "no memory for what the writers are promised");
    auto shared = std::unique_ptr<Shared>(new Shared(at, bytes, promise_bytes));
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    const int made =
        pthread_barrier_init(shared->barrier(), &attributes, static_cast<unsigned>(runs));
    pthread_barrierattr_destroy(&attributes);
    if (made != 0) return Status(Code::kIo, "no barrier for the writers");
    return shared;
  }
  ~Shared() { munmap(at_, bytes_); }
  Shared(const Shared&) = delete;

  void Meet() { pthread_barrier_wait(barrier()); }
  Promise& Of(int run) {
    char* const begin = static_cast<char*>(at_) + (sizeof(pthread_barrier_t) + 63) / 64 * 64;
    return *reinterpret_cast<Promise*>(begin + promise_bytes_ * static_cast<size_t>(run));
  }

 private:
  Shared(void* at, size_t bytes, size_t promise_bytes)
      : at_(at), bytes_(bytes), promise_bytes_(promise_bytes) {}
  pthread_barrier_t* barrier() { return static_cast<pthread_barrier_t*>(at_); }
  void* const at_;
  const size_t bytes_, promise_bytes_;
};

// A state whose every byte follows from run and step.
class State final : public lineage::Source, public lineage::Sink {
 public:
  State() {
    for (const char* section : {"params", "optim.m"}) {
      Span span;
      span.name = section == std::string("params") ? "w" : "m/w";
      span.section = section;
      span.shape = {257};
      spans.push_back(span);
    }
    spans.push_back({});
    spans.back().name = "t";
    spans.back().section = "small";
    spans.back().dtype = DType::kI64;
    spans.back().eager = true;
    for (const Span& span : spans) bytes.emplace_back(static_cast<size_t>(span.bytes()), '\0');
  }
  void Fill(int run, int64_t step) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      Random draw(Key({static_cast<uint64_t>(run), static_cast<uint64_t>(step), i}), "writers");
      for (char& byte : bytes[i]) byte = static_cast<char>(draw.U32());
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
  std::vector<Span> spans;
  std::vector<std::string> bytes;
};

std::string NameOfRun(int run) { return "run" + std::to_string(run); }

// One run, apart from where it waits for the others.
class Writer {
 public:
  Writer(lineage::Store& store, int run) : store_(store), run_(run) {}

  Status Begin() {
    STEMMA_ASSIGN_OR_RETURN(writer_, store_.StartRun(NameOfRun(run_)));
    lineage::LineageSettings settings;
    STEMMA_ASSIGN_OR_RETURN(
        capturer_, lineage::Capturer::Create(settings, store_, writer_.get(), writer_->tmp_dir(),
                                             state_.spans, state_, 0, 1));
    return {};
  }

  Status Capture(int states, Promise* promise) {
    SoloCohort cohort;
    for (int step = 1; step <= states; ++step) {
      state_.Fill(run_, step);
      lineage::CaptureRequest request;
      request.record.step = step;
      if (step > 1) request.record.parents = {{parent_, lineage::EdgeKind::kTrain}};
      STEMMA_RETURN_IF_ERROR(capturer_->Capture(std::move(request)));
      STEMMA_RETURN_IF_ERROR(capturer_->WaitCopied());
      STEMMA_ASSIGN_OR_RETURN(const auto durable, capturer_->Finish(cohort));
      parent_ = durable.back().id;
      std::memcpy(promise->Id(promise->acknowledged++), parent_.data(), kIdBytes);
    }
    return {};
  }

  Status Close() { return writer_->Close(); }

 private:
  lineage::Store& store_;
  const int run_;
  State state_;
  std::unique_ptr<lineage::RunWriter> writer_;
  std::unique_ptr<lineage::Capturer> capturer_;
  lineage::StateId parent_;
};

// Meets the others at both places, whatever happens to it.
void WriteRun(lineage::Store& store, int run, int states, Shared& shared) {
  Promise& promise = shared.Of(run);
  Writer writer(store, run);
  Status status = writer.Begin();
  shared.Meet();
  if (status.ok()) status = writer.Capture(states, &promise);
  shared.Meet();
  if (status.ok()) status = writer.Close();
  std::strncpy(promise.why, status.message().c_str(), kWhyBytes - 1);
}

[[noreturn]] void Process(const std::string& path, int first, const ManyWriters& writers,
                          Shared& shared) {
  {
    auto store = lineage::Store::Open(path, false, lineage::PosixStorage());
    if (!store.ok()) _exit(1);
    std::vector<std::thread> threads;
    for (int i = 0; i < writers.runs_each; ++i) {
      threads.emplace_back(
          [&, run = first + i] { WriteRun(**store, run, writers.states, shared); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  _exit(0);
}

// One run of the store against what it was promised.
void Compare(const lineage::Store& store, const lineage::Graph& graph, int run, Promise& promise,
             ManyWritersReport* report) {
  const auto fault = [&](const std::string& text) {
    report->faults.push_back(NameOfRun(run) + ": " + text);
  };
  if (promise.why[0] != '\0') fault(promise.why);
  State got, want;
  SoloCohort cohort;
  for (int i = 0; i < promise.acknowledged; ++i) {
    ++report->states;
    const lineage::StateId id(promise.Id(i), kIdBytes);
    const auto found = graph.states.find(id);
    if (found == graph.states.end()) {
      fault("state " + Hex(id).substr(0, 8) + " was acknowledged and is lost");
      continue;
    }
    const lineage::Record& record = found->second;
    if (record.run_name != NameOfRun(run) || record.step != i + 1) fault("has another's state");
    want.Fill(run, i + 1);
    const Status restored = lineage::Restore(store, record, got.spans, got, cohort);
    if (!restored.ok()) fault(restored.message());
    if (restored.ok() && got.bytes != want.bytes) fault("a state came back with other bytes");
  }
}

Status Examine(const std::string& path, const ManyWriters& writers, Shared& shared,
               ManyWritersReport* report) {
  STEMMA_ASSIGN_OR_RETURN(const auto store,
                          lineage::Store::Open(path, false, lineage::PosixStorage()));
  const double begun = Seconds();
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  report->load_s = Seconds() - begun;
  const int runs = writers.processes * writers.runs_each;
  if (graph.runs.size() != static_cast<size_t>(runs)) {
    report->faults.push_back("the store has " + std::to_string(graph.runs.size()) + " runs of " +
                             std::to_string(runs));
  }
  for (int run = 0; run < runs; ++run) Compare(*store, graph, run, shared.Of(run), report);
  if (graph.states.size() != report->states) {
    report->faults.push_back("the store has " + std::to_string(graph.states.size()) + " states, " +
                             std::to_string(report->states) + " were acknowledged");
  }
  STEMMA_ASSIGN_OR_RETURN(const lineage::FsckReport fsck, lineage::Fsck(*store, {true}));
  report->faults.insert(report->faults.end(), fsck.errors.begin(), fsck.errors.end());
  return {};
}

}  // namespace

Result<ManyWritersReport> WriteAtOnce(const std::string& path, const ManyWriters& writers) {
  STEMMA_RETURN_IF_ERROR(lineage::Store::Open(path, true, lineage::PosixStorage()).status());
  const int runs = writers.processes * writers.runs_each;
  STEMMA_ASSIGN_OR_RETURN(const auto shared, Shared::Make(runs, writers.states));
  ManyWritersReport report;
  const double begun = Seconds();
  std::vector<pid_t> children;
  for (int process = 0; process < writers.processes; ++process) {
    const pid_t child = fork();
    if (child == 0) Process(path, process * writers.runs_each, writers, *shared);
    if (child > 0) {
      children.push_back(child);
      continue;
    }
    for (const pid_t started : children) kill(started, SIGKILL);  // they would wait for ever
    return Status(Code::kIo, "fork: no " + std::to_string(writers.processes) + " processes");
  }
  for (size_t ended = 0; ended < children.size(); ++ended) {
    int status = 0;
    if (waitpid(-1, &status, 0) > 0 && status == 0) continue;
    report.faults.push_back("a process of writers did not end in order");
    for (const pid_t child : children) kill(child, SIGKILL);  // the others wait for it
  }
  report.write_s = Seconds() - begun;
  STEMMA_RETURN_IF_ERROR(Examine(path, writers, *shared, &report));
  return report;
}

}  // namespace stemma::bench
