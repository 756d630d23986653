// A segment of a run's log in which entries can no longer be seen, put right from other stores: a
// frame that fails its digest hides itself and all that follow, although those are whole.
//
//   for (const LogPlace& place : DamagedLogs(store)) {
//     STEMMA_ASSIGN_OR_RETURN(const LogMend mend, TryMendLog(store, others, place));  // reads only
//     STEMMA_RETURN_IF_ERROR(MendLog(store, others, place));                          // durable
//   }
//
// The result is the file as it was once written, byte for byte: what is whole here stays at its
// place, and only what is not is filled in. A frame comes from the same segment in another store
// (a copy made by any tool), where the segment's ulid in its digest proves that it belongs here; or
// a record comes from any log of the incarnation (a store that `stemma migrate` filled), and is
// taken when the damaged bytes still hold its id or the frame's digest at that very place. Nothing
// is guessed: where a frame is in no copy, the file is left as it is, and says so.
//
// The file is replaced by a rename, so a crash leaves the old one or the new one. A writer that had
// the old one open would go on in a file without a name: so before it is read the run's next
// incarnation is begun, and ended. Whoever was only asleep is fenced by that and fails loudly.
//
// Notes are mended otherwise (mend_notes.h): their writers have no fence. One thread. Failure:
// kNotFound when no copy has what is missing; kIncompatible for a newer segment; else as Storage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct LogPlace {
  std::string run, name;  // ulid, the name that leads to it
  uint32_t incarnation = 0, segment = 0;
};

// Of runs that a name leads to; what cannot be listed is passed over, fsck says so.
std::vector<LogPlace> DamagedLogs(const Store& store);

struct LogMend {
  std::string bytes;              // of the whole file
  std::vector<std::string> from;  // the files that gave a part
};

Result<LogMend> TryMendLog(const Store& store, const std::vector<const Store*>& others,
                           const LogPlace& place);
Status MendLog(Store& store, const std::vector<const Store*>& others, const LogPlace& place);

}  // namespace stemma::lineage
