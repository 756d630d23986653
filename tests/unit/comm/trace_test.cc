#include "comm/trace_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "comm/node_board.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {

std::string Scratch(const std::string& name) {
  const char* base = std::getenv("TEST_TMPDIR");
  return std::string(base == nullptr ? "." : base) + "/" + name;
}

nlohmann::json Read(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

std::vector<std::string> NamesOf(const nlohmann::json& events, const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& event : events) {
    if (event["ph"] == kind) names.push_back(event["name"]);
  }
  return names;
}

TEST_CASE("conformance_73 a trace is whole JSON after every write", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(2);
  recorder.FinishedStep(0);
  const std::string path = Scratch("trace.2.json");
  Trace trace(board->mine());
  recorder.Enter(Phase::kStart);
  trace.Start(path, Trace::Now(board->mine()));
  CHECK(Read(path).size() == 2);  // the names of process and thread
  recorder.Enter(Phase::kData);
  recorder.Enter(Phase::kBackward);
  const uint64_t call = recorder.Enqueued(CallKind::kAllReduce, 8, "bucket \"0\"");
  trace.Pump();
  CHECK(NamesOf(Read(path), "X") == std::vector<std::string>{"start", "data"});
  CHECK(NamesOf(Read(path), "b") == std::vector<std::string>{"bucket \"0\""});
  CHECK(NamesOf(Read(path), "e").empty());
  trace.Pump();
  recorder.Enter(Phase::kWait);
  recorder.Finished(call, true);
  trace.Pump();
  CHECK(NamesOf(Read(path), "X") == std::vector<std::string>{"start", "data", "backward"});
  CHECK(NamesOf(Read(path), "e") == std::vector<std::string>{"bucket \"0\""});
  trace.Stop();
  CHECK_FALSE(trace.on());
  recorder.Enter(Phase::kOptimizer);  // not traced
  recorder.Enter(Phase::kControl);
  trace.Start(path, Trace::Now(board->mine()));
  recorder.Enter(Phase::kData);
  trace.Stop();
  const auto events = Read(path);
  CHECK(NamesOf(events, "X") == std::vector<std::string>{"start", "data", "backward", "control"});
  double end = 0;
  for (const auto& event : events) {
    CHECK(event["pid"] == 2);
    if (event["ph"] != "X") continue;
    CHECK(event["ts"].get<double>() >= end - 0.002);  // spans of one track never overlap
    CHECK(event["args"]["step"] == 1);
    end = event["ts"].get<double>() + event["dur"].get<double>();
  }
}

TEST_CASE("what the ring has lost is said", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  const std::string path = Scratch("lost.json");
  Trace trace(board->mine());
  trace.Start(path, Trace::Now(board->mine()));
  for (int i = 0; i < FlightRecorder::kCalls + 10; ++i) {
    recorder.Finished(recorder.Enqueued(CallKind::kBarrier, 0, ""), true);
  }
  trace.Stop();
  const auto events = Read(path);
  CHECK(NamesOf(events, "i") == std::vector<std::string>{"10 calls were not recorded in time"});
  CHECK(NamesOf(events, "e").size() == FlightRecorder::kCalls);
}

TEST_CASE("a clock's offset moves every event", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  recorder.SetClockOffset(int64_t{5000000000});
  Trace trace(board->mine());
  const std::string path = Scratch("offset.json");
  trace.Start(path, Trace::Now(board->mine()));
  recorder.Enter(Phase::kData);
  const double begin = static_cast<double>(recorder.host().since_ns) / 1000;
  recorder.Enter(Phase::kForward);
  trace.Stop();
  for (const auto& event : Read(path)) {
    if (event["ph"] == "X") CHECK(event["ts"].get<double>() == Approx(begin + 5e6).epsilon(1e-9));
  }
}

template <typename Condition>
bool Becomes(Condition&& condition) {
  for (int i = 0; i < 3000 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

bool Whole(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::accept(file);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

TEST_CASE("a trace begins where it was wished for, and ends with its writer", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  recorder.Enter(Phase::kStart);
  recorder.Enter(Phase::kData);
  const std::string path = Scratch("begins/trace.0.json");
  {
    TraceWriter writer(board->mine());
    writer.Wish(true, path);
    recorder.Enter(Phase::kForward);
    recorder.Enter(Phase::kBackward);
  }
  CHECK(NamesOf(Read(path), "X") == std::vector<std::string>{"data", "forward"});
}

TEST_CASE("who wishes for a trace never waits for the disk", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  const std::string path = Scratch("stuck.json");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);  // opening it for writing waits for a reader
  TraceWriter writer(board->mine());
  writer.Wish(true, path);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  writer.Wish(false, {});  // hung here when the trace was begun by the caller
  const int reader = open(path.c_str(), O_RDONLY);
  CHECK(reader >= 0);
  close(reader);
}

TEST_CASE("a trace that could not be written is not tried again at each step", "[trace]") {
  const auto board = NodeBoard::Private(1);
  FlightRecorder recorder(board->mine());
  recorder.Arrive(0);
  const std::string path = Scratch("unwritable.json");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);  // can be opened, not written at a place
  TraceWriter writer(board->mine());
  writer.Wish(true, path);
  const int reader = open(path.c_str(), O_RDONLY);  // returns when the writer has opened it
  CHECK(reader >= 0);
  close(reader);
  REQUIRE(unlink(path.c_str()) == 0);
  writer.Wish(true, path);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK_FALSE(Exists(path));
  writer.Wish(false, {});
  writer.Wish(true, path);
  CHECK(Becomes([&] { return Exists(path) && Whole(path); }));
}

}  // namespace
}  // namespace stemma::comm
