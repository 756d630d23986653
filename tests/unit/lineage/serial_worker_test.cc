#include <sched.h>

#include <future>

#include "lineage/serial_worker.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

TEST_CASE("a worker that wakes up waits for its turn in place of taking a training's core") {
  std::promise<int> policy;
  SerialWorker worker;
  worker.Post([&] { policy.set_value(sched_getscheduler(0)); });
  CHECK(policy.get_future().get() == SCHED_BATCH);
}

}  // namespace
}  // namespace stemma::lineage
