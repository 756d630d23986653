// Paths: the values of a state by name. A bare name that is no path of its own is looked for among
// the metrics, then the attributes, then as the last word of a setting; so `loss` is metric.loss
// and `weight_decay` is hp.optim.weight_decay. What was measured wins, since a training stores lr
// as a metric beside the setting of that name.
//
//   STEMMA_ASSIGN_OR_RETURN(const Path path, BindPath("metric.loss", index, now_ms, {}));
//   path.at(row)                                       0.25, or missing
//
// Failure: kNotFound with the nearest name, for a name that no state of the store has;
// kInvalidArgument when several settings end so. A path refers to the index, which outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/status.h"
#include "lineage/index.h"
#include "lineage/query/values.h"

namespace stemma::lineage::query {

struct Path {
  std::string name;  // in full: "metric.loss"
  std::function<Scalar(Row)> at;
};

// `may_be_absent`: a metric, attribute or setting that nobody has is missing everywhere.
Result<Path> BindPath(std::string_view word, const Index& index, int64_t now_ms,
                      bool may_be_absent);

// "2026-11-21 10:12:33", UTC: text that sorts by time.
std::string TimeText(int64_t wall_ms);

}  // namespace stemma::lineage::query
