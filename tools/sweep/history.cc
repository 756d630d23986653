#include "tools/sweep/history.h"

#include <string>

namespace stemma::sweep {
namespace {

std::string Name(TrialId trial) { return "trial " + std::to_string(trial); }

std::string Name(const Point& point) {
  return Name(point.first) + " at step " + std::to_string(point.second);
}

Status Bad(const std::string& what) { return {Code::kInvalidArgument, "sweep's records: " + what}; }

// Parts that somebody wrote: ascending, and at least one.
Status CheckParts(TrialId trial, const std::vector<Part>& parts) {
  if (parts.empty()) return Bad(Name(trial) + " has no settings");
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].begin <= parts[i - 1].begin) {
      return Bad(Name(trial) + " has parts that do not ascend");
    }
  }
  return {};
}

}  // namespace

Status History::Add(Event event) {
  Status status;
  if (const auto* proposal = std::get_if<Proposal>(&event)) {
    status = AddProposal(*proposal);
  } else if (const auto* outcome = std::get_if<Outcome>(&event)) {
    status = AddOutcome(*outcome);
  } else {
    status = AddDecision(std::get<Decision>(event));
  }
  STEMMA_RETURN_IF_ERROR(status);
  events_.push_back(std::move(event));
  return {};
}

Status History::AddProposal(const Proposal& proposal) {
  auto next = static_cast<TrialId>(trials_.size());
  for (const Trial& trial : proposal.trials) {
    if (trial.id != next++) {
      return Bad(Name(trial.id) + " is proposed where trial " + std::to_string(next - 1) +
                 " is due");
    }
    STEMMA_RETURN_IF_ERROR(CheckParts(trial.id, trial.parts));
    if (trial.until <= trial.parts[0].begin) return Bad(Name(trial.id) + " has no steps");
  }
  for (const Trial& trial : proposal.trials) trials_[trial.id] = trial;
  return {};
}

Status History::AddOutcome(const Outcome& outcome) {
  const Point point(outcome.trial, outcome.step);
  const auto trial = trials_.find(outcome.trial);
  if (trial == trials_.end())
    return Bad("an outcome of " + Name(point) + ", which nobody proposed");
  if (trial->second.until != outcome.step) {
    return Bad("an outcome of " + Name(point) + ", but it is judged at step " +
               std::to_string(trial->second.until));
  }
  if (outcomes_.count(point) > 0) return Bad("a second outcome of " + Name(point));
  outcomes_[point] = outcome;
  return {};
}

Status History::AddDecision(const Decision& decision) {
  const Point point(decision.trial, decision.step);
  if (outcomes_.count(point) == 0)
    return Bad("a decision on " + Name(point) + " before its outcome");
  if (decisions_.count(point) > 0) return Bad("a second decision on " + Name(point));
  Trial& trial = trials_.at(decision.trial);
  for (const Point& seen : decision.saw) {
    if (outcomes_.count(seen) == 0) {
      return Bad("the decision on " + Name(point) + " saw " + Name(seen) +
                 ", which is not recorded");
    }
  }
  if (decision.kind != Decision::Kind::kStop) {
    if (decision.until <= decision.step) {
      return Bad("the decision on " + Name(point) + " sends it to step " +
                 std::to_string(decision.until));
    }
    if (decision.kind == Decision::Kind::kExploit) {
      if (outcomes_.count({decision.from, decision.step}) == 0) {
        return Bad("the decision on " + Name(point) + " takes over " +
                   Name(Point(decision.from, decision.step)) + ", which is not recorded");
      }
      STEMMA_RETURN_IF_ERROR(CheckParts(decision.trial, decision.parts));
      trial.parts = decision.parts;
      trial.inherited = decision.step;
    }
    trial.until = decision.until;
  }
  decisions_[point] = decision;
  return {};
}

bool History::Stopped(TrialId trial) const {
  const auto found = trials_.find(trial);
  if (found == trials_.end()) return false;
  const auto decision = decisions_.find({trial, found->second.until});
  return decision != decisions_.end() && decision->second.kind == Decision::Kind::kStop;
}

std::vector<TrialId> History::Running() const {
  std::vector<TrialId> running;
  for (const auto& [id, trial] : trials_) {
    if (outcomes_.count({id, trial.until}) == 0) running.push_back(id);
  }
  return running;
}

std::vector<Part> History::PartsAt(TrialId trial, int64_t step) const {
  std::vector<Part> parts;
  for (const Event& event : events_) {
    if (const auto* proposal = std::get_if<Proposal>(&event)) {
      for (const Trial& one : proposal->trials) {
        if (one.id == trial) parts = one.parts;
      }
    } else if (const auto* made = std::get_if<Decision>(&event)) {
      const bool before = made->trial == trial && made->step < step;
      if (before && made->kind == Decision::Kind::kExploit) parts = made->parts;
    }
  }
  return parts;
}

const char* DecisionName(Decision::Kind kind) {
  switch (kind) {
    case Decision::Kind::kPromote:
      return "promote";
    case Decision::Kind::kContinue:
      return "continue";
    case Decision::Kind::kExploit:
      return "exploit";
    case Decision::Kind::kStop:
      return "stop";
  }
  return "unknown";
}

}  // namespace stemma::sweep
