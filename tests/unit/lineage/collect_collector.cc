// The collector, and the one that takes over while it goes on.

#include "tests/unit/lineage/collect_world.h"

namespace stemma::lineage::collect_model {
namespace {

bool Marks(CollectorStep step) {
  return step == CollectorStep::kMark || step == CollectorStep::kReMark ||
         step == CollectorStep::kReMarkAfter;
}

// Where a mark leads that found a root (`reached`) or found none.
CollectorStep AfterMark(const Rules& rules, CollectorStep step, bool reached) {
  switch (step) {
    case CollectorStep::kMark:
      // Adopted packs are there in any case, so a reached one still goes through the re-marks.
      if (!reached) return CollectorStep::kTrashLook;
      return rules.first_mark ? CollectorStep::kReMark : CollectorStep::kGrace;
    case CollectorStep::kReMark:
      return reached ? CollectorStep::kBack : CollectorStep::kGrace;
    default:
      return reached ? CollectorStep::kBackAfter : CollectorStep::kUnlink;
  }
}

void EndScan(const World& world, int which, bool reached, State after, const char* what) {
  Collector& collector = after.collector[which];
  collector.at = AfterMark(world.rules, collector.at, reached);
  collector.scan = Scan::kLeases;
  collector.mark_seen = false;
  world.Add(after, which == 0 ? "collector 1" : "collector 2", what);
}

// What the base state's own log says: reached or not, given the notes read before.
void ScanWriterLog(const World& world, int which) {
  const State& before = world.before;
  const bool marked = before.collector[which].mark_seen || !world.rules.asks_for_marks;
  const auto go_on = [&](const char* what) {
    State after = before;
    after.collector[which].scan = Scan::kFork1Log;
    world.Add(after, which == 0 ? "collector 1" : "collector 2", what);
  };
  const auto see_record = [&](bool recorded) {
    if (recorded && !marked) return EndScan(world, which, true, before, "sees a live record");
    if (recorded) return go_on("sees a record with its mark");
    world.See(before.incarnation_over, [&](bool over) {
      if (over || !world.rules.asks_for_incarnation) return go_on("sees an orphan");
      EndScan(world, which, true, before, "sees a live incarnation's pack");
    });
  };
  const auto see_again = [&](bool again) {
    if (again) return EndScan(world, which, true, before, "sees the other writer's entry");
    world.See(before.base_record, see_record);
  };
  world.See(before.again_intent, [&](bool intent) {
    if (intent) return see_again(true);
    world.See(before.again_record, see_again);
  });
}

void ScanForkLog(const World& world, int which, int fork) {
  const Forker& forker = world.before.forker[fork];
  const bool last = fork + 1 >= world.cast.forkers;
  const auto go_on = [&](bool reached) {
    if (reached) return EndScan(world, which, true, world.before, "sees a fork's entry");
    if (last) return EndScan(world, which, false, world.before, "sees no root");
    State after = world.before;
    after.collector[which].scan = Scan::kFork2Log;
    world.Add(after, which == 0 ? "collector 1" : "collector 2", "sees nothing in fork 1's log");
  };
  world.See(forker.intent, [&](bool intent) {
    if (intent) return go_on(true);
    world.See(forker.record, go_on);
  });
}

// One step of a mark: leases, then notes, then logs, for a reference moves in that direction.
void StepScan(const World& world, int which) {
  const char* name = which == 0 ? "collector 1" : "collector 2";
  const State& before = world.before;
  switch (before.collector[which].scan) {
    case Scan::kLeases:
      return world.See(before.forker[0].lease, [&](bool first) {
        world.See(before.forker[1].lease, [&](bool second) {
          if (first || second) return EndScan(world, which, true, before, "sees a lease");
          State after = before;
          after.collector[which].scan = Scan::kNotes;
          world.Add(after, name, "sees no lease");
        });
      });
    case Scan::kNotes:
      return world.See(before.base_mark, [&](bool marked) {
        State after = before;
        after.collector[which].scan = Scan::kWriterLog;
        after.collector[which].mark_seen = marked;
        world.Add(after, name, marked ? "sees the mark" : "sees no mark");
      });
    case Scan::kWriterLog:
      return ScanWriterLog(world, which);
    case Scan::kFork1Log:
      return ScanForkLog(world, which, 0);
    case Scan::kFork2Log:
      return ScanForkLog(world, which, 1);
  }
}

CollectorStep AfterTrash(const Rules& rules) {
  return rules.first_mark ? CollectorStep::kReMark : CollectorStep::kGrace;
}

// The lookups and renames of the collector: adopt, trash, back.
void StepMove(const World& world, int which, const char* name) {
  State after = world.before;
  Collector& collector = after.collector[which];
  Fact& own = after.trash[which];
  const CollectorStep step = collector.at;
  const bool unlinks_other = which == 1 && !world.rules.adopts;
  switch (step) {
    case CollectorStep::kAdoptLook:
      return world.See(after.trash[0], [&](bool there) {
        collector.at = there ? CollectorStep::kAdoptRename : CollectorStep::kMark;
        world.Add(after, name, there ? "sees it in trash/1" : "sees nothing to adopt");
      });
    case CollectorStep::kAdoptRename:
      (void)world.Rename(&after.trash[0], &own);
      collector.at = CollectorStep::kMark;
      return world.Add(after, name, "adopts it into trash/2");
    case CollectorStep::kTrashLook:
      return world.See(after.objects, [&](bool there) {
        collector.at = there ? CollectorStep::kTrashRename : AfterTrash(world.rules);
        world.Add(after, name, there ? "sees it in objects" : "sees nothing to trash");
      });
    case CollectorStep::kTrashRename:
      (void)world.Rename(&after.objects, &own);
      collector.at = AfterTrash(world.rules);
      collector.waited = 0;
      return world.Add(after, name, "renames it to its trash");
    default:
      (void)world.Rename(&own, &after.objects);
      if (unlinks_other) (void)world.Rename(&after.trash[0], &after.objects);
      collector.at = step == CollectorStep::kBack ? CollectorStep::kGrace : CollectorStep::kEnd;
      return world.Add(after, name, "renames it back");
  }
}

}  // namespace

void StepCollector(const World& world, int which) {
  const char* name = which == 0 ? "collector 1" : "collector 2";
  const CollectorStep step = world.before.collector[which].at;
  if (step == CollectorStep::kEnd) return;
  if (Marks(step)) return StepScan(world, which);
  State after = world.before;
  Collector& collector = after.collector[which];
  switch (step) {
    case CollectorStep::kClaim:
      if (which == 1 && after.collector[0].at == CollectorStep::kClaim) return;
      collector.at =
          which == 1 && world.rules.adopts ? CollectorStep::kAdoptLook : CollectorStep::kMark;
      return world.Add(after, name, which == 0 ? "claims epoch 1" : "takes over as epoch 2");
    case CollectorStep::kGrace:
      if (world.cast.stale && collector.waited < world.rules.grace) return;
      collector.waited = 0;
      collector.at = world.rules.second_mark ? CollectorStep::kReMarkAfter : CollectorStep::kUnlink;
      return world.Add(after, name, "has waited the grace");
    case CollectorStep::kUnlink:
      world.Set(&after.trash[which], false);
      collector.at =
          which == 1 && !world.rules.adopts ? CollectorStep::kUnlinkOther : CollectorStep::kEnd;
      return world.Add(after, name, "unlinks in its trash");
    case CollectorStep::kUnlinkOther:
      world.Set(&after.trash[0], false);
      collector.at = CollectorStep::kEnd;
      return world.Add(after, name, "unlinks in trash/1");
    default:
      return StepMove(world, which, name);
  }
}

}  // namespace stemma::lineage::collect_model
