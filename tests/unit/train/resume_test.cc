// A training that begins before its state is all there: what each rank holds when, and what all of
// them say when a part cannot be read.
#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "comm/world.h"
#include "core/bytes.h"
#include "lineage/capturer.h"
#include "lineage/memory_storage.h"
#include "models/train/resume.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using tests::HasCode;
using tests::IsOk;

constexpr int64_t kLarge = 6 << 20;  // elements: more than two ranks spread at a time
constexpr size_t kW1 = 0, kW2 = 1;   // spans

// What one rank trains: two parameters, a slot of the second, a buffer, the small record.
struct Program {
  at::Tensor w1, w2, moment, mean;
  std::unique_ptr<Binding> binding;

  explicit Program(double scale) {
    w1 = (at::arange(1000, at::kFloat) * (scale / 3)).requires_grad_();
    w2 = (at::arange(kLarge, at::kFloat) * (scale / 7)).requires_grad_();
    moment = at::arange(kLarge, at::kFloat) * (scale / 11);
    mean = at::full({5}, scale / 13, at::kFloat);
    optim::NamedState slot;
    slot.slot = "optim/m";
    slot.parameter = "w2";
    slot.tensor = moment;
    binding = std::make_unique<Binding>(
        std::vector<ops::Parameter>{{"w1", ops::ParameterRole::kWeight, w1},
                                    {"w2", ops::ParameterRole::kWeight, w2}},
        std::vector<ops::Buffer>{{"mean", mean, true}}, std::vector<optim::NamedState>{slot});
    binding->SetSmall({static_cast<int64_t>(scale), {7, 0, 0}, ""});
  }
};

// A store with one state, of Program(5).
struct Stored {
  lineage::MemoryStorage disk;
  std::unique_ptr<lineage::Store> store;
  lineage::Record record;
  Program saved{5};

  Stored() {
    store = *lineage::Store::Open("/store", true, disk);
    auto writer = store->StartRun("base");
    SoloCohort solo;
    auto capturer = lineage::Capturer::Create({}, *store, writer->get(), (*writer)->tmp_dir(),
                                              saved.binding->spans(), *saved.binding, 0, 1);
    REQUIRE_THAT(capturer.status(), IsOk());
    REQUIRE_THAT((*capturer)->Capture({}), IsOk());
    REQUIRE_THAT((*capturer)->WaitCopied(), IsOk());
    REQUIRE_THAT((*capturer)->Finish(solo).status(), IsOk());
    record = store->Load()->states.begin()->second;
  }
  std::string pack() const { return store->PackPath(record.packs[0].pack); }
};

