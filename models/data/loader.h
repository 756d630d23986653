// Reads ahead: threads fill this rank's part of the coming global batches while the step runs.
//
//   STEMMA_ASSIGN_OR_RETURN(auto loader, Loader::Start(data, settings, {rank, ranks}, cursor));
//   for (...) {
//     STEMMA_ASSIGN_OR_RETURN(Batch batch, loader->Next());
//     ... train on batch.x, batch.y; the next state's cursor is batch.end
//   }
//
// A global batch at cursor c is the positions [c, c + B) of the epoch's order (order.h, or with
// settings.window that of window_order.h); rank r of n holds the contiguous part
// [c + r*B/n, c + (r+1)*B/n). So the bytes of a global batch, its parts laid side by side, do not
// depend on the number of ranks, nor on threads or prefetch. An epoch ends when fewer than B
// samples are left of it: the rest of that permutation is not used, or, with settings.short_last,
// is a last batch of L < B samples, cut the same way: rank r holds [ceil(r*L/n), ceil((r+1)*L/n))
// of it, which differ in size and may be empty, but never rank 0's.
//
// The cursor counts what Next() has handed out, never what was read ahead: a stop throws prefetched
// batches away and loses nothing.
//
// On its way to a GPU a pinned batch is copied while the host goes on (Tensor::to with
// non_blocking); its memory is not used again before the copy has ended: LibTorch sees to that.
//
// Owner: the caller. Thread: Start, Next and the destructor belong to the loop's thread; the
// workers only write into their own spans of a slot and report. The workers never draw random
// numbers and never call LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "core/status.h"
#include "models/data/cursor.h"
#include "models/data/dataset.h"

namespace stemma::models {

struct Batch {
  at::Tensor x;             // [b, shape of one sample...] float32, on the CPU, maybe pinned
  at::Tensor y;             // [b, targets] float32, the same
  Cursor begin, end;        // of the *global* batch; `end` is where the next one begins
  int64_t global_rows = 0;  // samples of the global batch; x and y hold this rank's
  double wait_s = 0;        // Next() waited this long for data
};

// Part `i` of `parts` of a local batch, for gradient accumulation; shares memory with it. Parts of
// a batch whose rows are not divisible by `parts` differ by one row. REQUIRES: the batch has at
// least `parts` rows
Batch MicroBatch(const Batch& batch, int64_t i, int64_t parts);

struct Shard {
  int64_t rank = 0, ranks = 1;
};

struct LoaderSettings {
  int64_t global_batch = 32;  // samples over all ranks
  int64_t micro_batches = 1;  // only checked for divisibility: see MicroBatch
  int64_t threads = 1;
  int64_t prefetch = 2;     // local batches read ahead, at least 1
  bool short_last = false;  // an epoch ends with what is left of it
  int64_t window = 0;       // groups that are mixed at a time: WindowOrder; 0: SampleOrder
  double stall_s = 60;      // no sample finished for half of it: a warning; all of it: Next() ends
  bool pinned = false;      // batches lie in page-locked memory, from which a GPU copies by itself
  // An evaluation's pass: samples by number, the last batch with what is left, ranks' parts cut as
  // those of a short last batch. Any batch and any number of ranks will do.
  bool in_order = false;
};

// OK when every rank gets the same, whole number of samples per micro-batch and an epoch has at
// least one batch, or the pass is in order and there is a sample; else kInvalidArgument with the
// nearest legal batch sizes. Start calls it; a program may call it before anything is set up.
Status CheckBatch(const LoaderSettings& settings, int64_t ranks, int64_t dataset_size);

class Loader {
 public:
  // Begins to read at `from`. kInvalidArgument: see CheckBatch, a cursor beyond the data, and a
  // window where the data set has no groups.
  static Result<std::unique_ptr<Loader>> Start(std::shared_ptr<const Dataset> data,
                                               const LoaderSettings& settings, Shard shard,
                                               Cursor from);
  // Stops the workers and waits for the samples they are in. After kTimeout that may be for ever:
  // end the job with World::Abort while the loader lives.
  virtual ~Loader() = default;

  // The next batch. An error belongs to the batch that would have been next: all batches before it
  // were delivered. It names sample and cause, and every later call returns it again. kTimeout: no
  // worker finished a sample for settings.stall_s; it names which threads wait for which samples.
  virtual Result<Batch> Next() = 0;

  // Of the batches handed out so far; the start cursor before the first.
  virtual Cursor consumed() const = 0;
  // Seconds that Next() has spent waiting, all together.
  virtual double wait_s() const = 0;
};

}  // namespace stemma::models
