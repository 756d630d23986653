#include <atomic>
#include <thread>
#include <vector>

#include "comm/progress_thread.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {
using tests::HasCode;
using tests::IsOk;

TEST_CASE("operations run in the order in which they were launched", "[progress]") {
  std::vector<int> order;
  std::vector<Work> works;
  {
    ProgressThread thread;
    for (int k = 0; k < 50; ++k) {
      works.push_back(*thread.Launch([&order, k](const std::atomic<bool>&) {
        order.push_back(k);
        return Status();
      }));
    }
    CHECK_THAT(works.back().Wait(), IsOk());
  }
  REQUIRE(order.size() == 50);
  for (int k = 0; k < 50; ++k) CHECK(order[k] == k);
  for (Work& work : works) CHECK_THAT(work.Wait(), IsOk());  // it outlives the thread
}

TEST_CASE("the first failure stays", "[progress]") {
  ProgressThread thread;
  std::atomic<bool> go{false};
  Work first = *thread.Launch([&](const std::atomic<bool>&) -> Status {
    while (!go) std::this_thread::yield();
    return {Code::kTimeout, "bucket 1"};
  });
  bool ran = false;
  Work second = *thread.Launch([&](const std::atomic<bool>&) {
    ran = true;
    return Status();
  });
  go = true;
  CHECK_THAT(second.Wait(), HasCode(Code::kTimeout, "bucket 1"));
  CHECK_THAT(first.Wait(), HasCode(Code::kTimeout, "bucket 1"));
  CHECK_FALSE(ran);
  CHECK_THAT(thread.Health(), HasCode(Code::kTimeout));
  CHECK_THAT(thread.Launch([](const std::atomic<bool>&) { return Status(); }).status(),
             HasCode(Code::kTimeout, "bucket 1"));
}

TEST_CASE("what is cancelled reports why", "[progress]") {
  ProgressThread thread;
  Work work = *thread.Launch([](const std::atomic<bool>& cancelled) -> Status {
    while (!cancelled) std::this_thread::yield();
    return {Code::kInternal, "stopped"};
  });
  CHECK_FALSE(work.Done());
  thread.Cancel({Code::kPeerLost, "rank 2 is gone"});
  thread.Cancel({Code::kPeerLost, "a later cause"});
  CHECK_THAT(work.Wait(), HasCode(Code::kPeerLost, "rank 2 is gone"));
  CHECK(work.Done());
}

TEST_CASE("work that is dropped or replaced is waited for", "[progress]") {
  ProgressThread thread;
  std::atomic<int> ended{0};
  const auto slow = [&](const std::atomic<bool>&) {
    std::this_thread::yield();
    ++ended;
    return Status();
  };
  {
    Work dropped = *thread.Launch(slow);
    dropped = *thread.Launch(slow);
    CHECK(ended >= 1);
  }
  CHECK(ended == 2);
  CHECK_THAT(Work().Wait(), IsOk());
}

}  // namespace
}  // namespace stemma::comm
