#include "lineage/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace stemma::lineage::internal {
namespace {

constexpr size_t kThreadsMax = 8;  // more than cores: most of the time is waiting for the disk

}  // namespace

void SideBySide(size_t tasks, size_t per_thread, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto some = [&] {
    for (size_t i = next++; i < tasks; i = next++) work(i);
  };
  std::vector<std::thread> threads;
  const size_t wanted = std::min(kThreadsMax, tasks / per_thread);
  try {
    while (threads.size() < wanted) threads.emplace_back(some);
  } catch (const std::system_error&) {  // no more threads to be had: this one does what is left
  }
  some();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace stemma::lineage::internal
