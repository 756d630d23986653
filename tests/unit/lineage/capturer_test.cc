#include <future>
#include <string>
#include <thread>
#include <vector>

#include "lineage/audit.h"
#include "lineage/fsck.h"
#include "lineage/faulty_storage.h"
#include "lineage/memory_storage.h"
#include "lineage/reader/state_reader.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

std::unique_ptr<Store> OpenStore(Storage& storage) {
  Result<std::unique_ptr<Store>> store = Store::Open("/store", true, storage);
  REQUIRE_THAT(store.status(), IsOk());
  return *std::move(store);
}

LineageSettings Settings() {
  LineageSettings settings;
  settings.writer_bytes_min = 1024;  // so that a toy has as many writers as ranks
  settings.verify_fence = true;
  return settings;
}

void CheckAllOk(const std::vector<Status>& statuses) {
  for (const Status& status : statuses) CHECK_THAT(status, IsOk());
}

using Body = std::function<Status(ToyRank&)>;

std::vector<Status> RunJob(Store& store, int ranks, bool per_rank, const LineageSettings& settings,
                           const std::string& name, bool resume, const Body& body) {
  CohortRoom room(ranks);
  return SpawnRanks(ranks, [&](int rank) {
    ThreadCohort cohort(room, rank);
    ToySpans state(ToySpans::SmallModel(per_rank), rank);
    ToyRank toy{store, cohort, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin(name, resume, settings));
    return body(toy);
  });
}

Status CaptureSteps(ToyRank& toy, const std::vector<int64_t>& steps) {
  std::optional<StateId> parent;
  for (const int64_t step : steps) {
    STEMMA_ASSIGN_OR_RETURN(const std::optional<Durable> durable, toy.CaptureStep(step, parent));
    if (!durable) return {Code::kInternal, "not durable"};
    parent = durable->id;
  }
  return {};
}

void CheckEveryState(Store& store, bool per_rank, int ranks) {
  Result<Graph> graph = store.Load();
  REQUIRE_THAT(graph.status(), IsOk());
  CHECK(graph->warnings.empty());
  CohortRoom room(ranks);
  CheckAllOk(SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    for (const auto& [id, record] : graph->states) {
      STEMMA_RETURN_IF_ERROR(
          tests::CheckRestores(store, record, ToySpans::SmallModel(per_rank), cohort));
    }
    return {};
  }));
}

TEST_CASE("what was captured comes back bit for bit, written by any and read by any ranks") {
  for (const int writers : {1, 2, 3}) {
    MemoryStorage disk;
    const std::unique_ptr<Store> store = OpenStore(disk);
    CheckAllOk(RunJob(*store, writers, false, Settings(), "base", false, [](ToyRank& toy) {
      return CaptureSteps(toy, {10, 20, 30, 40});
    }));
    for (const int readers : {1, 2, 3}) CheckEveryState(*store, false, readers);
    Result<FsckReport> report = Fsck(*store, {true});
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->errors == std::vector<std::string>{});
    CHECK(report->states == 4);
    CHECK(report->orphans == 0);
  }
}

TEST_CASE("per-rank bytes are stored for every rank and each gets its own back") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  LineageSettings settings = Settings();
  settings.writer_bytes_min = 1 << 30;  // alone this would mean one writer
  CheckAllOk(RunJob(*store, 3, true, settings, "base", false, [](ToyRank& toy) {
    return CaptureSteps(toy, {10, 20});
  }));
  CheckEveryState(*store, true, 3);

  Result<Graph> graph = store->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  const Record& record = graph->states.begin()->second;
  CHECK(record.packs.size() == 3);
  CHECK(record.audit == "ok");
  ToySpans third(ToySpans::SmallModel(true), 2);
  third.Fill(record.step);
  Result<std::string> noise = ReadSpan(*store, record, "noise", 2);
  REQUIRE_THAT(noise.status(), IsOk());
  CHECK(*noise == third.bytes.back());
}

