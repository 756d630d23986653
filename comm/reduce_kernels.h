// Sums, minima and products over the ranks' spans, element by element and always in rank order:
// ((g0 + g1) + g2) + ..., then one multiplication. Every CPU backend reduces through this one
// function, which is why their bits agree.
//
//   Reduce(Op::kSum, DType::kF32, {rank0, rank1, rank2}, 4096, 1.0 / 3, out);
//
// f16 and bf16 are widened to f32, reduced and scaled there, and rounded once, to nearest even.
// Integers wrap around as unsigned ones do; a scale other than 1 multiplies in f64, rounds to
// nearest and stops at the ends of the type. Loops run in AVX2 or AVX-512 where the processor has
// it: the same operations on more elements at a time, so the same bits.
//
// Sums of floating-point numbers, which is what training does, go from memory to memory in one
// loop; everything else passes through a block of accumulators in the first cache.
//
// Any thread. No failure: the arguments were checked (comm/arguments.h).
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.h"
#include "core/dtype.h"

namespace stemma::comm {

// `out` may be one of `in` but may not overlap them in any other way. Average is Sum here: its
// division is part of `factor` (FactorOf). REQUIRES: a dtype that can be reduced, in not empty.
void Reduce(Op op, DType dtype, const std::vector<const void*>& in, int64_t count, double factor,
            void* out);

// The same sums, written into several places in one pass: the form for ranks that share memory.
// Each of the `outs` places may be one of `in` but may not overlap any in another way.
void ReduceInto(Op op, DType dtype, const void* const* in, int ins, int64_t count, double factor,
                void* const* out, int outs);

// The conversions, for tests and for whoever prints values. To nearest, ties to even; NaN stays
// NaN.
float FloatFromHalf(uint16_t bits);
uint16_t HalfFromFloat(float value);
float FloatFromBfloat(uint16_t bits);
uint16_t BfloatFromFloat(float value);

}  // namespace stemma::comm
