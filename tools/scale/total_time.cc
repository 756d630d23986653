#include "tools/scale/total_time.h"

#include <utility>

namespace stemma::scale {

Result<std::vector<TimeOnRanks>> TimesFromOne(const std::string& system, const std::string& model,
                                              double one_s, const std::vector<int>& ranks,
                                              const Sampling& sampling) {
  STEMMA_ASSIGN_OR_RETURN(System machine, FindSystem(system));
  STEMMA_ASSIGN_OR_RETURN(const Workload workload, MakeWorkload(model, {}));
  for (ModelTimes& times : machine.times) {
    if (times.model != model) continue;
    times.per_sample_ms.low = times.per_sample_ms.high = times.per_sample_ms.value;
  }
  STEMMA_ASSIGN_OR_RETURN(const Breakdown base,
                          ExpectedStep(machine, workload, Scenario{}, Tail::kNormal));
  const double start_s = machine.start_s.value;
  std::vector<TimeOnRanks> curve;
  for (const int count : ranks) {
    Scenario scenario;
    scenario.ranks = count;
    STEMMA_ASSIGN_OR_RETURN(Prediction p, Simulate(machine, workload, scenario, sampling));
    const auto at = [&](double step_s) {
      return (one_s - start_s) * step_s / (count * base.Sum()) + start_s;
    };
    const Quantiles total{at(p.step_s.p10), at(p.step_s.p50), at(p.step_s.p90)};
    curve.push_back({std::move(p), total});
  }
  return curve;
}

}  // namespace stemma::scale
