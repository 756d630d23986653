// Half the bytes on the wire, for some accuracy: a bucket of f32 or f64 is cast once into scratch
// of 16-bit floats, reduced there, and cast back. `ops.compress`:
//
//   none   the bucket as it is
//   bf16   range of f32, unit round-off u = 2^-8
//   fp16   u = 2^-11, but nothing above 65504: each rank divides by the number of ranks before the
//          cast, so a sum of representable gradients cannot overflow; values below 2^-14 * ranks
//          lose relative accuracy (absolute: ranks * 2^-25 each)
//
// On CPU contributions are added in f32 and rounded once, so with g_i the gradients of the ranks
//
//   |error of the sum| <= (2 u + u^2) * sum |g_i|      (u for each cast, u for the result)
//
// NCCL may round at every hop: up to (1 + ranks) u. The scale of the step (1 / samples) multiplies
// after the cast back, in the bucket's own type: it neither rounds nor underflows in 16 bits.
// Buckets of 16-bit floats and of integers stay as they are. No state: error feedback is not kept.
//
// Adasum, PowerSGD and quantization are not offered: a user's BucketHook can do them.
#pragma once

#include <memory>
#include <string>

#include "ops/bucket_hook.h"

namespace stemma::ops {

// kInvalidArgument: no such name.
Result<std::unique_ptr<BucketHook>> MakeCompression(const std::string& name);

}  // namespace stemma::ops
