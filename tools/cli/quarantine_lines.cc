#include "tools/cli/quarantine_lines.h"

#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {

void PrintQuarantine(const lineage::Graph& graph, const lineage::QuarantineChanges& changes) {
  for (const lineage::StateId& id : changes.set) {
    Print("quarantined  " + Words(graph, id) +
          ": no training goes on from it until its bytes are good\n");
  }
  for (const lineage::StateId& id : changes.lifted) {
    Print("lifted       the quarantine of " + Words(graph, id) + ": its bytes are good\n");
  }
}

}  // namespace stemma::cli
