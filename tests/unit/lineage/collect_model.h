#pragma once
// The collector's protocol as a model small enough to explore completely.
//
// One pack, and everybody who may touch it: the writer that made it, two who fork from its state,
// one who restores, one who prunes, two collectors. Each holds a program counter; each lookup, each
// rename, each append and each scan of one log is one atomic step; the steps of all interleave in
// every order. Besides: anybody dies for ever at any moment, a lease expires, a second collector
// takes over while the first goes on. Explore (collect_search.h) visits every reachable state.
//
// What must hold in all of them:
//   I1  the pack of an acknowledged state exists somewhere, in objects/ or in a trash folder
//   I2  so does the pack of a durable record that bears no prune mark
//   I3  unlink takes no last copy from who holds a verified intent, or a pack just published
//
// Each safety rule is a member of Rules, so that a test can take it away and see what is lost.
//
// Time exists only where views may be stale: a tick ages everything by one unit, and a lookup or a
// scan may answer what was true up to kStaleFor ticks ago. Renames and appends act on what is.
//
// What it does not model: more than one pack of a state, and renames lost with the power. Tags and
// notes are forks here: a root that begins to name a pack which its writer did not make.
//
// Example:  Rules rules;  rules.second_mark = rules.first_mark = false;
//           const Found found = Explore(rules, Cast{});   // found.broken: "I3: ..."
//
// Owner: whoever calls; values. Thread: any. Failure: none.
// Source: our own protocol; its steps, in order, are the enumerations below.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace stemma::lineage::collect_model {

inline constexpr uint8_t kStaleFor = 1;  // A, in ticks

// Who creates a reference to a pack it did not write: a lease is a hint to collectors; check and
// verify open the pack; the intent, in its own log, is a root that never expires by time; the
// record makes the state exist. A verify that fails ends in withdrawn. The collector: adopts what
// older epochs left in their trash, marks, renames what nothing reaches to its own trash, marks
// again, waits the grace, marks again, and unlinks in its own trash only. What each does, in order.
// An actor that died is at its kEnd: neither does anything more.
enum class ForkerStep : uint8_t {
  kLease,
  kCheck,
  kIntent,
  kVerify,
  kRecord,
  kAcknowledge,
  kDropLease,
  kWithdraw,
  kEnd
};
enum class CollectorStep : uint8_t {
  kClaim,
  kAdoptLook,
  kAdoptRename,
  kMark,
  kTrashLook,
  kTrashRename,
  kReMark,
  kBack,
  kGrace,
  kReMarkAfter,
  kBackAfter,
  kUnlink,
  kUnlinkOther,
  kEnd
};
enum class WriterStep : uint8_t { kIntent, kLook, kPublish, kRecord, kEnd };
enum class RestorerStep : uint8_t { kReadMark, kOpen, kEnd };
enum class PrunerStep : uint8_t { kMark, kEnd };

// Opening a pack, for all who do it: objects/, each trash folder with the rename back, objects/
// once more.
enum class Look : uint8_t { kObjects, kTrash1, kBack1, kTrash2, kBack2, kOnceMore };
// The parts of one mark, each a step: what it reads next.
enum class Scan : uint8_t { kLeases, kNotes, kWriterLog, kFork1Log, kFork2Log };

// A fact on the disk, and for how many ticks the opposite may still be seen.
struct Fact {
  bool now : 1;
  uint8_t other_age : 7;  // kLong: nobody sees the opposite any more
};
inline constexpr uint8_t kLong = 7;

struct Forker {
  uint8_t at;  // index into Rules::forker
  Look look;
  Fact lease, intent, record;
  bool verified;      // looked after the intent, and found the pack
  bool acknowledged;  // told its caller that the state exists
};

struct Collector {
  CollectorStep at;
  Scan scan;
  bool mark_seen : 1;  // of the base state, in the mark that goes on
  uint8_t waited : 7;  // ticks since the trash rename returned
};

// Everything. Only bytes, so that states compare and hash as memory.
struct State {
  Fact objects;
  std::array<Fact, 2> trash;  // of epoch 1 and 2
  Fact base_record, base_mark;
  Fact incarnation_over;  // closed, superseded for longer than G, or declared dead
  Fact again_intent, again_record;
  WriterStep writer;
  RestorerStep restorer;
  Look restorer_look;
  PrunerStep pruner;
  std::array<Forker, 2> forker;
  std::array<Collector, 2> collector;
};
static_assert(sizeof(State) == 32, "no padding: states are compared as memory");

// Who takes part.
struct Cast {
  int forkers = 1;
  int collectors = 1;
  bool restorer = false;
  bool pruner = true;             // else the base state bears its mark from the start
  bool writer = false;            // else base state and pack are there from the start
  bool writes_again = false;      // the writer writes content that the base state has already
  bool second_undeletes = false;  // forker 2 cancels the base state's mark instead of forking
  bool stale = false;             // views may be old by kStaleFor ticks
};

// The protocol's rules; as they stand, all that the real one has.
struct Rules {
  std::vector<ForkerStep> forker = {
      ForkerStep::kLease,  ForkerStep::kCheck,       ForkerStep::kIntent,   ForkerStep::kVerify,
      ForkerStep::kRecord, ForkerStep::kAcknowledge, ForkerStep::kDropLease};
  uint8_t grace = 3 * kStaleFor;  // G, in ticks; counts only where views are stale
  bool first_mark = true;         // re-mark right after the trash rename
  bool second_mark = true;        // re-mark after the grace
  bool lease_expires = true;
  bool intent_expires = false;
  bool adopts = true;                // else collector 2 unlinks from the trash of collector 1
  bool asks_for_marks = true;        // frees only what bears a prune mark
  bool asks_for_incarnation = true;  // keeps what a live incarnation wrote and did not yet record
  bool again_intends = true;         // writing existing content is a reference: intent first
  bool superseded_stops = true;      // an incarnation is over only when its process is gone
  bool undelete_keeps_intent = true;
};

// One step of somebody, and the state after it.
struct Step {
  State state;
  const char* actor;
  const char* what;
};

State Initial(const Cast& cast);

// All steps that can be taken in `state`.
void AppendSteps(const Rules& rules, const Cast& cast, const State& state,
                 std::vector<Step>* steps);

// The invariant that `state` breaks, or null. `only_i1`: ask for I1 alone.
const char* Broken(const Rules& rules, const Cast& cast, const State& state, bool only_i1);

}  // namespace stemma::lineage::collect_model
