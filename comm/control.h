// The control word: one small asynchronous reduction per step that tells every rank the same thing.
// Do all ranks agree on plan, step and data? Does anybody want to stop, capture, or report failure?
// Has everybody written its part of a capture?
//
//   Mine mine;
//   mine.agree = hash of (plan digest, launched buckets, cursor);
//   if (signalled) mine.any |= kAnyStop;
//   Result<Verdict> verdict = control.EndStep(step, mine);     // step 0, 1, 2, ... once each
//
// EndStep posts the word of `step` and waits for that of `step - lag` (lag 1 by default): so a wish
// raised in step s is known to all at the end of step s+1, at the same step on every rank, and
// never earlier on some. Nobody acts on anything but a Verdict.
//
// One operator, bitwise OR over eight 64-bit words: an AND travels as the OR of inverses, and
// OR(h) == ~OR(~h) exactly when all h are equal. (Max would tell unequal hashes apart as well, but
// it loses flags: max(0b01, 0b10) drops one.)
//
// Thread: the training loop's, alone. Owned by the World.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

enum AnyFlag : uint32_t {  // raised when at least one rank raises it
  kAnyStop = 1u << 0,      // a signal, a time limit, a STOP file
  kAnyCapture = 1u << 1,   // a signal, a SAVE file
  kAnyFailed = 1u << 2,    // this rank cannot go on; its text is fetched in a second round
  kAnyNonFinite = 1u << 3,
  kAnyCaptureFailed = 1u << 4,
};
enum AllFlag : uint32_t {  // set in the verdict only when every rank sets it
  kAllCaptureWritten = 1u << 0,
  kAllHasData = 1u << 1,
  kAllTrace = 1u << 2,  // rank 0 wishes to trace; the others set it always
};

struct Mine {
  uint64_t agree = 0;  // must be equal on all ranks, or the step fails on all of them
  uint32_t any = 0;
  uint32_t all = 0;
  uint64_t audit = 0;  // compared like `agree`, but a difference is only reported
  std::string text;    // why kAnyFailed, or what a disagreement should print: not sent otherwise
  Code code = Code::kInternal;  // of `text`, with kAnyFailed: the job's verdict and exit code
};

struct Verdict {
  int64_t step = -1;  // the step this speaks about; -1: no word yet (the first step of lag 1)
  uint32_t any = 0;
  uint32_t all = 0;
  bool audit_equal = true;
  uint64_t raised_by = 0;  // bit (rank mod 64) of every rank that raised any flag
};

class Control {
 public:
  virtual ~Control() = default;
  // On disagreement about `agree`, or when a rank failed, every rank gets the same error, which
  // names ranks grouped by what they said ("step 1201: ranks {0,1,2} ..., rank {3} ...").
  virtual Result<Verdict> EndStep(int64_t step, const Mine& mine) = 0;
  // The words posted and not yet read, oldest first; nullopt when there is none. At a run's end.
  virtual Result<std::optional<Verdict>> Drain() = 0;
};

// What carries the words: all ranks post, and later collect their bitwise OR, in the same order.
// comm/words.h has one over MPI and one over threads, comm/node_cohort.h one in memory of the node.
class WordExchange {
 public:
  using Words = std::array<uint64_t, 8>;
  virtual ~WordExchange() = default;
  virtual Status Post(const Words& words) = 0;               // returns at once
  virtual Result<Words> Collect(std::string_view what) = 0;  // the oldest that was posted
};

// `lag` is 0 or 1. `texts` serves the second round, in which ranks that disagree say why; it is
// used by nobody else.
std::unique_ptr<Control> MakeControl(std::unique_ptr<WordExchange> words,
                                     std::unique_ptr<Cohort> texts, int64_t lag);

}  // namespace stemma::comm
