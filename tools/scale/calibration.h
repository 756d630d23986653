// A step that was measured here, instead of the compute times of a system: what `stemma bench train
// --json FILE` appends, one JSON object per line. The lines wanted are of one model and several
// batches; each needs a loop without communication:
//
//   for b in 1 2 4 8; do
//     stemma bench train aigw --batch-size=$b --num-iters=20 --json=calib.jsonl    # one rank, or
//   done                                                        # mpirun -n 2 ... --no-comm
//   stemma scale predict --calib calib.jsonl --system summit --model aigw
//
// Read of a line: "model", "batch", "ranks", "world", "shape", and of the loop "no-comm", or
// "engine" when ranks is 1, "step_ms" and "step_p95_ms"; other keys are ignored. The step is fitted
// as fixed + per_sample * batch, and its 95th percentile gives the spread, under a normal and an
// exponential tail. One batch alone gives no fixed part, which the source then says.
//
// Failure: kNotFound, kIo; kInvalidArgument with the line's number and what is wrong with it.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/scale/constant.h"
#include "tools/scale/system.h"

namespace stemma::scale {

struct Calibration {
  ModelTimes times;
  Constant jitter_normal, jitter_exponential;
};

Result<Calibration> ParseCalibration(const std::string& text, const std::string& name,
                                     const std::string& model);
Result<Calibration> ReadCalibration(const std::string& path, const std::string& model);

// The system with these times; per-epoch work stays what the system said, or 0.
System WithCalibration(System system, const Calibration& calibration);

}  // namespace stemma::scale
