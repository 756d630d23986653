#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "core/status.h"

namespace stemma::tests {

// Runs `body(rank)` on `ranks` threads and returns what each returned, in rank order. Catch2's
// assertions are not thread-safe: a body reports by its Status, the test asserts when all have
// ended.
inline std::vector<Status> SpawnRanks(int ranks, const std::function<Status(int)>& body) {
  std::vector<Status> results(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { results[rank] = body(rank); });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace stemma::tests
