// What a point's child measured, as a row of the table: the steps after warm-up, from the JSON of
// `stemma bench train` or the metrics.jsonl of `stemma train`.
//
//   STEMMA_ASSIGN_OR_RETURN(PointSamples samples, ReadBench("points/r2-0/bench.json", want));
//   RunRow row = RowOf(point, samples);
//
// Which number is what:
//
//   step_s       bench: each step on its slowest rank, one step per iteration. train: on rank 0,
//                captures and the control word included
//   exposed      what rank 0 waits for the others per step once its own backward is done: exposed
//                communication, and the lateness of slower ranks in it. With the bench's --no-comm
//                it is the step less the same step without communication, measured alternately
//   input_wait   train: rank 0 waits for its loader. The bench reads no input: empty
//   straggler    train: how much later than the median rank the slowest was. bench: empty
//
// Warm-up is what the child left out or was told to, and beyond it windows of steps whose median
// is 10 % off that of the second half, up to half of all steps; then the row is `unstable`.
//
// Pure functions but for Read. Failure: kNotFound, kCorruption for a child that left with 0 and
// wrote no such file; kIncompatible when it measured something else than was asked for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/run_table.h"
#include "tools/scale/series/points.h"

namespace stemma::scale {

struct PointSamples {
  std::vector<double> step_s;  // in order, without the asked warm-up
  std::optional<double> exposed_s, input_wait_s, straggler_s;  // medians per step
  std::optional<double> dataset_samples;
  // What all counts must have alike: the model and its gradients, or the data set's size.
  std::string input;
  int hosts = 0;  // that the ranks really ran on; 0: the child does not say
  // Medians per step of the phases that the child tells, by name, and other numbers for scale.json.
  std::map<std::string, double> numbers;
  std::string world;  // in the child's words
};

// point.steps 0: as many as there are.
Result<PointSamples> ReadBench(const std::string& path, const std::string& model,
                               const Point& point);
// metrics.jsonl of a run folder, and its log for the number of hosts.
Result<PointSamples> ReadTraining(const std::string& run_folder, const Point& point);

// The first step that counts; step_s.size() / 2 at most. `stable` is false when even there the
// steps differ from the later ones.
size_t SteadyFrom(const std::vector<double>& step_s, bool* stable);

// Without efficiencies, system, digest and state, which the series knows.
RunRow RowOf(const Point& point, const std::string& mode, const PointSamples& samples);

}  // namespace stemma::scale
