#include "tools/sweep/plan.h"

#include <algorithm>

namespace stemma::sweep {

Result<StageTree> TreeOf(const SweepSpec& spec, const Base& base, const History& history) {
  StageTree tree(base, spec.ranks_per_trial, spec.share_min);
  History so_far;
  for (const Event& event : history.events()) {
    STEMMA_RETURN_IF_ERROR(so_far.Add(event));
    if (const auto* proposal = std::get_if<Proposal>(&event)) {
      STEMMA_RETURN_IF_ERROR(tree.Add(proposal->trials));
    } else if (const auto* decision = std::get_if<Decision>(&event)) {
      if (decision->kind == Decision::Kind::kStop) continue;
      STEMMA_RETURN_IF_ERROR(tree.Add({so_far.trials().at(decision->trial)}));
    }
  }
  return tree;
}

Result<std::vector<Event>> NextEvents(const Method& method, const History& history,
                                      int64_t free_slots) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Decision> decisions, method.Decide(history));
  std::vector<Event> events(decisions.begin(), decisions.end());
  if (!events.empty()) return events;
  Proposal proposal;
  STEMMA_ASSIGN_OR_RETURN(proposal.trials, method.Propose(history, free_slots));
  if (!proposal.trials.empty()) events.emplace_back(std::move(proposal));
  return events;
}

std::string RunName(const SweepSpec& spec, const Stage& stage) {
  return spec.name + "." + stage.key.substr(0, 12);
}

Result<History> Rehearse(const SweepSpec& spec, const Method& method, const Curve& curve) {
  History history;
  for (;;) {
    for (bool more = true; more;) {
      const auto busy = static_cast<int64_t>(history.Running().size());
      STEMMA_ASSIGN_OR_RETURN(const std::vector<Event> events,
                              NextEvents(method, history, std::max<int64_t>(0, spec.slots - busy)));
      more = !events.empty();
      for (const Event& event : events) STEMMA_RETURN_IF_ERROR(history.Add(event));
    }
    const Trial* next = nullptr;
    for (const TrialId id : history.Running()) {
      const Trial& trial = history.trials().at(id);
      if (!next || trial.until < next->until) next = &trial;
    }
    if (!next) return history;
    STEMMA_RETURN_IF_ERROR(
        history.Add(Outcome{next->id, next->until, curve(*next, next->until), ""}));
  }
}

}  // namespace stemma::sweep
