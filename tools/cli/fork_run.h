// Makes a run that begins at an existing state: one record, no payload. What `fork` does, and
// `bisect --replay` on its way.
//
//   STEMMA_ASSIGN_OR_RETURN(const MadeFork made, MakeFork(opened, parent, "hot", {"optim.lr=3"}));
//
// Failure: kInvalidArgument for a setting that may not change (fork_rules.h) or a name that is
// taken; else as Store::Fork().
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {

struct MadeFork {
  lineage::StateId id;
  std::string name, changes;  // "optim.lr 1.6 -> 3.2", "nothing changed"
};

// `sets`: "key=value".
Result<MadeFork> MakeFork(const OpenedStore& opened, const lineage::Record& parent,
                          const std::string& name, const std::vector<std::string>& sets);
// Called RUN<suffix>1, RUN<suffix>2, ..., whichever is the first that no run has.
Result<MadeFork> MakeForkWithOwnName(const OpenedStore& opened, const lineage::Record& parent,
                                     const std::string& suffix,
                                     const std::vector<std::string>& sets);

}  // namespace stemma::cli
