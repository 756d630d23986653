// Brings a state's bytes back, exactly. Every chunk is verified before it is used; a bad one names
// state, pack, tensor and byte range. Any number of ranks may read what any number wrote.
//
// Whoever can work before all of it is there lets it stream: spans become whole in the order that
// was asked for, eager ones and parameters first, while the optimizer's two thirds follow behind
// the first forward and backward. The bits are the same; only the waiting is shorter.
//
//   STEMMA_ASSIGN_OR_RETURN(auto restoring, BeginRestore(store, record, spans, sink, cohort));
//   for (size_t span : needed_now) STEMMA_RETURN_IF_ERROR(restoring->WaitFor(span));
//   ...                                                                   forward, backward
//   STEMMA_RETURN_IF_ERROR(Agree(cohort, restoring->WaitAll()));          // then the first update
//
// Tools that look at a span or two of a state read it with reader/state_reader.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

// The spans as they were captured, in order; the small ones too.
Result<std::vector<Span>> SpansOf(const Store& store, const Record& record);

// Who reads what all ranks want alike. kOnce: each rank 1/N of it, so that the file system delivers
// the state once however many ranks there are; the caller then spreads what each has read
// (lineage/ moves no bytes between ranks). What a rank alone wants it reads itself.
enum class RestoreReads { kEach, kOnce };

// kExact: bit for bit. kProgressive: of f32 spans that are neither eager nor late (the parameters)
// the upper 16 bits come first, a sixth of a state under Adam instead of a third, and the value in
// the middle of what they leave open stands there (planes.h, FillMidpoint): off by at most 2^-8 of
// itself. The lower halves are read last and given to Sink::WriteLow inside WaitAll; from then on
// every bit is the state's. What was computed before that is not what the state would have given,
// so this is for forks and for evaluation, and whoever trains on from it records it: record.h,
// kRestoreAttribute.
enum class RestoreMode { kExact, kProgressive };

// Bytes [offset, offset + bytes) of a span, which rank `reader` reads for all.
struct SharedPart {
  size_t span = 0;
  uint64_t offset = 0, bytes = 0;
  int reader = 0;
};

// A restore under way. Owner: the caller; `store` and the sink outlive it, and nobody else touches
// a span's bytes before it is whole. Ending it early stops the reading and leaves the rest unread.
// Calls from one thread, none of them collective: a failure is this rank's until ranks have agreed.
class Restoring {
 public:
  virtual ~Restoring() = default;
  // Until this rank has read what it reads of the span (as counted in what BeginRestore was given;
  // kProgressive: its upper halves); an error when the reading has failed before that.
  virtual Status WaitFor(size_t span) = 0;
  // kOnce: until shared()[i] is read, where this rank is its reader.
  virtual Status WaitForPart(size_t i) = 0;
  // Until all is read, lower halves too, and handed to the sink.
  virtual Status WaitAll() = 0;
  // kOnce: what is to be spread, the same list on all ranks; eager spans first, late ones last; the
  // parts of one reader that follow each other are read by its threads at a time. kEach: nothing.
  // kProgressive: parts whose lower halves came in WaitAll are spread once more after it.
  virtual const std::vector<SharedPart>& shared() const = 0;
};

// Collective: all ranks open the state and hold it against what their program wants, then agree;
// after that a few threads of each rank read. `spans` are what the program wants: each must be in
// the state with the same dtype and shape, and nothing of the state may be left over, else
// kIncompatible lists both sides. PerRank spans follow their rule when the number of ranks differs.
// Of a span that is sharded in the program each rank gets what it holds, and of one that is not all
// of it, however the state was written. Spans are read about in their order in `spans`, but eager
// ones first and late ones last.
Result<std::unique_ptr<Restoring>> BeginRestore(const Store& store, const Record& record,
                                                std::vector<Span> spans, Sink& sink, Cohort& cohort,
                                                RestoreReads reads = RestoreReads::kEach,
                                                RestoreMode mode = RestoreMode::kExact);

// The same, all of it, every rank for itself: begin, wait, agree.
Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort);

}  // namespace stemma::lineage
