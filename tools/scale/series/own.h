// How well a step on several ranks of this machine is predicted from a step on one rank, the
// measured curve of the all-reduce and the measured contention of a node: the model against our own
// engine, nothing fitted.
//
//   STEMMA_ASSIGN_OR_RETURN(OwnValidation v, ValidateOwn("stemma-scale"));
//   for (const OwnRow& row : v.rows) ...       ranks, measured, predicted, error
//
// The folder is that of `stemma scale run --model=M --mode=weak --curve`, or mode data: the batch
// of a rank is then the same on one rank and on N, so the measured step is the one that N ranks
// take. The prediction of N ranks, of 2,000 drawn steps the median:
//
//   compute   every rank's is drawn from the measured steps of one rank, and takes as much longer
//             as trainings side by side do that send nothing (contention.h; all of the step: it
//             is not known by phases). Where ranks outnumber the cores, longer again by that
//   calls     a bucket of the engine's own plan is ready when the last rank has it, and takes what
//             the curve says. Where no core is left for communication it takes computing time
//             instead: nothing of it is hidden
//   step      the later end of computing and of the last call
//
// A series without contention.csv, of an earlier release, under srun or on GPUs, is predicted as if
// ranks took nothing from each other; the text says so.
//
// Deterministic from the seed. Failure: kNotFound for what was not measured, with the command that
// does; kInvalidArgument for a series that cannot be predicted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/series/curve.h"
#include "tools/scale/workload.h"

namespace stemma::scale {

struct OwnRow {
  int ranks = 0;
  double measured_s = 0, predicted_s = 0;  // medians of a step
  bool oversubscribed = false;             // shown, and not part of the target
  int together = 1;                        // trainings side by side that stand for a node's ranks
  std::optional<double> contention;        // of so many; empty: not measured, taken as 1
  double Error() const { return 100 * (predicted_s / measured_s - 1); }
};

struct OwnValidation {
  std::string model, mode, system;
  std::vector<OwnRow> rows;
  double worst = 0;      // of |Error()| without oversubscription
  bool decided = false;  // a row without oversubscription is there
};

constexpr double kOwnErrorAsked = 10;  // percent

Result<OwnValidation> ValidateOwn(const std::string& folder, uint64_t seed = 1);

// The median step of N ranks. `slower`: a step computes so many times as long as on one rank alone.
// `spare`: cores are left for communication.
double PredictStep(const std::vector<double>& one_rank_s, const Workload& workload,
                   const Curve& curve, int ranks, double slower, bool spare, uint64_t seed);

std::string OwnText(const OwnValidation& validation);
std::string OwnJson(const OwnValidation& validation);  // one line

}  // namespace stemma::scale
