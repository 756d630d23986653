// Everything that works on a store, at once, in processes of its own, killed by SIGKILL at random
// moments and started again: two trainings that capture, one that forks and tags, one that prunes
// and collects with a short grace, one that restores. An outside observer, who trusts only what he
// was told through pipes, looks at the store again and again:
//
//   * every state that was acknowledged is there, with its metrics; every tag, every prune mark;
//   * every state that nobody began to prune restores to the bits of a run that was never stopped,
//     the unacknowledged ones too: they are there whole or not at all;
//   * fsck has no errors.
//
// STEMMA_KILLS sets how often (default 200); lifecycle_soak asks for 10,000.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/crash/lifecycle.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

constexpr int kKillsPerStore = 50, kKillsPerLook = 10;

int Kills() {
  const char* asked = std::getenv("STEMMA_KILLS");
  return asked == nullptr ? 200 : std::atoi(asked);
}

std::string Scratch() {
  const char* base = std::getenv("TEST_TMPDIR");
  return std::string(base == nullptr ? "." : base) + "/lifecycle";
}

// One process at its work, and the pipe on which it tells of it.
class Worker {
 public:
  Worker(const std::string& store, Work work, uint64_t key) : store_(store), work_(work) {
    Start(key);
  }
  ~Worker() { Kill(); }
  Worker(Worker&&) = delete;

  void Start(uint64_t key) {
    int fds[2];
    if (pipe(fds) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(fds[0]);
      const Status status = DoWork(store_, work_, key, [&](const std::string& line) {
        const std::string whole = line + "\n";
        if (write(fds[1], whole.data(), whole.size()) < 0) _exit(3);
      });
      std::fprintf(stderr, "%s: %s\n", NameOf(work_), status.message().c_str());
      _exit(3);
    }
    close(fds[1]);
    read_end_ = fds[0];
  }

  // Waits until it has told `lines` things.
  void Hear(int lines) {
    char c;
    while (lines > 0 && read(read_end_, &c, 1) == 1) lines -= c == '\n';
  }

  // What it told until it was killed, whole lines only. "" and failed(): it had ended by itself.
  std::string Kill() {
    if (pid_ <= 0) return "";
    kill(pid_, SIGKILL);
    std::string heard;
    char buffer[4096];
    for (ssize_t n; (n = read(read_end_, buffer, sizeof buffer)) > 0;) {
      heard.append(buffer, static_cast<size_t>(n));
    }
    close(read_end_);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) failed_ = true;
    return heard.substr(0, heard.rfind('\n') + 1);
  }
  bool failed() const { return failed_; }

 private:
  const std::string store_;
  const Work work_;
  pid_t pid_ = 0;
  int read_end_ = -1;
  bool failed_ = false;
};

struct Sum {
  size_t acknowledged = 0, pruned = 0, forked = 0, collected = 0, restored = 0, compared = 0;
};

// How long between kills, at most: about what a worker takes from its start to its third word on
// this machine now, so that kills meet start, work and all between.
uint64_t SpreadUs() {
  const std::string path = Scratch() + "_calibrate";
  const auto start = std::chrono::steady_clock::now();
  {
    Worker worker(path, Work::kTrainOne, 1);
    worker.Hear(3);
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  std::filesystem::remove_all(path);
  return static_cast<uint64_t>(std::min(150e3, std::max(20e3, took.count())));
}

// Up to `kills` kills on one store: one worker after the other at random, while the others go on.
void OneStore(const std::string& path, int first, int kills, uint64_t spread_us, Sum* sum) {
  Observer observer(path);
  Random draw(Key({7, static_cast<uint64_t>(first)}), "lifecycle");
  std::vector<std::unique_ptr<Worker>> workers;
  for (const Work work : kAllWork) {
    workers.push_back(std::make_unique<Worker>(path, work, draw.U64()));
  }
  for (int done = 0; done < kills;) {
    usleep(static_cast<useconds_t>(draw.Below(spread_us)));
    const bool look = (done + static_cast<int>(workers.size())) % kKillsPerLook <
                      static_cast<int>(workers.size());
    INFO("kill " << first + done << " in " << path);
    if (!look) {
      Worker& victim = *workers[draw.Below(workers.size())];
      observer.Hear(victim.Kill());
      REQUIRE_FALSE(victim.failed());
      victim.Start(draw.U64());
      ++done;
      continue;
    }
    for (const auto& worker : workers) {
      observer.Hear(worker->Kill());
      REQUIRE_FALSE(worker->failed());
      ++done;
    }
    REQUIRE(observer.Look() == "");
    for (const auto& worker : workers) worker->Start(draw.U64());
  }
  for (const auto& worker : workers) {
    observer.Hear(worker->Kill());
    REQUIRE_FALSE(worker->failed());
  }
  REQUIRE(observer.Look() == "");
  sum->acknowledged += observer.acknowledged();
  sum->pruned += observer.pruned();
  sum->forked += observer.forked();
  sum->collected += observer.collected();
  sum->restored += observer.restored();
  sum->compared += observer.compared();
}

TEST_CASE("rows 1 to 6, 12, 15, 24: workers of all kinds, killed at any moment, lose nothing",
          "[crash]") {
  signal(SIGPIPE, SIG_IGN);
  const int kills = Kills();
  const uint64_t spread_us = SpreadUs();
  Sum sum;
  for (int done = 0; done < kills; done += kKillsPerStore) {
    const std::string path = Scratch() + std::to_string(done);
    OneStore(path, done, std::min(kKillsPerStore, kills - done), spread_us, &sum);
    std::filesystem::remove_all(path);
  }
  std::printf(
      "%d kills, %zu acknowledged, 0 lost (%zu forks, %zu pruned, %zu collections that "
      "freed, %zu restores beside them, %zu states compared bit for bit)\n",
      kills, sum.acknowledged, sum.forked, sum.pruned, sum.collected, sum.restored, sum.compared);
  CHECK(sum.acknowledged > static_cast<size_t>(kills) / 4);  // workers come that far
  CHECK(sum.forked > 0);
  CHECK(sum.pruned > 0);
  CHECK(sum.collected > 0);
  CHECK(sum.restored > 0);
}

}  // namespace
}  // namespace stemma::tests
