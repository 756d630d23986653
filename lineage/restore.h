// Brings a state's bytes back, exactly. Every chunk is verified before it is used; a bad one names
// state, pack, tensor and byte range. Any number of ranks may read what any number wrote.
//
// Whoever can work before all of it is there lets it stream: spans become whole in the order that
// was asked for, parameters first, while the optimizer's two thirds follow behind the first forward
// and backward. The bits are the same; only the waiting is shorter.
//
//   STEMMA_ASSIGN_OR_RETURN(auto restoring, BeginRestore(store, record, spans, sink, cohort));
//   for (size_t span : needed_now) STEMMA_RETURN_IF_ERROR(restoring->WaitFor(span));
//   ...                                                                   forward, backward
//   STEMMA_RETURN_IF_ERROR(Agree(cohort, restoring->WaitAll()));          // then the first update
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
  // Until this rank has read what it reads of the span (as counted in what BeginRestore was given);
  // an error when the reading has failed before that.
  virtual Status WaitFor(size_t span) = 0;
  virtual Status WaitAll() = 0;
  // kOnce: what is to be spread, the same list on all ranks; late spans last. kEach: nothing.
  virtual const std::vector<SharedPart>& shared() const = 0;
};

// Collective: all ranks open the state and hold it against what their program wants, then agree;
// after that a few threads of each rank read. `spans` are what the program wants: each must be in
// the state with the same dtype and shape, and nothing of the state may be left over, else
// kIncompatible lists both sides. PerRank spans follow their rule when the number of ranks differs.
// Of a span that is sharded in the program each rank gets what it holds, and of one that is not all
// of it, however the state was written. Spans are read about in their order in `spans`, late ones
// last.
Result<std::unique_ptr<Restoring>> BeginRestore(const Store& store, const Record& record,
                                                std::vector<Span> spans, Sink& sink, Cohort& cohort,
                                                RestoreReads reads = RestoreReads::kEach);

// The same, all of it, every rank for itself: begin, wait, agree.
Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort);

// One span's bytes, for tools (diff, show): verified, no agreement. `rank` for PerRank spans.
Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank = 0);

}  // namespace stemma::lineage
