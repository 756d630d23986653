// Where a training begins, and under which name it is remembered. Rank 0 looks into the store and
// decides; all ranks learn the decision and open the store for reading.
//
//   start      no state of this run: from nothing, at step 0
//   continue   the run's newest whole state, bit for bit, as a new incarnation. One that another
//              build of the program left is not called exact; notes say what differs
//   fork       the run's only state is a record of `stemma fork` or of a reshape: a branch begins
//   complete   the newest state is the end of the run, or where train.stop_patience ended it:
//              nothing to do
//
// Collective; the loop's thread. Failure, the same on every rank: settings that differ from those
// the run was made with (kInvalidArgument, with the keys and the `stemma fork` line that was
// probably meant), data that are not those the newest state was trained on (a fork may change them,
// and a note says so), --fresh where something would be continued, a store that cannot be written,
// states that are all damaged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/settings.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/settings.h"

namespace stemma::models {

enum class StartKind { kStart, kContinue, kFork, kComplete };

struct Session {
  StartKind kind = StartKind::kStart;
  std::unique_ptr<lineage::Store> store;       // null: lineage.store is "", no captures
  std::unique_ptr<lineage::RunWriter> writer;  // rank 0 only
  std::string run, tmp_dir;                    // the run's ulid; where its packs are written
  uint32_t incarnation = 1;
  std::optional<lineage::Record> from;  // the state to restore
  std::string headline;                 // "continuing r50 from r50@12000, exact"
  std::vector<std::string> notes;       // worth a line each at start
};

// An attribute of every state, a text: the digest of the data that it was trained on, hex. States
// of older programs have none.
constexpr char kDataDigestKey[] = "data.digest";

struct SessionOptions {
  bool fresh = false;  // refuse to continue
  int64_t total_steps = 0;
  // A JSON object, also in every record; its "identity" says what this program was made of.
  std::string environment = {};
  std::string data_digest = {};  // of the training data, hex; "": not compared
  lineage::Storage* storage = &lineage::PosixStorage();  // of the store
};

Result<Session> OpenSession(const RunSettings& settings, const SettingsList& list,
                            const SessionOptions& options, Cohort& cohort);

}  // namespace stemma::models
