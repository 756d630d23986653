// The parts of `stemma bench` that need no engine: flags, statistics, one collective call.
#include <functional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "tools/bench/collective.h"
#include "tools/bench/options.h"
#include "tools/bench/statistics.h"

#include <catch2/catch.hpp>

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::bench {
namespace {

using tests::HasCode;
using tests::IsOk;

Status Settled(const std::function<void(TrainFlags*)>& change) {
  TrainFlags flags;
  change(&flags);
  models::RunSettings settings;
  return ReadSettings(flags, &settings);
}

TEST_CASE("bench: sizes are read with their units, and refused by name") {
  const auto sizes = ParseSizes("4,64B,1KiB,2.5MiB,256M");
  REQUIRE_THAT(sizes.status(), IsOk());
  CHECK(*sizes == std::vector<int64_t>{4, 64, 1024, 2621440, 268435456});
  for (const char* word : {"5", "0", "-4", "4KB", "many", "1e12"}) {
    CHECK_THAT(ParseSizes("4," + std::string(word)).status(),
               HasCode(Code::kInvalidArgument, "\"" + std::string(word) + "\""));
  }
}

TEST_CASE("bench train: flags that cannot be meant are refused with a way out") {
  CHECK_THAT(Settled([](TrainFlags*) {}), IsOk());
  CHECK_THAT(Settled([](TrainFlags* f) { f->use_adasum = true; }),
             HasCode(Code::kInvalidArgument, "Adasum is not offered"));
  CHECK_THAT(Settled([](TrainFlags* f) { f->only = true; }),
             HasCode(Code::kInvalidArgument, "--no-comm or --bare"));
  CHECK_THAT(Settled([](TrainFlags* f) { f->iters = 0; }),
             HasCode(Code::kInvalidArgument, "1 at least"));
  CHECK_THAT(Settled([](TrainFlags* f) { f->set = {"optim.lr=1"}; }),
             HasCode(Code::kInvalidArgument, "comm, ops and device only"));
  CHECK_THAT(Settled([](TrainFlags* f) { f->set = {"ops.bucket_md=1"}; }),
             HasCode(Code::kInvalidArgument, "ops.bucket_mb"));
  CHECK_THAT(Settled([](TrainFlags* f) {
               f->set = {"device.kind=cuda"};
               f->no_cuda = true;
             }),
             HasCode(Code::kInvalidArgument, "contradicts"));
}

TEST_CASE("bench train: Horovod's flags and defaults") {
  TrainFlags values;
  cli::Flags flags = TrainFlagList(&values);
  REQUIRE_THAT(flags.Parse({"--model", "vgg16", "--batch-size", "64", "--num-warmup-batches", "1",
                            "--num-batches-per-iter", "2", "--num-iters", "3", "--no-cuda"}),
               IsOk());
  CHECK(values.model == "vgg16");
  CHECK(values.batch_size == 64);
  CHECK(values.warmup_batches == 1);
  CHECK(values.batches_per_iter == 2);
  CHECK(values.iters == 3);
  const TrainFlags defaults;
  CHECK(defaults.model == "resnet50");
  CHECK(defaults.batch_size == 32);
  CHECK(defaults.warmup_batches == 10);
  CHECK(defaults.batches_per_iter == 10);
  CHECK(defaults.iters == 10);
}

TEST_CASE("bench: quantiles, deviation of the population") {
  CHECK(Median({}) == 0);
  CHECK(Median({3, 1, 2}) == 2);
  CHECK(Median({4, 1, 2, 3}) == 2.5);
  CHECK(Quantile({0, 10}, 0.95) == Approx(9.5));
  CHECK(Quantile({5, 1, 9}, 0) == 1);
  CHECK(Mean({1, 2, 6}) == 3);
  CHECK(Deviation({1, 3}) == 1);
  CHECK(ProcBytes("status", "VmHWM") > 1000000);
  CHECK(ProcBytes("status", "VmNothing") == 0);
}

// What each rank has after a call is checked by the call itself; here: that it can fail.
TEST_CASE("bench comm: every call runs, is checked, and a wrong result is found") {
  for (const int ranks : {1, 2, 3}) {
    const auto worlds = comm::World::Threads(ranks);
    const auto results = tests::SpawnRanks(ranks, [&](int rank) -> Status {
      comm::Communicator& c = worlds[static_cast<size_t>(rank)]->data();
      for (const std::string& name : CollectiveNames()) {
        for (const int64_t bytes : {4, 4096, 100000}) {
          STEMMA_ASSIGN_OR_RETURN(auto call, MakeCollective(name, c, bytes));
          call->Rewrite(7);
          STEMMA_RETURN_IF_ERROR(call->Run());
          STEMMA_RETURN_IF_ERROR(call->Check(7));
          call->Rewrite(8);
          if (name != "barrier" && rank > 0 && call->Check(8).ok()) {
            return {Code::kInternal, name + ": a result that nobody made passes"};
          }
        }
      }
      return {};
    });
    for (const Status& status : results) CHECK_THAT(status, IsOk());
  }
  const auto alone = comm::World::Threads(1);
  CHECK_THAT(MakeCollective("allreduce", alone[0]->data(), 4).status(),
             HasCode(Code::kInvalidArgument, "did you mean all_reduce?"));
}

}  // namespace
}  // namespace stemma::bench
