#include "comm/flight_recorder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>

#include "comm/node_board.h"
#include "comm/process_life.h"
#include "comm/recorded_communicator.h"
#include "comm/thread_communicator.h"
#include "comm/thread_group.h"
#include "comm/watchdog.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {

std::unique_ptr<Communicator> Alone() {
  auto group = std::make_shared<ThreadGroup>(1, std::chrono::milliseconds(1000));
  return std::make_unique<ThreadCommunicator>(MakeThreadCalls(std::move(group)), 0);
}

TEST_CASE("a deadline begins where the longest open section is to end", "[flight]") {
  const std::chrono::milliseconds deadline(150000);
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  CHECK(Section::Lengthen(deadline) == deadline);
  {
    const Section outer(recorder, "a restore", 36000);
    CHECK(Section::Lengthen(deadline) > deadline + std::chrono::hours(5));
    {
      const Section inner(recorder, "a second look", 1);
      CHECK(Section::Lengthen(deadline) > deadline + std::chrono::hours(5));
    }
    CHECK(Section::Lengthen(deadline) > deadline + std::chrono::hours(5));
    std::chrono::milliseconds elsewhere{0};  // another rank, where ranks are threads
    std::thread([&] { elsewhere = Section::Lengthen(deadline); }).join();
    CHECK(elsewhere == deadline);
  }
  CHECK(Section::Lengthen(deadline) == deadline);
  const Section over(recorder, "a moment", 0);
  CHECK(Section::Lengthen(deadline) == deadline);
}

TEST_CASE("what a rank does can be read back", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(3);
  recorder.FinishedStep(41);
  recorder.Enter(Phase::kBackward);
  const uint64_t first = recorder.Enqueued(CallKind::kAllReduce, 4096, "bucket 0 (a .. b)");
  const uint64_t second = recorder.Enqueued(CallKind::kBroadcast, 8, std::string(200, 'x'));
  recorder.Finished(first, true);
  HostRecord host = recorder.host();
  CHECK(host.rank == 3);
  CHECK(host.pid == getpid());
  CHECK(host.phase == Phase::kBackward);
  CHECK(host.finished_step == 41);
  CHECK(host.last_call == 2);
  CHECK(host.finished_calls == 1);
  const auto calls = FlightRecorder::ReadCalls(board->mine());
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].what == "bucket 0 (a .. b)");
  CHECK(calls[0].step == 42);
  CHECK(calls[0].bytes == 4096);
  CHECK(calls[0].done_ns >= calls[0].enqueued_ns);
  CHECK(calls[1].what == std::string(FlightRecorder::kWhatMax, 'x'));
  CHECK(recorder.pending().sequence == second);
  recorder.Finished(second, false);
  CHECK(recorder.pending().sequence == 0);
  CHECK(FlightRecorder::ReadCalls(board->mine(), 1).at(0).failed);
  const auto phases = FlightRecorder::ReadPhases(board->mine());
  REQUIRE(phases.size() == 1);
  CHECK(phases[0].phase == Phase::kBackward);
  CHECK(phases[0].step == 42);
}

TEST_CASE("the ring keeps the newest calls", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  for (int i = 0; i < FlightRecorder::kCalls + 100; ++i) {
    recorder.Finished(recorder.Enqueued(CallKind::kBarrier, 0, ""), true);
  }
  const auto calls = FlightRecorder::ReadCalls(board->mine());
  REQUIRE(calls.size() == FlightRecorder::kCalls);
  CHECK(calls.front().sequence == 101);
  CHECK(calls.back().sequence == FlightRecorder::kCalls + 100);
}

TEST_CASE("a reader never sees half an entry", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (uint64_t i = 1; !over; ++i) {
      recorder.Finished(recorder.Enqueued(CallKind::kAllReduce, i, std::to_string(i)), true);
    }
  });
  size_t read = 0;
  for (int round = 0; round < 20 || read < 1000; ++round) {
    for (const CallRecord& call : FlightRecorder::ReadCalls(board->mine())) {
      ++read;
      if (call.bytes != call.sequence || call.what != std::to_string(call.sequence)) {
        FAIL_CHECK("call " << call.sequence << " holds " << call.bytes << " and " << call.what);
      }
    }
  }
  over = true;
  writer.join();
}

TEST_CASE("a communicator's calls are recorded, with the same results", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  RecordedCommunicator data(Alone(), recorder);
  float value = 2;
  CallOptions options;
  options.what = "bucket 0";
  options.scale = 0.5;
  auto work = data.AllReduce({&value, 1, DType::kF32}, options);
  REQUIRE(work.ok());
  CHECK(recorder.pending().what == "bucket 0");
  CHECK(work->Wait().ok());
  CHECK(value == 1);
  CHECK(recorder.pending().sequence == 0);
  CHECK_FALSE(data.Broadcast({&value, 1, DType::kF32}, 7, {}).ok());
  const auto calls = FlightRecorder::ReadCalls(board->mine());
  REQUIRE(calls.size() == 2);
  CHECK(calls[1].failed);
  CHECK(calls[1].done_ns != 0);
  CHECK(data.AllReduce({nullptr, 0, DType::kF32}, {}).ok());
  CHECK(recorder.host().finished_calls == 3);  // nothing to wait for
}

