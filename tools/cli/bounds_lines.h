// What is known of the change of tensors from half of their bytes, as text and as JSON: what `diff
// --approx` prints. Pure functions; lines ended by line breaks.
#pragma once

#include <string>

#include "tools/cli/state_diff.h"

namespace stemma::cli {

// "0.1249 .. 0.1272": the low end rounded down, the high end up, so that what is shown is a bound
// as well. One number where both ends show the same digits but for float64's own rounding; " or
// nan" where the value may be no number.
std::string IntervalText(const Interval& interval);
// The same of a cosine, to eight decimals: "0.99996951 .. 1.00000000".
std::string CosineText(const Interval& cosine);

// Sections, then the layers of the network; the optimizer's too with `by_layer`.
std::string BoundsText(const TensorBounds& bounds, bool by_layer);

// One object for the tensors and one for each layer. An end that is infinite is null, and so are
// both ends of what is no number.
std::string BoundsJson(const TensorBounds& bounds);

}  // namespace stemma::cli
