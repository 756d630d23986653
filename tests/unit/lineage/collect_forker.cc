// Who creates a reference to a pack that it did not write: fork, tag, undelete.

#include "tests/unit/lineage/collect_world.h"

namespace stemma::lineage::collect_model {
namespace {

uint8_t WithdrawAt(const Rules& rules) { return static_cast<uint8_t>(rules.forker.size()); }

void Advance(const Rules& rules, Forker* forker) {
  ++forker->at;
  forker->look = Look::kObjects;
  if (forker->at == WithdrawAt(rules)) forker->at = EndAt(rules);
}

bool Undeletes(const Cast& cast, int which) { return cast.second_undeletes && which == 1; }

void LookAsForker(const World& world, int which, const char* name) {
  const bool verify = StepOf(world.rules, world.before.forker[which]) == ForkerStep::kVerify;
  StepLook(world, world.before.forker[which].look,
           [&](State after, Look next, Seen seen, const char* what) {
             Forker& forker = after.forker[which];
             forker.look = next;
             if (seen == Seen::kThere) {
               forker.verified = verify && forker.intent.now;
               Advance(world.rules, &forker);
             } else if (seen == Seen::kAbsent) {
               forker.at = WithdrawAt(world.rules);
             }
             world.Add(after, name, what);
           });
}

}  // namespace

ForkerStep StepOf(const Rules& rules, const Forker& forker) {
  const size_t at = forker.at;
  if (at < rules.forker.size()) return rules.forker[at];
  return at == rules.forker.size() ? ForkerStep::kWithdraw : ForkerStep::kEnd;
}

uint8_t EndAt(const Rules& rules) { return static_cast<uint8_t>(rules.forker.size() + 1); }

void StepForker(const World& world, int which) {
  const char* name = which == 0 ? "forker 1" : "forker 2";
  const State& before = world.before;
  const bool undeletes = Undeletes(world.cast, which);
  if (!before.base_record.now) return;  // nobody has told it of the state
  if (undeletes && before.forker[which].at == 0 && !before.base_mark.now) return;
  State after = before;
  Forker& forker = after.forker[which];
  const ForkerStep step = StepOf(world.rules, forker);
  if (step == ForkerStep::kCheck || step == ForkerStep::kVerify) {
    return LookAsForker(world, which, name);
  }
  if (step == ForkerStep::kEnd) return;
  Advance(world.rules, &forker);
  switch (step) {
    case ForkerStep::kLease:
      world.Set(&forker.lease, true);
      return world.Add(after, name, "takes a lease");
    case ForkerStep::kIntent:
      world.Set(&forker.intent, true);
      return world.Add(after, name, "appends its intent");
    case ForkerStep::kRecord:
      world.Set(undeletes ? &after.base_mark : &forker.record, !undeletes);
      return world.Add(after, name, undeletes ? "cancels the mark" : "appends its record");
    case ForkerStep::kAcknowledge:
      forker.acknowledged = true;
      forker.verified = false;
      if (undeletes && !world.rules.undelete_keeps_intent) world.Set(&forker.intent, false);
      return world.Add(after, name, "acknowledges");
    case ForkerStep::kDropLease:
      world.Set(&forker.lease, false);
      return world.Add(after, name, "drops its lease");
    default:
      forker.at = EndAt(world.rules);
      world.Set(&forker.intent, false);
      world.Set(&forker.record, false);
      world.Set(&forker.lease, false);
      return world.Add(after, name, "appends withdrawn, and fails");
  }
}

}  // namespace stemma::lineage::collect_model
