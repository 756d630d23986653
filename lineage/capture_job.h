// One capture on one rank, and what its workers do with it: copy, then write; on rank 0, when all
// ranks have written, append the record. Workers fill in the mailbox and do nothing else; the loop
// reads it at a step's end and acts.
//
// A CaptureJob is shared by the loop and its workers, none of which knows which of them ends first:
// hence shared_ptr. The part above the mailbox is set before a worker sees it and constant then.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/audit.h"
#include "lineage/capture_context.h"
#include "lineage/capture_report.h"
#include "lineage/frozen.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/record.h"
#include "lineage/staging.h"

namespace stemma::lineage {

struct CaptureJob {
  std::shared_ptr<const CaptureContext> context;  // of the spans as they are at this capture
  uint64_t number = 0;
  Record record;                      // as requested
  double begun_s = 0;                 // SteadySeconds() at Capture()
  bool writes_frozen = false;         // this capture does, on whichever ranks
  bool writes_layout = false;         // this rank does: no durable state names it yet
  std::vector<PackDuty> duties;       // at most one of each part; none: nothing to write
  std::shared_ptr<FrozenSet> frozen;  // written before, to be audited; null: none
  StagePlan stage;
  char* memory = nullptr;  // of stage.bytes bytes; belongs to the slot
  size_t slot = 0;
  std::optional<ReplicaSample>
      sample;  // the eager part is hashed by the loop, the rest by a worker

  // The loop's: all ranks have written their parts, so rank 0 appends the record.
  bool committing = false;
  std::string differing;  // replicas, as DifferingRanks

  struct Mailbox {          // guarded by CaptureRoom::mutex
    Status status;          // the first failure of any part
    bool copied = false;    // training may change the source
    bool ended = false;     // written, failed, or nothing to write: memory is free
    bool dropped = false;   // by the loop: a pack that is still to come is of no use
    bool verified = false;  // verify_fence has looked
    uint64_t audit = 0;
    std::optional<PackRef> pack, frozen;  // what was written
    Timings timings;
    double ended_s = 0;
    bool committed = false;  // rank 0: the record is durable, or `commit` says why not
    Status commit;
    std::string payload;  // of the record, as the log holds it
  } mail;
};

// Memory for the staged bytes of one capture at a time.
struct CaptureSlot {
  AlignedMemory memory;
  uint64_t bytes = 0;
  std::shared_ptr<CaptureJob> job;  // who uses it until it has ended

  // Exactly so many, so that what a capture with frozen spans takes is not kept for those without.
  Status Fit(uint64_t wanted);
};

// The lock and the bell for all mailboxes of a Capturer.
struct CaptureRoom {
  std::mutex mutex;
  std::condition_variable news;
};

double SteadySeconds();

// What `rank` writes of capture `number`. Writers are spread over the ranks, and who comes first
// rotates, so that load evens out.
std::vector<PackDuty> DutiesOf(const CaptureContext& context, uint64_t number, bool writes_frozen);

// Copies the eager, or the other, ranges of the job and hashes that part of the samples. A failure
// goes to the mailbox: ranks fail together, at the step's end.
void CopyPart(CaptureRoom& room, CaptureJob& job, bool eager);

// The staged bytes against the source, for settings.verify_fence; kInternal names the span.
Status CompareWithSource(const CaptureJob& job);

// Writes the job's packs, then its layout, and makes them durable under their contents' names.
void WriteJob(CaptureRoom& room, CaptureJob& job);

// The job is over, and with which failure (the first one counts). False: it was dropped before.
bool EndJob(CaptureRoom& room, CaptureJob& job, const Status& status);

// The first capture proves who holds what of sharded spans: that does not change, so once is
// enough.
bool ProvesShards(const CaptureJob& job);

// What this rank tells the others of its part.
PartReport ReportOf(CaptureRoom& room, const CaptureJob& job);

// Rank 0: the record, when all ranks have reported their parts. kInternal: together these are no
// state.
Result<Record> RecordOf(CaptureRoom& room, const CaptureJob& job,
                        const std::vector<PartReport>& reports, const RunWriter& writer);

// Appends it to the log, and tells the mailbox.
void CommitJob(CaptureRoom& room, CaptureJob& job, RunWriter& writer, Record record);

// The commit is over (the first word counts).
void EndCommit(CaptureRoom& room, CaptureJob& job, Status status, std::string payload);

// For the packs of a dropped capture, once it has ended: nothing names them and nothing will (their
// content says run, incarnation and capture), so their room goes back to a disk that may be full.
void RemovePacks(const CaptureJob& job);

}  // namespace stemma::lineage
