// Captures states of a running training without stopping it: copies in the background until the
// optimizer's fence, writes one pack per writer in the background after it, and commits the record
// once every rank has reported its part.
//
//   capturer->Capture(request);                // step's end, all ranks alike: eager spans copied
//   now optimizer->Step(step, capturer->fence());  // waits only if the copy has not finished mine
//   |= capturer->Poll();                  // step's end: bits for the control word, never blocks
//   capturer->Advance(verdict_bits, cohort);   // step's end: gathers, begins to commit, reports
//
// One Capturer per rank; all calls from the loop's thread, in the same order on all ranks. When all
// ranks have written, a thread of rank 0's appends the record, so that nobody waits for the log;
// the next verdicts speak of that. Two stages: `captured` (training may change the state again) and
// `durable` (it survives power loss, and only then is it acknowledged). At most settings.depth
// captures are in flight; a further one waits. A failed capture is dropped on all ranks alike and
// returned, sticky, by Advance on every rank.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/record.h"
#include "lineage/settings.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct CaptureRequest {
  Record record;  // everything but id, layout, packs, capture, timings; equal on all ranks
  // Empty: as at the capture before. Otherwise the same spans, where what was replicated may be
  // frozen from now on, or be trained again: the layout becomes another one.
  std::vector<Span> spans = {};
};

// What this rank says in the step's control word.
struct CaptureBits {
  // Its part of the oldest capture in flight is on disk (or it has none to write); later, that the
  // record is appended, or could not be: rank 0's to say, the others always do.
  bool written = false;
  bool failed = false;
  uint64_t audit = 0;  // digest of the replica sample of the oldest capture in flight; 0: none
};

struct Durable {  // news of Advance
  StateId id;
  Record record;
  double age_s = 0;  // from Capture() to durable
};

struct CaptureStats {
  uint64_t captures = 0, durable = 0, failed = 0;
  uint64_t bytes_written = 0;  // by this rank
  double stall_s = 0;          // the loop waited, in total
};

class Capturer {
 public:
  // `writer` is the run's on rank 0, null elsewhere. `spans` are the same on all ranks; `source`
  // outlives the Capturer. `tmp_dir` is the writer's tmp_dir() on rank 0, broadcast to all: it also
  // tells run and incarnation. Not collective: Agree on the result. `held` of sharded spans is each
  // rank's own; the first capture fails, on all ranks, when together it is not the whole.
  //
  // Frozen spans are written by the first capture only, into packs of their own, which later ones
  // name again; so does the first one when `from` has such packs of the same layout: the state that
  // the spans were restored from. kCorruption, from Advance, names a frozen span that was changed.
  static Result<std::unique_ptr<Capturer>> Create(const LineageSettings& settings, Store& store,
                                                  RunWriter* writer, const std::string& tmp_dir,
                                                  std::vector<Span> spans, Source& source, int rank,
                                                  int ranks, const Record* from = nullptr);
  virtual ~Capturer() = default;

  // Fails on all ranks alike: what one rank alone cannot do, its part says.
  virtual Status Capture(CaptureRequest request) = 0;
  // The fence: what ops::Fence adapters call. A copy that failed is no failure of the fence: it is
  // reported by Poll(), so that all ranks hear of it alike. kTimeout when a copy does not end.
  virtual Status WaitCopied() = 0;
  virtual CaptureBits Poll() = 0;
  // `all_written` / `any_failed`: the control word's verdict about the oldest capture in flight,
  // i.e. about what Poll() said for it on all ranks. Collective whenever either is set. The verdict
  // is only the occasion, since it may be a step old: the ranks gather their reports, audit digests
  // included, and those decide. A full disk, and under on_failure = continue any failure of a
  // disk, gives nullopt and last_failure(), until there are missed_captures_max in a row. nullopt
  // as well while InFlight(): then it is called again with a later verdict.
  virtual Result<std::optional<Durable>> Advance(bool all_written, bool any_failed,
                                                 bool audit_equal, Cohort& cohort) = 0;
  // Until nothing is in flight: for the last capture of a run. Collective.
  virtual Result<std::vector<Durable>> Finish(Cohort& cohort) = 0;
  // Whether any capture is neither durable nor dropped; alike on all ranks.
  virtual bool InFlight() const = 0;
  // Whether all of the oldest one's parts are written and only its record is on the way, which
  // takes milliseconds: Advance(true, ...) hears of it. Alike on all ranks.
  virtual bool Committing() const = 0;
  virtual const CaptureStats& stats() const = 0;
  // The newest dropped capture's, to be told to a person; OK when none was.
  virtual const Status& last_failure() const = 0;
};

}  // namespace stemma::lineage
