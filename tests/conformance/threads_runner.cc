// Rows with ranks as threads: what --config=tsan sees.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/conformance/row.h"

#include "tests/support/conformance_report.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

// Where the threads of one row meet, beside the world under test. Who leaves early lets the others
// go, with an error.
class Room {
 public:
  Room(std::string backend, int ranks) : backend_(std::move(backend)), ranks_(ranks) {}

  const std::string& backend() const { return backend_; }
  int ranks() const { return ranks_; }

  Result<int> Worst(int mine) {
    std::unique_lock<std::mutex> lock(mutex_);
    return Meet(
        lock, [&] { worst_ = std::max(worst_, mine); }, [&] { return worst_; });
  }

  Result<std::unique_ptr<comm::World>> Open(int rank, const comm::CommSettings& settings) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto make = [&] {
      if (worlds_.empty()) worlds_ = comm::World::Threads(ranks_, settings);
    };
    return Meet(lock, make, [&] { return std::move(worlds_[static_cast<size_t>(rank)]); });
  }

  void Leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }

 private:
  // All ranks do `come`; when the last has, each takes what `take` returns.
  template <typename Come, typename Take>
  auto Meet(std::unique_lock<std::mutex>& lock, Come come, Take take) -> Result<decltype(take())> {
    const auto ready = [&] { return left_ || !leaving_; };
    changed_.wait(lock, ready);
    come();
    ++here_;
    if (here_ == ranks_) leaving_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return left_ || leaving_; });
    if (!leaving_) return Status(Code::kPeerLost, "another rank has ended the row");
    auto taken = take();
    if (--here_ == 0) {
      leaving_ = false;
      worst_ = 0;
      worlds_.clear();
    }
    changed_.notify_all();
    return taken;
  }

  const std::string backend_;
  const int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int here_ = 0;
  bool leaving_ = false, left_ = false;
  int worst_ = 0;
  std::vector<std::unique_ptr<comm::World>> worlds_;
};

class ThreadRig final : public Rig {
 public:
  ThreadRig(Room& room, int rank) : room_(room), rank_(rank) {}
  ~ThreadRig() override { room_.Leave(); }
  int rank() const override { return rank_; }
  int ranks() const override { return room_.ranks(); }
  const std::string& backend() const override { return room_.backend(); }
  int Worst(int mine) override {
    const Result<int> worst = room_.Worst(mine);
    return worst.ok() ? *worst : 1;
  }

 protected:
  Result<std::unique_ptr<comm::World>> Open(comm::CommSettings settings) override {
    settings.backend = backend();
    return room_.Open(rank_, settings);
  }

 private:
  Room& room_;
  const int rank_;
};

}  // namespace

void RunRow(const char* name, RowBody body, int min_ranks) {
  for (const char* backend : {"threads", "node-shared"}) {
    for (int ranks = min_ranks; ranks <= 4; ++ranks) {
      Room room(backend, ranks);
      const auto results = SpawnRanks(ranks, [&](int rank) -> Status {
        ThreadRig rig(room, rank);
        STEMMA_RETURN_IF_ERROR(rig.Reopen(Rig::Patient()));
        return body(rig);
      });
      bool passed = true;
      for (int rank = 0; rank < ranks; ++rank) {
        INFO(name << " on " << backend << ", rank " << rank << " of " << ranks);
        CHECK_THAT(results[static_cast<size_t>(rank)], IsOk());
        passed = passed && results[static_cast<size_t>(rank)].ok();
      }
      RanOn(backend, ranks, passed);
    }
  }
}

}  // namespace stemma::tests