TEST_CASE("calls of a group are no part of the sequence, but something moves", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  RecordedCommunicator group(Alone(), recorder, RecordedCommunicator::Ranks::kGroup);
  float value = 2;
  CallOptions options;
  options.what = "the split head";
  uint64_t pulse = recorder.host().pulse;
  auto work = group.AllReduce({&value, 1, DType::kF32}, options);
  REQUIRE(work.ok());
  CHECK(recorder.host().pulse > pulse);
  pulse = recorder.host().pulse;
  CHECK(work->Wait().ok());
  CHECK(recorder.host().pulse > pulse);
  CHECK(recorder.host().last_call == 0);
  CHECK(recorder.host().group_since_ns == 0);
}

TEST_CASE("the record says which call of a group the host waits in", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  auto pair = std::make_shared<ThreadGroup>(2, std::chrono::milliseconds(60000));
  const auto calls = MakeThreadCalls(pair);
  RecordedCommunicator group(std::make_unique<ThreadCommunicator>(calls, 0), recorder,
                             RecordedCommunicator::Ranks::kGroup);
  std::thread waits([&] {
    CallOptions options;
    options.what = "the split head";
    auto work = group.Barrier(options);
    if (work.ok()) work->Wait().ok();
  });
  while (recorder.host().pulse < 3) std::this_thread::yield();  // begun, made, waits
  CHECK(recorder.host().group_call == "barrier of a group of 2, the split head");
  CHECK(recorder.host().group_since_ns != 0);
  ThreadCommunicator other(calls, 1);
  auto work = other.Barrier({});
  REQUIRE(work.ok());
  CHECK(work->Wait().ok());
  waits.join();
  CHECK(recorder.host().group_since_ns == 0);
}

TEST_CASE("the end of a call that the ring has forgotten changes no other", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  const uint64_t first = recorder.Enqueued(CallKind::kBarrier, 0, "old");
  for (int i = 0; i < FlightRecorder::kCalls; ++i) recorder.Enqueued(CallKind::kBarrier, 0, "new");
  recorder.Finished(first, false);
  const auto calls = FlightRecorder::ReadCalls(board->mine());
  CHECK(calls.back().done_ns == 0);
  CHECK_FALSE(calls.back().failed);
}

// No limit on the time: machines differ. The figure is printed for people.
TEST_CASE("what recording costs", "[flight]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  constexpr int kTimes = 200000;
  const int64_t begin = SteadyNanoseconds();
  for (int i = 0; i < kTimes; ++i) {
    recorder.Finished(recorder.Enqueued(CallKind::kAllReduce, 4, "bucket 4 (layer1 .. layer2)"),
                      true);
  }
  const double spent = static_cast<double>(SteadyNanoseconds() - begin);
  std::printf("recording costs %.0f ns per call\n", spent / kTimes);
  CHECK(recorder.host().finished_calls == kTimes);
}

TEST_CASE("a peer's entries outlive it", "[board]") {
  BoardPlace place;
  place.job = "flight_recorder_test " + std::to_string(getpid());
  place.ranks = place.slots = 2;
  place.exact = true;
  const pid_t child = fork();
  if (child == 0) {
    place.slot = place.rank = 1;
    const auto board = NodeBoard::Join(place);
    FlightRecorder recorder(board->mine());
    recorder.Arrive(1);
    recorder.Enter(Phase::kData);
    kill(getpid(), SIGKILL);
  }
  const auto board = NodeBoard::Join(place);
  REQUIRE(board->shared());
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  int status = 0;
  while (LookAt(child).alive) std::this_thread::yield();  // until it is a zombie
  const HostRecord host = FlightRecorder::ReadHost(board->slot(1));
  CHECK(host.presence == Presence::kHere);
  CHECK(host.pid == child);
  CHECK(host.phase == Phase::kData);
  waitpid(child, &status, 0);
  CHECK_FALSE(LookAt(child).alive);
  CHECK(board->ClaimCause());
  CHECK_FALSE(board->ClaimCause());
}

