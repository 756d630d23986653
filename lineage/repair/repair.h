// What can be mended in a store, and the mending: `stemma fsck --repair`.
//
//   STEMMA_ASSIGN_OR_RETURN(const FsckReport report, Fsck(*store, {}));
//   STEMMA_ASSIGN_OR_RETURN(const RepairPlan plan, PlanRepair(*store, report, options));
//   for (const RepairItem& item : plan.items) ...                 // said before it is done
//   STEMMA_ASSIGN_OR_RETURN(const RepairReport done, CarryOut(*store, plan, options));
//
//   mend       an object with wrong bytes, or that is gone, from copies that have the right ones;
//              a log, or a segment of notes, in which a damaged entry hides others (mend_log.h,
//              mend_notes.h)
//   restore    a pack that is wanted and lies in a collector's trash: brought back
//   lift       a quarantine of a state whose bytes are good
//   sweep      what crashes left and nobody will use (sweep.h)
//   close      an intent whose maker is gone (intents.h); only when asked for
//
// Nothing that a state needs is ever removed, and only a proved copy replaces a damaged file; notes
// are taken out of one, which is set aside, and those that are lost are named in the item. What
// no copy makes good is named in `beyond` with what to do; its states are quarantined. May run
// beside any number of writers, readers, collectors and other repairs; may die at any moment and be
// begun again.
//
// One thread. Failure: only what keeps it from looking at all; what one item fails with is in the
// report, and the others are done.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/fsck.h"
#include "lineage/names.h"
#include "lineage/record.h"
#include "lineage/repair/intents.h"
#include "lineage/repair/mend_log.h"
#include "lineage/repair/mend_notes.h"
#include "lineage/repair/quarantine.h"
#include "lineage/repair/sweep.h"
#include "lineage/store.h"
#include "lineage/verify.h"

namespace stemma::lineage {

struct RepairOptions {
  std::vector<const Store*> from = {};  // other stores whose copies may be taken
  bool mend = true;                     // all but intents
  bool close_intents = false;
  double stale_s = 3600;  // left-overs, intents and logs that changed since may have a living maker
};

// Not on disk.
enum class RepairKind {
  kMendLog,
  kMendNotes,
  kMendPack,
  kMendObject,
  kRestore,
  kLift,
  kSweep,
  kClose
};

struct RepairItem {
  RepairKind kind = RepairKind::kSweep;
  std::string text;  // "mend pack 5be1c07d00112233 of base@20 from /other/objects/..."
  PackRef pack;      // kMendPack, kRestore
  ObjectId layout;   // kMendPack: its; kMendObject: the object
  ObjectKind object = ObjectKind::kBlob;
  StateId state;      // kLift
  Leftover leftover;  // kSweep
  OpenIntent intent;  // kClose
  LogPlace log;       // kMendLog
  std::string notes;  // kMendNotes: the file in notes/
};

struct RepairPlan {
  std::vector<RepairItem> items;  // in the order in which they are done
  std::vector<std::string> beyond;
  std::vector<StateId> affected;  // read again when all is done
};
Result<RepairPlan> PlanRepair(const Store& store, const FsckReport& report,
                              const RepairOptions& options);

struct RepairReport {
  std::vector<std::string> done, failed;
  QuarantineChanges quarantine;
  std::vector<Damage> damaged;  // of the affected states, still
};
Result<RepairReport> CarryOut(Store& store, const RepairPlan& plan, const RepairOptions& options);

}  // namespace stemma::lineage