// Each rank begins with nothing but zeros; what `body` says, by rank.
std::vector<std::string> OnRanks(
    int ranks, Stored& stored, lineage::RestoreMode mode,
    const std::function<std::string(int rank, Program& program, Resume& resume)>& body) {
  const auto worlds = comm::World::Threads(ranks);
  std::vector<std::string> said(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      Program program(0);
      bool restart_helps = false;
      auto resume = Resume::Begin(*stored.store, stored.record, *program.binding, *worlds[rank],
                                  &restart_helps, mode);
      said[rank] =
          resume.ok() ? body(rank, program, **resume) : "begin: " + resume.status().message();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return said;
}

std::string Differs(const char* what, const at::Tensor& got, const at::Tensor& want) {
  return at::equal(got, want) ? "" : std::string(what) + " differs; ";
}

std::string All(Program& got, const Program& want) {
  return Differs("w1", got.w1, want.w1) + Differs("w2", got.w2, want.w2) +
         Differs("moment", got.moment, want.moment) + Differs("mean", got.mean, want.mean);
}

TEST_CASE("a parameter is whole on every rank when the gate opens, the rest after Finish",
          "[resume]") {
  Stored stored;
  for (const int ranks : {1, 2, 3}) {
    const auto body = [&](int rank, Program& program, Resume& resume) {
      std::string wrong = Differs("buffer", program.mean, stored.saved.mean);
      const auto small = program.binding->TakeSmall();
      if (!small.ok() || small->step != 5) wrong += "small record; ";
      // Ranks ask for what they like, in any order, more than once.
      if (rank != 1) {
        resume.Await(kW1);
        wrong += Differs("w1 behind the gate", program.w1, stored.saved.w1);
      }
      if (rank == 2) resume.Await(kW1);
      if (rank == 1) {
        resume.Await(kW2);
        wrong += Differs("w2 behind the gate", program.w2, stored.saved.w2);
      }
      const Status there = resume.Parameters();
      if (!there.ok()) wrong += there.message();
      wrong += Differs("w2", program.w2, stored.saved.w2);
      const Status all = resume.Finish();
      if (!all.ok()) wrong += all.message();
      if (!resume.Finish().ok()) wrong += "a second Finish; ";
      return wrong + All(program, stored.saved);
    };
    for (const std::string& wrong : OnRanks(ranks, stored, lineage::RestoreMode::kExact, body)) {
      CHECK(wrong == "");
    }
  }
}

TEST_CASE(
    "a layer waits for its own bytes: the one before a damaged one is whole, and all ranks "
    "end together with the read's message",
    "[resume]") {
  Stored stored;
  const uint64_t header = 8 + Decoder(*stored.disk.ReadAt(stored.pack(), 0, 8)).U64();
  REQUIRE(stored.disk.Flip(stored.pack(), header + (23 << 19)));  // near the end of w2's upper half
  for (const int ranks : {1, 2}) {
    const auto body = [&](int, Program& program, Resume& resume) -> std::string {
      resume.Await(kW1);
      const std::string wrong = Differs("w1", program.w1, stored.saved.w1);
      try {
        resume.Await(kW2);
        return "w2 was not missed";
      } catch (const std::runtime_error& error) {
        const Status again = resume.Parameters(), end = resume.Finish();
        if (again.code() != Code::kCorruption || again.message() != error.what())
          return "Parameters";
        if (end.message() != error.what()) return "Finish";
        return wrong + error.what();
      }
    };
    const auto said = OnRanks(ranks, stored, lineage::RestoreMode::kExact, body);
    for (const std::string& one : said) {
      CHECK(one == said[0]);
      CHECK_THAT(one, Catch::StartsWith("restore base@0: "));
      CHECK_THAT(one, Catch::Contains("'w2'") && Catch::Contains("do not have their digest"));
      CHECK_THAT(one, Catch::Contains("base@0 is quarantined"));
    }
  }
}

TEST_CASE("a rank that failed at something else lets the others finish what they wait for",
          "[resume]") {
  Stored stored;
  const auto body = [&](int rank, Program& program, Resume& resume) -> std::string {
    if (rank == 0) resume.Await(kW2);  // rank 1's forward never came so far
    const Status there = resume.Parameters();
    return there.message() + Differs("w2", program.w2, stored.saved.w2);
  };
  for (const std::string& wrong : OnRanks(2, stored, lineage::RestoreMode::kExact, body)) {
    CHECK(wrong == "");
  }
}

TEST_CASE("progressively: close at first, the same on all ranks, and every bit after Finish",
          "[resume]") {
  Stored stored;
  const at::Tensor exact = stored.saved.w2;
  for (const int ranks : {1, 2}) {
    std::vector<at::Tensor> first(static_cast<size_t>(ranks));
    const auto body = [&](int rank, Program& program, Resume& resume) -> std::string {
      const Status there = resume.Parameters();
      if (!there.ok()) return there.message();
      first[static_cast<size_t>(rank)] = program.w2.clone();
      std::string wrong = Differs("buffer", program.mean, stored.saved.mean);
      if (at::equal(program.w2, exact)) wrong += "nothing was left open; ";
      const at::Tensor error = (program.w2 - exact).abs();
      if ((error > exact.abs() / 256).any().item<bool>()) wrong += "too far; ";
      const Status all = resume.Finish();
      return wrong + all.message() + All(program, stored.saved);
    };
    for (const std::string& wrong :
         OnRanks(ranks, stored, lineage::RestoreMode::kProgressive, body)) {
      CHECK(wrong == "");
    }
    CHECK(at::equal(first.front(), first.back()));
  }
}

}  // namespace
}  // namespace stemma::models
