// What crashes leave in a store and nobody will ever use: temporary files, folders of incarnations
// that are over, claims without content. FORMAT.md says of each that it is never trusted; a writer
// that was only asleep fails loudly when its temporary file is gone, before anything of it counts.
// Packs under their own names are a collector's, and torn ends of logs stay: no reader looks there.
//
//   for (const Leftover& leftover : FindLeftovers(store, survey, 3600, keep)) ...
//   STEMMA_RETURN_IF_ERROR(Sweep(store, leftover));
//
// One thread. What cannot be listed is passed over; fsck says so.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"
#include "lineage/survey.h"

namespace stemma::lineage {

struct Leftover {
  std::string path, what;
};

// Unchanged for `stale_s` by the disk's own clock; what has no age stays. `survey`: null where logs
// cannot be read, so that nobody knows which incarnations are over. `keep`: packs whose copies in
// tmp/ may yet be needed.
std::vector<Leftover> FindLeftovers(const Store& store, const Survey* survey, double stale_s,
                                    const std::set<ObjectId>& keep);

// kNotFound does not happen: whoever was faster has done it.
Status Sweep(const Store& store, const Leftover& leftover);

}  // namespace stemma::lineage
