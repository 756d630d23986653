#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "comm/deadline_watch.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {
using std::chrono::milliseconds;
using tests::HasCode;
using tests::IsOk;

// A stream as the watch sees it, without a GPU.
struct Stream {
  std::atomic<bool> begun{false}, ended{false};
  DeadlineWatch::Operation Operation(const std::string& what, milliseconds limit) {
    return {what, limit, [this]() -> Result<bool> { return begun.load(); },
            [this]() -> Result<bool> { return ended.load(); }};
  }
};

// Waits until `condition` holds, for as long as a test may last.
template <typename Condition>
bool Soon(Condition condition) {
  for (int k = 0; k < 10000 && !condition(); ++k) std::this_thread::sleep_for(milliseconds(1));
  return condition();
}

struct Failure {
  Mutex mutex;
  Status first STEMMA_GUARDED_BY(mutex);
  std::atomic<int> times{0};
  void Set(const Status& cause) {
    MutexLock lock(mutex);
    first = cause;
    ++times;
  }
  Status Get() {
    MutexLock lock(mutex);
    return first;
  }
};

TEST_CASE("what ends in time is forgotten", "[watch]") {
  Failure failure;
  bool set_up = false;
  Stream stream;
  DeadlineWatch watch([&] { set_up = true; }, [] { return Status(); },
                      [&](const Status& cause) { failure.Set(cause); });
  stream.begun = true;
  watch.Add(stream.Operation("first", milliseconds(60000)));
  watch.Add(stream.Operation("second", milliseconds(60000)));
  std::thread other([&] { stream.ended = true; });
  CHECK_THAT(watch.Drain(), IsOk());
  other.join();
  CHECK(set_up);
  CHECK(failure.times == 0);
}

TEST_CASE("an operation that does not end fails by name, once", "[watch]") {
  Failure failure;
  Stream stream;
  DeadlineWatch watch([] {}, [] { return Status(); },
                      [&](const Status& cause) { failure.Set(cause); });
  stream.begun = true;
  watch.Add(stream.Operation("all_reduce \"bucket 4\" f32[8] sum", milliseconds(5)));
  watch.Add(stream.Operation("bucket 5", milliseconds(5)));
  CHECK_THAT(watch.Drain(), HasCode(Code::kTimeout,
                                    "all_reduce \"bucket 4\" f32[8] sum: not done "
                                    "after 5 ms"));
  CHECK_THAT(failure.Get(), HasCode(Code::kTimeout, "bucket 4"));
  CHECK(failure.times == 1);
}

TEST_CASE("time runs only when the input is ready", "[watch]") {
  Failure failure;
  Stream stream;
  std::atomic<int> looks{0};
  DeadlineWatch watch([] {}, [&] { return ++looks, Status(); },
                      [&](const Status& cause) { failure.Set(cause); });
  watch.Add(stream.Operation("late", milliseconds(1)));
  const int before = looks;
  CHECK(Soon([&] { return looks > before + 5; }));  // many times its limit
  CHECK(failure.times == 0);
  stream.begun = true;
  CHECK(Soon([&] { return failure.times == 1; }));
}

TEST_CASE("an error of the library ends the watch with it", "[watch]") {
  Failure failure;
  Stream stream;
  DeadlineWatch watch([] {}, [] { return Status(Code::kPeerLost, "ncclRemoteError"); },
                      [&](const Status& cause) { failure.Set(cause); });
  watch.Add(stream.Operation("bucket 4", milliseconds(60000)));
  CHECK_THAT(watch.Drain(), HasCode(Code::kPeerLost, "ncclRemoteError"));
  CHECK_THAT(failure.Get(), HasCode(Code::kPeerLost, "ncclRemoteError"));
}

TEST_CASE("a watch that ends leaves what is under way alone", "[watch]") {
  Failure failure;
  Stream stream;
  {
    DeadlineWatch watch([] {}, [] { return Status(); },
                        [&](const Status& cause) { failure.Set(cause); });
    watch.Add(stream.Operation("bucket 4", milliseconds(60000)));
  }
  CHECK(failure.times == 0);
}

}  // namespace
}  // namespace stemma::comm