TEST_CASE("small states have one writer, and it rotates") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  LineageSettings settings = Settings();
  settings.writer_bytes_min = 1 << 30;
  std::vector<uint64_t> written(2);
  CheckAllOk(RunJob(*store, 2, false, settings, "base", false, [&](ToyRank& toy) -> Status {
    STEMMA_RETURN_IF_ERROR(CaptureSteps(toy, {1, 2, 3, 4}));
    written[static_cast<size_t>(toy.cohort.rank())] = toy.capturer->stats().bytes_written;
    return {};
  }));
  CHECK(written[0] > 0);
  CHECK(written[0] == written[1]);
  CheckEveryState(*store, false, 2);
}

TEST_CASE("a replica that diverged is found, named, and its state never becomes the head") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const auto statuses =
      RunJob(*store, 3, false, Settings(), "base", false, [](ToyRank& toy) -> Status {
        toy.state.Fill(10);
        if (toy.cohort.rank() == 1) toy.state.bytes[0][77] ^= 1;
        CaptureRequest request;
        request.record.step = 10;
        STEMMA_RETURN_IF_ERROR(toy.capturer->Capture(request));
        return toy.capturer->Finish(toy.cohort).status();
      });
  for (const Status& status : statuses) {
    CHECK_THAT(status, HasCode(Code::kCorruption, "rank 1 differs from ranks 0, 2"));
  }
  Result<Graph> graph = store->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  REQUIRE(graph->states.size() == 1);
  CHECK(graph->states.begin()->second.audit == "suspect: rank 1 differs from ranks 0, 2");
  CHECK(!graph->runs.at("base").head);
  CHECK_THAT(ResumePoint(*store, *graph, "base", nullptr).status(), HasCode(Code::kNotFound));
}

TEST_CASE("the rotating sample finds one flipped bit within its period, wherever it lies") {
  const std::vector<Span> spans = {
      ToySpans::MakeSpan("w", "params", DType::kU8, {40 * int64_t{kAuditTileBytes} + 3})};
  ToySpans a(spans, 0), b(spans, 1);
  b.bytes[0][37 * kAuditTileBytes + 5] ^= 8;
  int found = 0;
  for (uint64_t capture = 2; capture < 2 + kAuditEvery; ++capture) {
    ReplicaSample of_a(spans, capture, kAuditEvery, 7), of_b(spans, capture, kAuditEvery, 7);
    REQUIRE_THAT(of_a.Hash(a, false), IsOk());
    REQUIRE_THAT(of_b.Hash(b, false), IsOk());
    found += of_a.Digest() != of_b.Digest();
  }
  CHECK(found == 1);
}

TEST_CASE("bytes that change before the fence are noticed and named on all ranks") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const auto statuses =
      RunJob(*store, 2, false, Settings(), "base", false, [](ToyRank& toy) -> Status {
        toy.state.Fill(10);
        CaptureRequest request;
        STEMMA_RETURN_IF_ERROR(toy.capturer->Capture(request));
        while (!toy.capturer->Poll().written) std::this_thread::yield();
        if (toy.cohort.rank() == 1)
          toy.state.bytes[3].front() ^= 1;  // of m/w1, which rank 1 begins
        STEMMA_RETURN_IF_ERROR(toy.capturer->WaitCopied());
        return toy.capturer->Finish(toy.cohort).status();
      });
  int named = 0;
  for (const Status& status : statuses) {
    CHECK(!status.ok());
    named += status.message().find("'m/w1' changed") != std::string::npos;
  }
  CHECK(named == 2);
  CHECK(store->Load()->states.empty());
}

