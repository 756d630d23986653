#pragma once
// What the actors of the collector's model share: one step's surroundings, and opening a pack.
//
// An actor is a function that adds the steps it can take. It copies the state before, changes the
// copy, and adds it. Two rules make it fair: See answers as a lookup does, where views are stale
// with either answer; Set and Rename act on what is.
//
// Example:  State after = world.before;
//           world.Set(&after.objects, true);
//           world.Add(after, "writer", "renames its pack into objects");
//
// Owner: the one call of AppendSteps it lives in. Thread: any. Failure: none.

#include <cstdint>
#include <vector>

#include "tests/unit/lineage/collect_model.h"

namespace stemma::lineage::collect_model {

// What a step needs: the rules, the state before, and where the states after it go.
struct World {
  const Rules& rules;
  const Cast& cast;
  const State& before;
  std::vector<Step>* steps;

  void Add(const State& after, const char* actor, const char* what) const {
    steps->push_back({after, actor, what});
  }
  void Set(Fact* fact, bool value) const {
    if (fact->now != value) *fact = {value, cast.stale ? uint8_t{0} : kLong};
  }
  // Calls `then` with what is, and with what was, where that may still be seen.
  template <typename Then>
  void See(const Fact& fact, Then then) const {
    then(fact.now);
    if (fact.other_age != kLong) then(!fact.now);
  }
  // Renames as the disk does it: of what is, whatever was seen.
  bool Rename(Fact* from, Fact* to) const {
    if (!from->now) return false;
    Set(from, false);
    Set(to, true);
    return true;
  }
};

enum class Seen { kNotYet, kThere, kAbsent };

// One step of opening the pack. `then(after, next look, outcome, what)`.
template <typename Then>
void StepLook(const World& world, Look look, Then then) {
  const State& before = world.before;
  const auto rename_back = [&](int epoch, Look next, const char* what) {
    State after = before;
    const bool back = world.Rename(&after.trash[epoch], &after.objects);
    then(after, next, back ? Seen::kThere : Seen::kNotYet, what);
  };
  switch (look) {
    case Look::kObjects:
      return world.See(before.objects, [&](bool there) {
        then(before, Look::kTrash1, there ? Seen::kThere : Seen::kNotYet,
             there ? "sees the pack in objects" : "misses the pack in objects");
      });
    case Look::kTrash1:
      return world.See(before.trash[0], [&](bool there) {
        then(before, there ? Look::kBack1 : Look::kTrash2, Seen::kNotYet,
             there ? "sees it in trash/1" : "misses it in trash/1");
      });
    case Look::kBack1:
      return rename_back(0, Look::kTrash2, "renames back from trash/1");
    case Look::kTrash2:
      return world.See(before.trash[1], [&](bool there) {
        then(before, there ? Look::kBack2 : Look::kOnceMore, Seen::kNotYet,
             there ? "sees it in trash/2" : "misses it in trash/2");
      });
    case Look::kBack2:
      return rename_back(1, Look::kOnceMore, "renames back from trash/2");
    case Look::kOnceMore:
      return world.See(before.objects, [&](bool there) {
        then(before, Look::kObjects, there ? Seen::kThere : Seen::kAbsent,
             there ? "sees it in objects after all" : "finds it nowhere");
      });
  }
}

ForkerStep StepOf(const Rules& rules, const Forker& forker);
// Where a forker's program counter stands that does nothing more.
uint8_t EndAt(const Rules& rules);

void StepForker(const World& world, int which);     // collect_forker.cc
void StepCollector(const World& world, int which);  // collect_collector.cc

}  // namespace stemma::lineage::collect_model
