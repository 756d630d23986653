// Chunks of packs that threads share: loaded once, kept for a while, never given away in use.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "lineage/chunk_cache.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::lineage::internal {
namespace {

using tests::IsOk;

char DigitOf(uint64_t index) { return static_cast<char>('0' + index % 10); }

// Loads chunks of one byte, the last digit of their index, and counts.
struct Loads {
  std::atomic<int> count{0};
  ChunkCache::Load Of(uint64_t index) {
    return [this, index](char* memory) -> Result<uint64_t> {
      ++count;
      memory[0] = DigitOf(index);
      return uint64_t{1};
    };
  }
};

std::string Got(ChunkCache& cache, uint64_t pack, uint64_t index, Loads& loads) {
  std::string got;
  const Status used =
      cache.Use(pack, index, loads.Of(index), [&](std::string_view chunk) { got = chunk; });
  return used.ok() ? got : used.message();
}

}  // namespace

TEST_CASE("the newest chunks are kept, each pack's apart") {
  ChunkCache cache(3);
  Loads loads;
  const uint64_t a = cache.NewPack(), b = cache.NewPack();
  CHECK(Got(cache, a, 1, loads) == "1");
  CHECK(Got(cache, b, 1, loads) == "1");
  CHECK(Got(cache, a, 2, loads) == "2");
  CHECK(loads.count == 3);
  CHECK(Got(cache, a, 1, loads) == "1");
  CHECK(loads.count == 3);
  CHECK(Got(cache, a, 3, loads) == "3");  // in the place of b's
  CHECK(Got(cache, a, 1, loads) == "1");
  CHECK(loads.count == 4);
  CHECK(Got(cache, b, 1, loads) == "1");
  CHECK(loads.count == 5);
}

TEST_CASE("a chunk that another thread is loading is waited for, and loaded anew where it failed") {
  ChunkCache cache(8);
  const uint64_t pack = cache.NewPack();
  std::atomic<int> loads{0}, good{0};
  const auto load = [&](char* memory) -> Result<uint64_t> {
    const int mine = ++loads;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (mine == 1) return Status(Code::kIo, "the first one fails");
    memory[0] = 'x';
    return uint64_t{1};
  };
  std::vector<Status> said(4);
  std::vector<std::thread> threads;
  for (Status& status : said) {
    threads.emplace_back([&] {
      status = cache.Use(pack, 7, load, [&](std::string_view chunk) { good += chunk == "x"; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(loads == 2);
  CHECK(good == 3);
  int failed = 0;
  for (const Status& status : said) failed += status.code() == Code::kIo;
  CHECK(failed == 1);
}

TEST_CASE("a chunk in use keeps its bytes, and who finds no room waits for it") {
  ChunkCache cache(2);
  Loads loads;
  const uint64_t pack = cache.NewPack();
  std::atomic<bool> done{false};
  std::string third;
  std::thread other;
  const auto use_second = [&](std::string_view chunk) {
    other = std::thread([&] {
      third = Got(cache, pack, 3, loads);
      done = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK_FALSE(done);
    CHECK(chunk == "2");
  };
  const auto use_first = [&](std::string_view chunk) {
    CHECK_THAT(cache.Use(pack, 2, loads.Of(2), use_second), IsOk());
    CHECK(chunk == "1");
  };
  CHECK_THAT(cache.Use(pack, 1, loads.Of(1), use_first), IsOk());
  other.join();
  CHECK(third == "3");
}

TEST_CASE("threads that read each other's neighbourhood get the right bytes") {
  ChunkCache cache(8);
  Loads loads;
  const uint64_t pack = cache.NewPack();
  std::atomic<int> wrong{0};
  const auto read = [&](uint64_t thread) {
    for (uint64_t i = 0; i < 2000; ++i) {
      const uint64_t a = (i * 7 + thread) % 23, b = (i * 5 + 3 * thread) % 23;
      const auto use_first = [&](std::string_view first) {
        const auto use_second = [&](std::string_view second) {
          if (first[0] != DigitOf(a) || second[0] != DigitOf(b)) ++wrong;
        };
        if (!cache.Use(pack, b, loads.Of(b), use_second).ok()) ++wrong;
      };
      if (!cache.Use(pack, a, loads.Of(a), use_first).ok()) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] { read(thread); });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace stemma::lineage::internal
