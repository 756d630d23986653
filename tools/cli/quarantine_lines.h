// What became of quarantines, as `verify` and `fsck` say it.
#pragma once

#include "lineage/repair/quarantine.h"
#include "lineage/store.h"

namespace stemma::cli {

// A line for each state; nothing where nothing changed.
void PrintQuarantine(const lineage::Graph& graph, const lineage::QuarantineChanges& changes);

}  // namespace stemma::cli
