// One capture on one rank, and what its workers do with it: copy, then write. Workers fill in the
// mailbox and do nothing else; the loop reads it at a step's end and acts.
//
// A CaptureJob is shared by the loop and two workers, none of which knows which of them ends first:
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
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/record.h"
#include "lineage/settings.h"
#include "lineage/staging.h"
#include "lineage/store.h"

namespace stemma::lineage {

// What all captures of a Capturer share; constant. References outlive the workers.
struct CaptureContext {
  Store& store;
  Source& source;
  std::vector<Span> spans;
  Layout layout;
  std::string tmp_dir, run;
  uint32_t incarnation = 0;
  int rank = 0, ranks = 1;
  uint32_t writers = 1;
  bool per_rank = false;  // there are PerRank spans
  bool sharded = false;   // there are Sharded spans
  bool direct = true, direct_required = false;
};

struct CaptureJob {
  uint64_t number = 0;
  Record record;                   // as requested
  double begun_s = 0;              // SteadySeconds() at Capture()
  std::optional<uint32_t> writer;  // which one this rank is; none: nothing to write
  StagePlan stage;
  char* memory = nullptr;  // of stage.bytes bytes; belongs to the slot
  size_t slot = 0;
  std::optional<ReplicaSample>
      sample;  // the eager part is hashed by the loop, the rest by a worker

  struct Mailbox {          // guarded by CaptureRoom::mutex
    Status status;          // the first failure of any part
    bool copied = false;    // training may change the source
    bool ended = false;     // written, failed, or nothing to write: memory is free
    bool dropped = false;   // by the loop: a pack that is still to come is of no use
    bool verified = false;  // verify_fence has looked
    uint64_t audit = 0;
    PackRef pack;
    Timings timings;
    double ended_s = 0;
  } mail;
};

// The lock and the bell for all mailboxes of a Capturer.
struct CaptureRoom {
  std::mutex mutex;
  std::condition_variable news;
};

double SteadySeconds();

// W: enough bytes for each writer; every rank where ranks have bytes of their own, per rank or of
// sharded spans.
uint32_t WritersFor(const LineageSettings& settings, const Layout& layout, int ranks);

// Which writer `rank` is for capture `number`; writers are spread over the ranks, and who comes
// first rotates, so that load evens out.
std::optional<uint32_t> WriterOf(int rank, int ranks, uint32_t writers, uint64_t number);

// Copies the eager, or the other, ranges of the job and hashes that part of the sample. A failure
// goes to the mailbox: ranks fail together, at the step's end.
void CopyPart(const CaptureContext& context, CaptureRoom& room, CaptureJob& job, bool eager);

// The staged bytes against the source, for settings.verify_fence; kInternal names the span.
Status CompareWithSource(const CaptureContext& context, const CaptureJob& job);

// Writes the job's pack and makes it durable under its content's name.
void WriteJob(const CaptureContext& context, CaptureRoom& room, CaptureJob& job);

// The job is over, and with which failure (the first one counts). False: it was dropped before.
bool EndJob(CaptureRoom& room, CaptureJob& job, const Status& status);

// For a pack of a dropped capture: nothing names it and nothing will (its content says run,
// incarnation and capture), so its room goes back to a disk that may be full.
void RemovePack(const CaptureContext& context, const PackRef& pack);

}  // namespace stemma::lineage
