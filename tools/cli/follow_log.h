// States as they become durable: what `stemma log --follow` prints.
#pragma once

#include <functional>
#include <string>

#include "core/status.h"
#include "lineage/index.h"
#include "tools/cli/graph_lines.h"

namespace stemma::cli {

// Which states of the store as it is now are meant.
using Wanted = std::function<Result<Selection>(const lineage::Index& index)>;

// A line for each state that is `wanted`, the oldest first; then, for as long as somebody reads
// what is printed, one for each that comes. It looks once a second: a store tells nobody that it
// has changed. `options.limit` is of what is there at the start. Returns when nobody reads any
// more.
Status FollowLog(const std::string& path, const Wanted& wanted, const LogOptions& options,
                 bool json);

}  // namespace stemma::cli
