// Powers whose bits are the same on every processor: the C library picks another std::pow for each
// generation of CPUs, and replicas on mixed hosts must not drift. No LibTorch.
//
//   lr * Power(1 - x, 0.9)
//   1 - WholePower(beta2, t)
//
// Only sums, products, quotients and exact scalings, in the order of the source and never
// contracted (-ffp-contract=off), so IEEE 754 fixes every bit. Pure functions; any thread.
#pragma once

#include <cstdint>

namespace stemma::optim {

// base^exponent by repeated squaring. REQUIRES: exponent >= 0.
double WholePower(double base, int64_t exponent);

// base^exponent for 0 <= base <= 1 and 0 < exponent. A whole exponent up to 64 goes to WholePower.
// Otherwise 2^(exponent * log2(base)): the relative error is below 1e-15 + 2e-16 |log2(result)|,
// powers of two give exact results where there are any, and what is below 2^-1074 is 0.
double Power(double base, double exponent);

}  // namespace stemma::optim