TEST_CASE("a disk that fails on one rank drops the capture on all; policy decides what then") {
  struct Case {
    const char* on_failure;
    int64_t missed_max;
    bool full, goes_on;
  };
  for (const Case& one : {Case{"stop", 3, true, true}, Case{"continue", 3, true, true},
                          Case{"stop", 1, true, false}, Case{"stop", 3, false, false}}) {
    INFO(one.on_failure << ", at most " << one.missed_max << ", full " << one.full);
    MemoryStorage disk;
    FaultyStorage faulty(disk);
    const std::unique_ptr<Store> store = OpenStore(faulty);
    LineageSettings settings = Settings();
    settings.on_failure = one.on_failure;
    settings.missed_captures_max = one.missed_max;
    const auto spoil = [&] {
      if (one.full) return disk.LimitBytes(0);
      faulty.FailAt(1, Fault::kDieBefore);
    };
    const auto statuses =
        RunJob(*store, 2, false, settings, "base", false, [&](ToyRank& toy) -> Status {
          STEMMA_RETURN_IF_ERROR(CaptureSteps(toy, {10}));
          STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
          if (toy.cohort.rank() == 0) spoil();
          STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
          STEMMA_ASSIGN_OR_RETURN(const auto lost, toy.CaptureStep(20, std::nullopt));
          if (lost) return {Code::kInternal, "durable on a full disk"};
          if (!IsNoSpace(toy.capturer->last_failure())) return {Code::kInternal, "not told"};
          if (toy.cohort.rank() == 0) disk.LimitBytes(~uint64_t{0});
          STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
          return CaptureSteps(toy, {30});
        });
    for (const Status& status : statuses) {
      if (one.goes_on) CHECK_THAT(status, IsOk());
      if (!one.goes_on) CHECK_THAT(status, HasCode(Code::kIo, "capture 2 at step 20"));
    }
    const std::unique_ptr<Store> after = OpenStore(disk);
    CHECK(after->Load()->states.size() == (one.goes_on ? 2 : 1));
    if (one.full) CHECK(Fsck(*after, {true})->orphans == 0);  // it gets its room back
    CheckEveryState(*after, false, 2);
  }
}

TEST_CASE("failures in a row end the job once they are too many") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  LineageSettings settings = Settings();
  settings.on_failure = "continue";
  settings.missed_captures_max = 2;
  const auto statuses =
      RunJob(*store, 2, false, settings, "base", false, [&](ToyRank& toy) -> Status {
        if (toy.cohort.rank() == 0) disk.LimitBytes(0);
        STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, {}));
        STEMMA_RETURN_IF_ERROR(toy.CaptureStep(1, std::nullopt).status());
        const Status second = toy.CaptureStep(2, std::nullopt).status();
        const Status third = toy.CaptureStep(3, std::nullopt).status();
        return third.message() == second.message() ? second : Status(Code::kInternal, "not sticky");
      });
  for (const Status& status : statuses) CHECK_THAT(status, HasCode(Code::kIo, "capture 2"));
}

TEST_CASE("several captures are in flight, and a verdict that is a step old harms nothing") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  LineageSettings settings = Settings();
  settings.depth = 2;
  settings.verify_fence = false;
  CheckAllOk(RunJob(*store, 2, true, settings, "base", false, [](ToyRank& toy) -> Status {
    std::vector<StateId> done;
    bool before = false;  // what the control word of the step before said
    for (int64_t step = 1; step <= 30; ++step) {
      toy.state.Fill(step);
      CaptureRequest request;
      request.record.step = step;
      STEMMA_RETURN_IF_ERROR(toy.capturer->Capture(request));
      STEMMA_RETURN_IF_ERROR(toy.capturer->WaitCopied());
      STEMMA_ASSIGN_OR_RETURN(const int now, toy.cohort.Min(toy.capturer->Poll().written));
      STEMMA_ASSIGN_OR_RETURN(const auto durable,
                              toy.capturer->Advance(before, false, true, toy.cohort));
      before = now != 0;
      if (durable) done.push_back(durable->id);
    }
    STEMMA_ASSIGN_OR_RETURN(const std::vector<Durable> rest, toy.capturer->Finish(toy.cohort));
    for (const Durable& durable : rest) done.push_back(durable.id);
    return done.size() == 30 ? Status() : Status(Code::kInternal, "states are missing");
  }));
  CheckEveryState(*store, true, 2);
}

// A log that takes its time.
class SlowLog final : public RunWriter {
 public:
  explicit SlowLog(RunWriter& log) : log_(log) {}
  void Go() { go_.set_value(); }

  Result<StateId> Append(Record record) override {
    gone_.wait();
    return log_.Append(std::move(record));
  }
  Result<StateId> AppendNaming(Record record, const StateId& of,
                               const std::vector<PackRef>& packs) override {
    gone_.wait();
    return log_.AppendNaming(std::move(record), of, packs);
  }
  const std::string& run() const override { return log_.run(); }
  const std::string& name() const override { return log_.name(); }
  uint32_t incarnation() const override { return log_.incarnation(); }
  std::string tmp_dir() const override { return log_.tmp_dir(); }
  Status CheckFence() override { return log_.CheckFence(); }
  Status Close() override { return log_.Close(); }

