// By how much the ranks of a node slow each other's computing: measured, by trainings of one rank
// each that run side by side and know nothing of each other. One rank alone has the memory's whole
// bandwidth, the shared caches and, where two cores are threads of one, its units for itself; none
// of several has. Nothing is sent, so what communication costs is not in it.
//
//   STEMMA_RETURN_IF_ERROR(MeasureContention(series, tell));           // DIR/contention.csv
//   STEMMA_ASSIGN_OR_RETURN(Contention contention, ReadContention("DIR"));
//   contention.FactorOf(2)                                             // 1.22
//
// A line of the file is a repeat: the median step of a training alone, and right after it that of
// all of several at once. Neighbours are compared, so a machine that slows down meanwhile slows
// both. The trainings are those of the series' points on one rank, word for word.
//
//   together,repeat,alone_s,together_s
//   2,0,0.2412,0.2951
//
// Failure: kCorruption with the line; kIo, and a child's as child.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/series/series.h"

namespace stemma::scale {

struct ContentionRow {
  int together = 0, repeat = 0;
  double alone_s = 0, together_s = 0;  // medians of a step
};

class Contention {
 public:
  Contention() = default;
  explicit Contention(const std::vector<ContentionRow>& rows);
  // A step of one of so many trainings at once against one alone: the median over the repeats.
  // 1 for one training; empty where it was not measured.
  std::optional<double> FactorOf(int together) const;
  const std::map<int, double>& factors() const { return factors_; }

 private:
  std::map<int, double> factors_;  // by trainings at once
};

// So many trainings stand for the ranks of a node: one each, and no more than have cores.
int TrainingsAtOnce(int ranks, int nodes, int threads, int cores);

// The folder's contention.csv; without one nothing was measured.
Result<Contention> ReadContention(const std::string& folder);

// For every count whose repeats are not there. Ranks on GPUs do not share them, and whether steps
// of Slurm share a node is the site's choice: there it says so and measures nothing. Nor is it of
// use where own.h predicts nothing: for a recipe and in mode strong.
Status MeasureContention(const Series& series, const std::function<void(const std::string&)>& tell);

}  // namespace stemma::scale
