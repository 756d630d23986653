#include "core/cohort.h"

namespace stemma {

Status Agree(Cohort& cohort, const Status& mine) {
  const int all_well = cohort.size();
  STEMMA_ASSIGN_OR_RETURN(const int speaker, cohort.Min(mine.ok() ? all_well : cohort.rank()));
  if (speaker == all_well) return {};

  std::string report(1, static_cast<char>(mine.code()));  // one byte of code, then the text
  report += "rank " + std::to_string(cohort.rank()) + ": " + mine.message();
  STEMMA_ASSIGN_OR_RETURN(report, cohort.Broadcast(std::move(report), speaker));
  return {static_cast<Code>(report.at(0)), report.substr(1)};
}

}  // namespace stemma
