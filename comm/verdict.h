// Why the job does not move, told on one screen: a pure function of what the ranks' flight
// recorders say (ENGINE design, section 18.3).
//
//   const Finding finding = Judge(views, "no progress for 120 s");
//   std::fputs(finding.text.c_str(), stderr);
//
//   no progress for 120 s at step 1201
//     ranks {0,1,2}  wait in bucket 4 (layer4.2.conv3 .. fc.bias), 9.1 MB since 118 s
//     rank {3}       node7 pid 123: last finished step 1200, in data.Next() since 119 s
//   likely cause: rank 3's input; it has not made call 4711, which the others wait for
//
// Rules that pick the cause, in this order: a rank is gone, stopped or absent; sequence numbers of
// calls differ, then the lowest; the same call with other contents, a mismatch; some ranks work by
// themselves while others wait, then what they are at; all wait in the same call, the transport;
// nobody waits, a step that takes longer than the limit. Of ranks that are late together, those
// that work are to blame before those that wait themselves.
#pragma once

#include <string>
#include <vector>

#include "comm/flight_recorder.h"

namespace stemma::comm {

enum class Life : uint8_t {
  kAlive,
  kStopped,  // SIGSTOP or a debugger
  kGone,     // ended without a word
  kLeft,     // ended by itself
  kAbsent,   // has not come yet
};

struct RankView {
  Life life = Life::kAlive;
  HostRecord host;
  CallRecord pending;   // the oldest call under way; sequence 0: none
  int64_t read_ns = 0;  // when this was read, by the clock of that rank's node
};

struct Finding {
  int culprit = -1;       // the rank, or the lowest of them; -1: nobody in particular
  bool all_wait = false;  // every rank that was seen waits for others, and none is late
  std::string cause;      // one line
  std::string remedy;     // what to do now
  std::string text;       // the screen, each line ended
};

// `headline`: "no progress for 120 s"; the step is added. `views` in any order; `partial`: the job
// has ranks that are not among them.
Finding Judge(std::vector<RankView> views, const std::string& headline, bool partial = false);

// "in data.Next()", "waits in bucket 4, 9.1 MB": what a living rank is at.
std::string Doing(const RankView& view);

}  // namespace stemma::comm
