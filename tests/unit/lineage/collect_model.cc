#include "tests/unit/lineage/collect_model.h"

#include "tests/unit/lineage/collect_world.h"

namespace stemma::lineage::collect_model {
namespace {

Fact Known(bool value) { return {value, kLong}; }

bool Exists(const State& state) {
  return state.objects.now || state.trash[0].now || state.trash[1].now;
}

// A new pack, or content that the base state has already: then as the store writes what it finds
// to be there, which is a reference like a fork's.
void StepWriter(const World& world) {
  const char* name = "writer";
  const bool again = world.cast.writes_again;
  State after = world.before;
  switch (after.writer) {
    case WriterStep::kIntent:
      if (!again) after.writer = WriterStep::kPublish;
      if (again) after.writer = WriterStep::kLook;
      if (again && world.rules.again_intends) world.Set(&after.again_intent, true);
      return world.Add(after, name, "begins");
    case WriterStep::kLook:
      return world.See(after.objects, [&](bool there) {
        after.writer = there ? WriterStep::kRecord : WriterStep::kPublish;
        world.Add(after, name, there ? "sees the content in objects" : "misses the content");
      });
    case WriterStep::kPublish:
      world.Set(&after.objects, true);
      after.writer = WriterStep::kRecord;
      return world.Add(after, name, "renames its pack into objects");
    case WriterStep::kRecord:
      world.Set(again ? &after.again_record : &after.base_record, true);
      after.writer = WriterStep::kEnd;
      return world.Add(after, name, "appends its record");
    case WriterStep::kEnd:
      return;
  }
}

void StepRestorer(const World& world) {
  const State& before = world.before;
  if (!before.base_record.now) return;
  if (before.restorer == RestorerStep::kReadMark) {
    return world.See(before.base_mark, [&](bool marked) {
      State after = before;
      after.restorer = marked ? RestorerStep::kEnd : RestorerStep::kOpen;
      world.Add(after, "restorer", marked ? "is refused: pruned" : "sees no mark");
    });
  }
  if (before.restorer == RestorerStep::kEnd) return;
  StepLook(world, before.restorer_look, [&](State after, Look next, Seen seen, const char* what) {
    after.restorer_look = seen == Seen::kNotYet ? next : Look::kObjects;
    if (seen != Seen::kNotYet) after.restorer = RestorerStep::kEnd;
    world.Add(after, "restorer", what);
  });
}

void StepPruner(const World& world) {
  State after = world.before;
  if (after.pruner == PrunerStep::kEnd || !after.base_record.now) return;
  world.Set(&after.base_mark, true);
  after.pruner = PrunerStep::kEnd;
  world.Add(after, "pruner", "marks the base state");
}

// ---- what happens to them -----------------------------------------------------------------------

void Die(const World& world) {
  const State& before = world.before;
  State after = before;
  for (int i = 0; i < world.cast.forkers; ++i, after = before) {
    Forker& forker = after.forker[i];
    if (StepOf(world.rules, forker) == ForkerStep::kEnd) continue;
    forker.at = EndAt(world.rules);
    forker.look = Look::kObjects;
    forker.verified = false;
    world.Add(after, i == 0 ? "forker 1" : "forker 2", "dies");
  }
  for (int i = 0; i < world.cast.collectors; ++i, after = before) {
    if (after.collector[i].at == CollectorStep::kEnd) continue;
    if (after.collector[i].at == CollectorStep::kClaim) continue;  // it has done nothing
    after.collector[i] = {CollectorStep::kEnd, Scan::kLeases, false, 0};
    world.Add(after, i == 0 ? "collector 1" : "collector 2", "dies");
  }
  if (after.writer != WriterStep::kEnd) {
    after.writer = WriterStep::kEnd;
    world.Add(after, "writer", "dies");
    after = before;
  }
  if (after.restorer == RestorerStep::kOpen) {
    after.restorer = RestorerStep::kEnd;
    after.restorer_look = Look::kObjects;
    world.Add(after, "restorer", "dies");
  }
}

void Expire(const World& world) {
  const State& before = world.before;
  for (int i = 0; i < world.cast.forkers; ++i) {
    State after = before;
    if (world.rules.lease_expires && before.forker[i].lease.now) {
      world.Set(&after.forker[i].lease, false);
      world.Add(after, "time", i == 0 ? "lets lease 1 expire" : "lets lease 2 expire");
    }
    after = before;
    if (world.rules.intent_expires && before.forker[i].intent.now) {
      world.Set(&after.forker[i].intent, false);
      world.Add(after, "time", i == 0 ? "lets intent 1 expire" : "lets intent 2 expire");
    }
  }
  const bool gone = before.writer == WriterStep::kEnd || !world.rules.superseded_stops;
  const bool long_ago = before.base_record.other_age == kLong;
  if (world.cast.writer && gone && long_ago && !before.incarnation_over.now) {
    State after = before;
    world.Set(&after.incarnation_over, true);
    world.Add(after, "time", "has the writer's incarnation superseded for longer than the grace");
  }
}

void Age(Fact* fact) {
  if (fact->other_age == kLong) return;
  fact->other_age = fact->other_age >= kStaleFor ? kLong : fact->other_age + 1;
}

void Tick(const World& world) {
  if (!world.cast.stale) return;
  State after = world.before;
  for (Fact* fact :
       {&after.objects, &after.trash[0], &after.trash[1], &after.base_record, &after.base_mark,
        &after.incarnation_over, &after.again_intent, &after.again_record}) {
    Age(fact);
  }
  for (Forker& forker : after.forker) {
    for (Fact* fact : {&forker.lease, &forker.intent, &forker.record}) Age(fact);
  }
  for (Collector& collector : after.collector) {
    const bool waits = collector.at == CollectorStep::kGrace;
    if (waits && collector.waited < world.rules.grace) ++collector.waited;
  }
  world.Add(after, "time", "passes");
}

}  // namespace

State Initial(const Cast& cast) {
  State state = {};
  const bool base = !cast.writer || cast.writes_again;
  state.objects = state.base_record = Known(base);
  state.base_mark = Known(base && !cast.pruner);
  state.incarnation_over = Known(cast.writes_again);
  state.trash = {Known(false), Known(false)};
  state.again_intent = state.again_record = Known(false);
  state.writer = cast.writer ? WriterStep::kIntent : WriterStep::kEnd;
  state.restorer = cast.restorer ? RestorerStep::kReadMark : RestorerStep::kEnd;
  state.pruner = cast.pruner ? PrunerStep::kMark : PrunerStep::kEnd;
  for (Forker& forker : state.forker) {
    forker.lease = forker.intent = forker.record = Known(false);
  }
  return state;
}

void AppendSteps(const Rules& rules, const Cast& cast, const State& state,
                 std::vector<Step>* steps) {
  const World world = {rules, cast, state, steps};
  for (int i = 0; i < cast.forkers; ++i) StepForker(world, i);
  for (int i = 0; i < cast.collectors; ++i) StepCollector(world, i);
  StepWriter(world);
  StepRestorer(world);
  StepPruner(world);
  Die(world);
  Expire(world);
  Tick(world);
}

const char* Broken(const Rules& rules, const Cast& cast, const State& state, bool only_i1) {
  if (Exists(state)) return nullptr;
  for (int i = 0; i < cast.forkers; ++i) {
    const Forker& forker = state.forker[i];
    if (forker.acknowledged) return "I1: the pack of an acknowledged state is gone";
    if (only_i1) continue;
    if (forker.record.now) return "I2: the pack of a durable record is gone";
    if (forker.verified) return "I3: unlinked under a verified intent";
  }
  if (only_i1) return nullptr;
  if (state.base_record.now && !state.base_mark.now) {
    return "I2: the pack of a state without a mark is gone";
  }
  if (state.again_record.now) return "I2: the pack of a durable record is gone";
  const bool published = state.writer == WriterStep::kRecord;
  if (published && (rules.again_intends || !cast.writes_again)) {
    return "I3: unlinked a pack that its writer is about to record";
  }
  return nullptr;
}

}  // namespace stemma::lineage::collect_model