TEST_CASE("a look that fails for want of descriptors calls nobody dead", "[board]") {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none = {0, 0};
    const bool limited = setrlimit(RLIMIT_NOFILE, &none) == 0;
    const ProcessLife life = LookAt(getppid());
    _exit(limited && life.alive && life.start == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(LookAt(child).alive);  // it has ended, and this can be seen
}

BoardPlace TwoOf(const std::string& job) {
  BoardPlace place;
  place.job = job + " " + std::to_string(getpid());
  place.ranks = place.slots = 2;
  place.exact = true;
  return place;
}

// A watchdog that spins takes what the machine gives it; one that sleeps next to nothing.
TEST_CASE("a peer that left in good order leaves the watchdog asleep", "[board]") {
  BoardPlace place = TwoOf("asleep");
  int go[2];
  REQUIRE(pipe(go) == 0);
  const pid_t child = fork();
  if (child == 0) {
    place.slot = place.rank = 1;
    const auto board = NodeBoard::Join(place);
    FlightRecorder recorder(board->mine());
    recorder.Arrive(1);
    char byte = 0;
    const bool told = read(go[0], &byte, 1) == 1;
    recorder.Leave();
    _exit(told ? 0 : 1);
  }
  const auto board = NodeBoard::Join(place);
  FlightRecorder(board->mine()).Arrive(0);
  while (FlightRecorder::ReadHost(board->slot(1)).presence == Presence::kAbsent) {
    std::this_thread::yield();
  }
  WatchdogOptions options;
  options.warn_s = 0.08;  // it looks every 20 ms
  options.end_job = [](int) { std::abort(); };
  const Watchdog watchdog(*board, options);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it knows the peer
  REQUIRE(write(go[1], "x", 1) == 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 0.1);
  CHECK_FALSE(watchdog.PeerGone());
  close(go[0]);
  close(go[1]);
}

TEST_CASE("what is read of a rank that has not come is reserved", "[board]") {
  const auto board = NodeBoard::Join(TwoOf("reserved"));
  REQUIRE(board->shared());
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line) && line.find("/dev/shm/stemma-") == std::string::npos) continue;
  struct stat info {};
  REQUIRE(stat(line.substr(line.find("/dev/shm/")).c_str(), &info) == 0);
  CHECK(info.st_blocks * 512 >= 4096 + FlightRecorder::kBytes + 4096);  // header, own, the other's
}

TEST_CASE("a board of its own still knows that there are others", "[board]") {
  BoardPlace place = TwoOf("");
  place.job.clear();
  const auto board = NodeBoard::Join(place);
  CHECK_FALSE(board->shared());
  CHECK(board->ranks() == 2);
  CHECK_FALSE(board->slots_are_ranks());
}

TEST_CASE("who has not come is named", "[board]") {
  BoardPlace place;
  place.job = "arrivals " + std::to_string(getpid());
  place.ranks = place.slots = 3;
  place.exact = true;
  const auto board = NodeBoard::Join(place);
  FlightRecorder(board->mine()).Arrive(0);
  FlightRecorder(board->slot(2)).Arrive(2);
  CHECK(board->Arrivals() == "arrived on this host: ranks {0,2}, 1 of 3 are missing: ranks {1}");
}

TEST_CASE("a world of one needs no file, and a job has one name on all ranks", "[board]") {
  const auto nothing = [](const char*) { return std::optional<std::string>(); };
  CHECK(PlaceOf(nothing).job.empty());
  CHECK_FALSE(NodeBoard::Join(PlaceOf(nothing))->shared());
  const auto mpirun = [](const char* name) -> std::optional<std::string> {
    const std::string key = name;
    if (key == "OMPI_COMM_WORLD_RANK") return "5";
    if (key == "OMPI_COMM_WORLD_SIZE") return "8";
    if (key == "OMPI_COMM_WORLD_LOCAL_RANK") return "1";
    if (key == "OMPI_COMM_WORLD_LOCAL_SIZE") return "4";
    if (key == "PMIX_NAMESPACE") return "77";
    if (key == "SLURM_RESTART_COUNT") return "2";  // the same job, once more
    return std::nullopt;
  };
  const BoardPlace place = PlaceOf(mpirun);
  CHECK(place.rank == 5);
  CHECK(place.ranks == 8);
  CHECK(place.slot == 1);
  CHECK(place.slots == 4);
  CHECK(place.exact);
  CHECK(place.job == "77|2|");
}

// Of the clock that all processes of a host share, whichever way it was found.
TEST_CASE("time stamps are the steady clock's", "[clock]") {
  const auto clock = [] {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
  };
  constexpr int64_t kAsked = 200000000, kNear = 20000;
  int64_t worst = 0;
  for (int64_t begin = clock(), before = begin; before < begin + kAsked;) {
    before = clock();
    const int64_t stamp = SteadyNanoseconds();
    const int64_t after = clock();
    worst = std::max({worst, before - stamp, stamp - after});
  }
  INFO("off by " << worst << " ns");
  CHECK(worst < kNear);
}

}  // namespace
}  // namespace stemma::comm
