// The collector: frees the packs that no root wants, safely beside forks, restores, writers and
// other collectors. It deletes nothing that it has not moved to its own trash folder, left there
// for a grace, and found wanted by nobody once more. A process that finds a pack missing meanwhile
// takes it back (Store::EnsurePacks).
//
//   STEMMA_ASSIGN_OR_RETURN(const GcReport plan, PlanGc(store, {}));           // changes nothing
//   STEMMA_ASSIGN_OR_RETURN(const GcReport done, CollectGarbage(store, {}, MonotonicClock()));
//
// The steps are those of LINEAGE's protocol, in its numbers; a model of them is checked by a test,
// so change both together. A collector may die or sleep before, in and after every step. Layouts
// and blobs are never collected: they are small and shared.
//
// One thread. Failure: kInvalidArgument while another collector works; kCorruption when something
// that may name a pack cannot be read (nothing is freed then); else as Storage. After a failure the
// epoch stays open, and the next collector adopts its trash.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/notice.h"
#include "lineage/store.h"
#include "lineage/survey.h"

namespace stemma::lineage {

// Seconds that never step back; tests bring their own.
class GcClock {
 public:
  virtual ~GcClock() = default;
  virtual double Now() = 0;
  virtual void Sleep(double seconds) = 0;
};
GcClock& MonotonicClock();  // never destroyed

struct GcOptions {
  // At least three times the longest time for which the file system may show old names (NFS: 60 s):
  // a forker may see a pack that long after it went to the trash, and the collector miss the
  // forker's intent for as long again.
  double grace_s = 600;
  double beat_s = 10;    // between signs of life
  double stale_s = 120;  // another collector without one for that long is taken over from
};

struct GcPack {
  ObjectId pack;
  uint64_t bytes = 0;
  std::string why;  // it goes: "pruned base@10"; it stays: "tag:best of base@10"
};

struct GcReport {
  uint32_t epoch = 0;            // 0: nothing was done
  std::vector<GcPack> freed;     // a plan: what would be
  std::vector<GcPack> returned;  // wanted after all, taken from the trash
  std::vector<GcPack> orphans;   // named by nobody, and kept
  uint64_t freed_bytes = 0;
};

class Collector {
 public:
  // All outlive it.
  Collector(const Store& store, const GcOptions& options, GcClock& clock)
      : store_(store), paths_(store.path()), options_(options), clock_(clock) {}

  // All of the below in order.
  Result<GcReport> Run();
  Result<GcReport> Plan();  // steps 1 to 3 without doing anything

  Status Claim();   // 0: the next epoch, by a folder that holds our token
  Status Adopt();   // 1: the trash of older epochs becomes ours
  Status Mark();    // 2
  Status Trash();   // 3
  Status ReMark();  // 4 and 6
  Status Grace();   // 5
  Status Unlink();  // 7: only from our own folder, only what the last ReMark saw unwanted

 private:
  // Why a pack may go, or why it stays.
  struct Verdict {
    bool goes = false, orphan = false;
    std::string why;
  };
  Status Look();  // fills survey_, kept_ and given_up_
  Verdict Judge(const ObjectId& pack, const std::string& path) const;
  Verdict JudgeOrphan(const std::string& path) const;
  Status Watch(uint32_t epoch) const;  // OK when that collector does not live
  Status Beat();
  Status Finish();

  const Store& store_;
  const Paths paths_;
  const GcOptions options_;
  GcClock& clock_;
  Notice mine_;
  uint32_t epoch_ = 0;
  double trashed_at_ = 0;
  bool waited_ = false;
  Survey survey_;
  std::map<ObjectId, std::string> kept_, given_up_;
  std::map<std::string, std::string> leases_;  // as step 2 saw them
  std::vector<GcPack> marked_;                 // by step 2
  std::vector<GcPack> doomed_;                 // by the last ReMark
  GcReport report_;
};

Result<GcReport> PlanGc(const Store& store, const GcOptions& options);
Result<GcReport> CollectGarbage(const Store& store, const GcOptions& options, GcClock& clock);

}  // namespace stemma::lineage