 private:
  RunWriter& log_;
  std::promise<void> go_;
  std::shared_future<void> gone_ = go_.get_future().share();
};

TEST_CASE("nobody waits for the log, and a state counts when its record is durable") {
  for (const bool fails : {false, true}) {
    MemoryStorage disk;
    const std::unique_ptr<Store> store = OpenStore(disk);
    const auto writer = *store->StartRun("base");
    SlowLog log(*writer);
    ToySpans state(ToySpans::SmallModel(false), 0);
    state.Fill(1);
    SoloCohort solo;
    const auto capturer =
        *Capturer::Create(Settings(), *store, &log, writer->tmp_dir(), state.spans, state, 0, 1);
    CaptureRequest request;
    request.record.step = 1;
    REQUIRE_THAT(capturer->Capture(request), IsOk());
    REQUIRE_THAT(capturer->WaitCopied(), IsOk());
    const auto until_written = [&] {
      while (!capturer->Poll().written) std::this_thread::yield();
    };
    until_written();
    for (int i = 0; i < 3; ++i) {  // the first begins it; to the others rank 0 says "not yet"
      const auto early = capturer->Advance(true, false, true, solo);
      REQUIRE_THAT(early.status(), IsOk());
      CHECK_FALSE(early->has_value());
      CHECK(capturer->InFlight());
      CHECK_FALSE(capturer->Poll().written);
      CHECK(store->Load()->states.empty());
    }
    if (fails) disk.LimitBytes(0);
    log.Go();
    until_written();
    const auto durable = capturer->Advance(true, false, true, solo);
    CHECK_FALSE(capturer->InFlight());
    if (fails) {
      CHECK(capturer->stats().failed == 1);
      CHECK_THAT(capturer->last_failure(), HasCode(Code::kIo, "capture 1 at step 1"));
      continue;
    }
    REQUIRE_THAT(durable.status(), IsOk());
    REQUIRE(durable->has_value());
    CHECK(store->Load()->states.count((*durable)->id) == 1);
  }
}

TEST_CASE("a fenced job cannot commit, and its state does not count") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  const auto statuses =
      RunJob(*store, 2, false, Settings(), "base", false, [&](ToyRank& toy) -> Status {
        STEMMA_RETURN_IF_ERROR(CaptureSteps(toy, {10}));
        Status next;
        if (toy.cohort.rank() == 0) next = store->NextIncarnation("base").status();
        STEMMA_RETURN_IF_ERROR(Agree(toy.cohort, next));
        return toy.CaptureStep(20, std::nullopt).status();
      });
  for (const Status& status : statuses) CHECK_THAT(status, HasCode(Code::kIncompatible, "fenced"));
  CHECK(store->Load()->states.size() == 1);
}

TEST_CASE("spans and settings that captures cannot serve are refused with the way out") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  Result<std::unique_ptr<RunWriter>> writer = store->StartRun("base");
  REQUIRE_THAT(writer.status(), IsOk());
  ToySpans state(ToySpans::SmallModel(false), 0);
  auto create = [&](const LineageSettings& settings, const std::vector<Span>& spans) {
    return Capturer::Create(settings, *store, writer->get(), (*writer)->tmp_dir(), spans, state, 0,
                            1)
        .status();
  };
  LineageSettings bad = Settings();
  bad.depth = 0;
  CHECK_THAT(create(bad, state.spans), HasCode(Code::kInvalidArgument, "depth"));
  bad = Settings();
  bad.on_failure = "panic";
  CHECK_THAT(create(bad, state.spans), HasCode(Code::kInvalidArgument, "stop or continue"));
  std::vector<Span> spans = state.spans;
  spans[0].held = {{0, 10}};
  CHECK_THAT(create(Settings(), spans), HasCode(Code::kInvalidArgument, "'w1' says which"));
  spans = state.spans;
  spans[0].name = "__stemma.w";
  CHECK_THAT(create(Settings(), spans), HasCode(Code::kInvalidArgument, "__stemma."));
}

}  // namespace
}  // namespace stemma::lineage
