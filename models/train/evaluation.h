// Evaluates a workload's held-out samples in the middle of a training, without a trace in it: the
// training's bits are those of a run that never evaluates.
//
//   STEMMA_ASSIGN_OR_RETURN(auto evaluation, Evaluation::Make(settings, workload, world));
//   STEMMA_ASSIGN_OR_RETURN(const Score score, evaluation->Run());
//   score.values      {"val_loss", 0.71}, {"val_top1", 0.76}, ...
//
// Each sample counts exactly once on any number of ranks: global batches of validate.batch samples
// in the order of their numbers, the last one with what is left, each cut among the ranks by rows,
// which may be none. What the ranks give is added batch by batch, within one in order of rank, in
// double, and divided once by the rows at the end. So all ranks hold the same bits, and the same
// number of ranks gives them again; another number groups float32 sums inside the workload anew.
//
// The workload is in evaluation mode meanwhile, without gradients, and its forward runs at
// train.precision. Its parameters are as they stand: whoever wants their averages judged puts them
// there meanwhile (Optimizer::SwapAverage). Each batch is a section of the flight recorder, so that
// a long evaluation is no hang, and one that hangs is found.
//
// Collective; the loop's thread. Failure, the same on all ranks: a sample that cannot be read, what
// LibTorch throws, sums that are none. After kTimeout a reader hangs, and the destructor may: end
// the job with World::Abort while the evaluation lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "models/data/loader.h"
#include "models/train/settings.h"
#include "models/train/workload.h"
#include "ops/world.h"

namespace stemma::models {

// What one evaluation found.
struct Score {
  std::vector<std::pair<std::string, double>> values;  // "val_loss" first; empty: none was made
  double rows = 0;                                     // samples that count
  double seconds = 0;
  double val_loss() const { return values.empty() ? 0 : values.front().second; }
};

// "val_loss 0.7123, val_top1 0.7612, of 50000 samples in 12.3 s".
std::string ScoreText(const Score& score);

class Evaluation {
 public:
  // Agrees on the held-out samples' size and digest. kInvalidArgument names validate.every where
  // there are none. The workload and the world outlive it.
  static Result<std::unique_ptr<Evaluation>> Make(const RunSettings& settings, Workload& workload,
                                                  ops::World& world);

  // `unwanted`, if any, is asked on each rank after each of its batches: one yes ends the
  // evaluation on all ranks, with a score without values.
  Result<Score> Run(const std::function<bool()>& unwanted = nullptr);

  int64_t samples() const { return data_->Size(); }
  int64_t batch() const { return loader_settings_.global_batch; }

 private:
  // Over all batches and ranks so far.
  struct Sums {
    double rows = 0;
    std::vector<double> of;  // names_
    bool unwanted = false;   // by any rank
  };

  Evaluation(const RunSettings& settings, Workload& workload, ops::World& world);
  Status AllBatches(const std::function<bool()>& unwanted, Sums* sums);
  Result<std::string> Mine(const Batch& batch, const std::function<bool()>& unwanted);
  Status Add(const std::string& bytes, Sums* sums) const;

  const RunSettings& settings_;
  Workload& workload_;
  ops::World& world_;
  const std::shared_ptr<const Dataset> data_;
  LoaderSettings loader_settings_;
  std::vector<std::string> names_;  // of the workload's sums, once a batch has been evaluated
  std::unique_ptr<Loader> loader_;  // of the pass under way, and of one that failed
};

}  // namespace stemma::models
