// More ranks than cores: whoever waits must leave the core to whoever works. Time is counted in
// processor time, which does not depend on what else the machine does.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"

namespace stemma::tests {
namespace {

double ProcessSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

void Work(double seconds) {
  const double end = ProcessSeconds() + seconds;
  volatile double sum = 0;
  while (ProcessSeconds() < end) {
    for (int i = 0; i < 10'000; ++i) sum = sum + i;
  }
}

Result<double> SumOfAll(Rig& rig, double mine) {
  STEMMA_ASSIGN_OR_RETURN(const auto texts, rig.world().cohort().AllGather(std::to_string(mine)));
  double sum = 0;
  for (const std::string& text : texts) sum += std::stod(text);
  return sum;
}

// All ranks on one core. Rank by rank works while the others wait for it, in steps of a quarter of
// a second of processor time; then many small calls. On one core, time is the processor time of
// all: the work alone would be ideal, and 3 times that is the most.
Status Crowded(Rig& rig) {
  constexpr double kStep = 0.25;
  const int n = rig.ranks();
  const double before = ProcessSeconds();
  for (int step = 0; step < 2 * n; ++step) {
    if (step % n == rig.rank()) Work(kStep);
    Values values(DType::kF32, step % 2 == 0 ? 10 : 300'000, [](int64_t) { return 1.0; });
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), {})));
    STEMMA_RETURN_IF_ERROR(values.Expect([n](int64_t) { return double(n); }, "the sum"));
  }
  STEMMA_ASSIGN_OR_RETURN(const double spent, SumOfAll(rig, ProcessSeconds() - before));
  const double ideal = 2 * n * kStep;
  STEMMA_RETURN_IF_ERROR(Promised(
      spent < 3 * ideal,
      std::to_string(spent) + " s of processor for " + std::to_string(ideal) + " s of work"));
  for (int call = 0; call < 300; ++call) {  // no livelock: each needs every rank to get the core
    Values values(DType::kF64, 8, [](int64_t) { return 2.0; });
    STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(values.span(), {})));
    STEMMA_RETURN_IF_ERROR(values.Expect([n](int64_t) { return 2.0 * n; }, "the sum"));
  }
  return {};
}

CONFORMANCE_ROW_FROM(4, conformance_88_more_ranks_than_cores) {
  cpu_set_t allowed, one;
  CPU_ZERO(&allowed);
  CPU_ZERO(&one);
  STEMMA_RETURN_IF_ERROR(
      Promised(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "the cores of this process"));
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) CPU_SET(core, &one);
    if (CPU_COUNT(&one) == 1) break;
  }
  // Before the world's own threads begin, so that they share the core as well.
  rig.End();
  sched_setaffinity(0, sizeof one, &one);
  Status result = rig.Reopen(Rig::Patient());
  if (result.ok()) result = Crowded(rig);
  sched_setaffinity(0, sizeof allowed, &allowed);
  return result;
}

}  // namespace
}  // namespace stemma::tests
