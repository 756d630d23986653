// The axes of a tensor in another order, for libraries that keep a kernel as (rows, columns, in,
// out) where torch has (out, in, rows, columns).
//
//   const std::optional<Axes> axes = ParseAxes("3,2,0,1");       // axis 0 of the result was axis 3
//   const std::string bytes = TurnAxes(kernel, {3, 3, 32, 64}, *axes, sizeof(float));
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stemma::lineage {

using Axes = std::vector<size_t>;  // each of 0 .. size() - 1 once

// nullopt for text that is no order of 1 to 10 axes.
std::optional<Axes> ParseAxes(std::string_view text);

// A tensor of `shape` in C order, elements of `width` bytes, so that axis i of the result is axis
// axes[i] of it. REQUIRES: axes.size() == shape.size(), `bytes` are those of the shape
std::string TurnAxes(std::string_view bytes, const std::vector<uint64_t>& shape, const Axes& axes,
                     size_t width);

}  // namespace stemma::lineage
