// A segment of notes in which entries can no longer be seen, put right: a frame that fails its
// digest hides itself and all that follow, and as long as it does no collector frees anything,
// since what is hidden may protect any state.
//
//   for (const std::string& file : HiddenNotes(store)) {
//     STEMMA_ASSIGN_OR_RETURN(const NotesMend mend, TryMendNotes(store, others, file));  // reads
//     STEMMA_RETURN_IF_ERROR(MendNotes(store, others, file));                          // durable
//   }
//
// Notes do not depend on their place: the greatest (clock, writer) wins, wherever it lies. So all
// that is whole, in the file or in its copies in other stores, goes to a new segment, and then the
// file is set aside under a name that no reader takes (names.h, DamagedNotes). Nothing is removed.
// Whole frames behind a bad header are found by the ulid, which their digests cover.
//
// What no copy has is lost, and named. It may have taken a prune back, so every prune of a state
// whose bytes are there still is taken back before the file goes: to prune again is easy. A crash
// leaves what is hidden hidden, for the next repair; notes that are there twice are one.
//
// A writer that has the file open looks after each append whether it still has its name, and
// repeats the note elsewhere when it has not (Store::Mark). What it appended while the file was
// read is found in the file that is set aside, by this repair or by the next.
//
// One thread. Failure: kIncompatible for a newer program's segment; else as Storage.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::lineage {

// Files in notes/: segments that hide some, and such as were set aside and hold some that no
// segment has. What cannot be read at all is passed over; fsck says so.
std::vector<std::string> HiddenNotes(const Store& store);

struct NotesMend {
  std::vector<std::string> notes;  // payloads
  std::vector<std::string> from;   // the other stores' files that gave some
  std::vector<std::string> lost;   // "bytes [44, 210), by what is left of it 'verdict' of 9f3c21aa"
};

Result<NotesMend> TryMendNotes(const Store& store, const std::vector<const Store*>& others,
                               const std::string& file);
Status MendNotes(Store& store, const std::vector<const Store*>& others, const std::string& file);

}  // namespace stemma::lineage
