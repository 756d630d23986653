// Intents that nothing ended. A fork names its parent's packs in its own log before it looks
// whether they are there, and a collector keeps them for it; when the forker dies in between, they
// are kept until somebody who knows that it is gone says so. That is what closing does: it never
// expires by time.
//
//   STEMMA_ASSIGN_OR_RETURN(const std::vector<OpenIntent> intents, OpenIntents(store));
//   STEMMA_RETURN_IF_ERROR(CloseIntent(store, intents[0], "stemma fsck --close-intents"));
//
// A log has one writer, so the closing entry goes to a segment of its own beside it. A forker that
// lives after all sees that segment and withdraws its fork (store_fork.cc): it fails loudly, and
// nothing that was promised loses its bytes.
//
// One thread. Failure: as Storage; kCorruption for a log that cannot be read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct OpenIntent {
  std::string run, why;  // ulid; "fork hot"
  uint32_t incarnation = 0;
  StateId parent;
  std::vector<ObjectId> objects;
  std::string host;  // of its maker, as its log says; "": it does not
  uint64_t pid = 0;
  int64_t wall_ms = 0;          // for display
  std::optional<double> age_s;  // since the log was last appended to, by the disk's own clock
};

// Followed by no state, withdrawal or end in their logs. `unreadable` gets the logs that hide some.
Result<std::vector<OpenIntent>> OpenIntents(const Store& store,
                                            std::vector<std::string>* unreadable);

// All intents of that incarnation.
Status CloseIntent(const Store& store, const OpenIntent& intent, const std::string& why);

}  // namespace stemma::lineage
