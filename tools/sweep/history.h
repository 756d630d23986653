// Everything that was recorded of a sweep, in order: trials that were proposed, outcomes,
// decisions. The controller has no other state: what is to be done next is a function of the spec
// and this list, so it may be killed anywhere and a successor that reads the records goes on.
//
//   History history;
//   STEMMA_RETURN_IF_ERROR(history.Add(event));            // from records, or just made
//   history.trials().at(3).until;                          // as the last decision left it
//   STEMMA_ASSIGN_OR_RETURN(Event event, DecodeEvent(line));   // EncodeEvent(event): one JSON line
//
// Outcomes are held by trial and step, not by arrival, so that methods cannot depend on the order
// in which runs happened to finish. Failure: kInvalidArgument for an event that contradicts what
// came before it; kCorruption for a line that is none. Owner: the controller. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/status.h"
#include "tools/sweep/trial.h"

namespace stemma::sweep {

// A trial at a step: what is judged. Ordered by trial, then step.
using Point = std::pair<TrialId, int64_t>;

// Trials that were proposed together. They may cut each other's stages; those of earlier proposals
// are shared whole or not at all, because they may have begun.
struct Proposal {
  std::vector<Trial> trials;
};

// What a trial reached at the step it was to go to. A metric that is not finite is the worst
// result of all, not a failure of the sweep.
struct Outcome {
  TrialId trial = 0;
  int64_t step = 0;
  double metric = 0;
  std::string state;  // hex id of the state that the metric is of
};

struct Decision {
  enum class Kind {
    kPromote,   // goes on to `until`: it is among the best of its rung
    kContinue,  // goes on to `until` with the settings it has; no choice was made
    kExploit,   // goes on from the state of `from` at `step`, with new parts
    kStop,      // is over; its branch may be pruned
  };
  Kind kind = Kind::kStop;
  TrialId trial = 0;
  int64_t step = 0;         // the outcome that is decided on
  int64_t until = 0;        // kStop: step
  TrialId from = 0;         // kExploit: whose state at `step` is taken
  std::vector<Part> parts;  // kExploit: the whole new path; its past is `from`'s
  std::vector<Point> saw;   // the outcomes it was decided from, ascending: enough to replay it
};

using Event = std::variant<Proposal, Outcome, Decision>;

class History {
 public:
  // Trials are proposed with ascending ids without a gap; an outcome is of a trial's `until` and
  // comes once; a decision is of a recorded outcome, and comes once.
  Status Add(Event event);

  const std::vector<Event>& events() const { return events_; }
  // As they are now: extended and replaced by decisions.
  const std::map<TrialId, Trial>& trials() const { return trials_; }
  const std::map<Point, Outcome>& outcomes() const { return outcomes_; }
  const std::map<Point, Decision>& decisions() const { return decisions_; }

  // Proposed, and not at its `until` yet.
  std::vector<TrialId> Running() const;
  bool Stopped(TrialId trial) const;
  // What a trial had done when it came to a step: what it took over at that step is not in it.
  std::vector<Part> PartsAt(TrialId trial, int64_t step) const;

 private:
  Status AddProposal(const Proposal& proposal);
  Status AddOutcome(const Outcome& outcome);
  Status AddDecision(const Decision& decision);

  std::vector<Event> events_;
  std::map<TrialId, Trial> trials_;
  std::map<Point, Outcome> outcomes_;
  std::map<Point, Decision> decisions_;
};

std::string EncodeEvent(const Event& event);  // one line of JSON, without its end
Result<Event> DecodeEvent(std::string_view line);

// "promote", "continue", "exploit", "stop".
const char* DecisionName(Decision::Kind kind);

}  // namespace stemma::sweep
