// Quarantine: a state whose bytes were found damaged is not gone on from, until they are good
// again. It is a note (marks.h, kQuarantinedKey), so it is durable, says by whom and when, and
// deletes nothing: the packs stay where they are, since they may be mended.
//
//   STEMMA_ASSIGN_OR_RETURN(const VerifyReport report, VerifyStates(store, graph, ids, {}));
//   STEMMA_ASSIGN_OR_RETURN(const QuarantineChanges changes,
//                           RecordQuarantine(store, report.damaged, ids));
//   STEMMA_ASSIGN_OR_RETURN(const DamageVerdict verdict, JudgeFailedRestore(store, id));
//
// The note names pack, tensor and byte range. It is set by whoever reads all bytes of a state and
// finds other ones: `stemma verify`, `stemma fsck --read-data`, a training whose restore failed. It
// is lifted by whoever reads all of them again and finds them good: `stemma verify` of that state,
// `stemma fsck --read-data`, or a repair. ResumePoint passes over a quarantined state, and no fork
// is made of one.
//
// One thread. Failure: as Store::Load() and Store::Mark(); the notes before the failure stand, and
// doing it again adds only what is missing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "lineage/verify.h"

namespace stemma::lineage {

struct QuarantineChanges {
  std::vector<StateId> set, lifted;
};

// The bytes were seen to be missing or wrong. False where they could only not be looked at.
bool IsEvidence(const Damage& damage);

// Of one state, all of whose damage is in `damaged`: "pack 5be1c07d00112233: 'w1': bytes [a, b) do
// not have their digest; ...". The same damage gives the same text, whoever found it.
std::string DamageText(const std::vector<Damage>& damaged, const StateId& state);

// Quarantines every state that has evidence against it in `damaged`, and lifts those of `read` that
// have none. `read`: every byte of them was just looked at, and what was found is in `damaged`.
// Notes are written only where something changes, by what the store says now; pruned states have
// given their bytes up and are left alone.
Result<QuarantineChanges> RecordQuarantine(Store& store, const std::vector<Damage>& damaged,
                                           const std::vector<StateId>& read);

// After a restore of `state` failed: reads all of it again and records what that shows. `said`: the
// failure's own text; places that it names are not named again.
struct DamageVerdict {
  bool quarantined = false;
  bool restart_helps = false;  // and its run has another state to go on from
  std::string text;            // what is damaged and the ways out, or that the bytes are good now
};
Result<DamageVerdict> JudgeFailedRestore(Store& store, const StateId& state,
                                         std::string_view said = {});

// "quarantined by ana@node7 on ... (pack ...); `stemma fsck --repair ...", "" when it is not.
std::string QuarantineWords(const Store& store, const Graph& graph, const StateId& state);

}  // namespace stemma::lineage
