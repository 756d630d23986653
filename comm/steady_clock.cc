#include "comm/steady_clock.h"

#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

#include <cmath>
#include <fstream>
#include <string>
#endif

namespace stemma::comm {
namespace {

int64_t ReadClock() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
}

#if defined(__x86_64__)

constexpr uint64_t kWindow = 20000000;  // ticks that are counted from one reading: 5-10 ms
constexpr uint64_t kClose = 2000;       // a reading that took longer was interrupted
constexpr double kSteady = 1e-3;        // by how much two windows in turn may differ

bool KernelCountsTicks() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  file >> name;
  return name == "tsc";
}

// A reading of the clock, and how long a tick was in the two windows before it.
struct Reading {
  uint64_t ticks = 0;
  int64_t ns = 0;
  double last = 0, ns_per_tick = 0;  // ns_per_tick 0: not known, ask the clock
};
thread_local Reading reading;

// A machine that was suspended or moved shows as two windows that differ.
int64_t ReadAnew(uint64_t before) {
  const int64_t now = ReadClock();
  const uint64_t after = __rdtsc();
  if (after - before > kClose) return now;
  const uint64_t ticks = before + (after - before) / 2;
  const double tick =
      static_cast<double>(now - reading.ns) / static_cast<double>(ticks - reading.ticks);
  const bool steady = std::abs(tick - reading.last) < kSteady * tick;
  reading = {ticks, now, tick, steady ? tick : 0};
  return now;
}

#endif

}  // namespace

#if defined(__x86_64__)

int64_t SteadyNanoseconds() {
  static const bool counts = KernelCountsTicks();
  if (!counts) return ReadClock();
  const uint64_t ticks = __rdtsc();
  const uint64_t passed = ticks - reading.ticks;
  if (passed >= kWindow) return ReadAnew(ticks);
  if (reading.ns_per_tick == 0) return ReadClock();
  return reading.ns + static_cast<int64_t>(static_cast<double>(passed) * reading.ns_per_tick);
}

#else

int64_t SteadyNanoseconds() { return ReadClock(); }

#endif

}  // namespace stemma::comm
