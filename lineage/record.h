// The state record: the entry whose hash-valid, durable presence in a log makes a state exist. It
// names its parents, its packs and everything needed to go on bit for bit. Nothing in it changes
// later. FORMAT.md documents its bytes; record_codec encodes and decodes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace stemma::lineage {

// Raw SHA-256 (32 bytes). Text form: lower-case hex; people use a prefix of at least 8 digits.
using StateId = std::string;
using ObjectId = std::string;

// These numbers reach disk. kFork as a reason: made from other states (a fork, a reshape) and not
// captured; its cursor is the record's, whatever the state's own spans say.
enum class EdgeKind : uint8_t { kTrain = 1, kFork = 2, kReshape = 3, kImport = 4 };
enum class Reason : uint8_t { kPeriodic = 1, kRequested = 2, kSignal = 3, kFinal = 4, kFork = 5 };

// An attribute, a text: how the parent's bytes came to the ranks that went on from it, where that
// was not by reading its packs. "warm": from the memory of its parent's ranks, the same bits.
// "progressive": the first gradient was taken while parameters were known by their upper halves
// (restore.h), so this edge does not have all its parent's bits. Forks of it do not inherit this.
constexpr char kRestoreAttribute[] = "restore";
constexpr char kProgressiveName[] = "progressive";

struct Edge {
  StateId parent;
  EdgeKind kind = EdgeKind::kTrain;
};

struct PackRef {
  uint32_t writer = 0, writers = 1;  // which of the disjoint ranges
  ObjectId pack;
  uint64_t bytes = 0;  // file length
};

// Plain data, independent of the number of ranks.
struct CursorRecord {
  uint64_t seed = 0, epoch = 0, sample = 0;
};

// The settings that a state is stored with: a blob, and what a fork changed in it, as lines that
// Store::GetSettings puts in the place of the blob's (settings_text.h). A fork thus needs no blob
// of its own.
struct SettingsRef {
  ObjectId blob;        // empty: stored without settings
  std::string changes;  // empty: the blob as it is

  SettingsRef() = default;
  SettingsRef(ObjectId whole) : blob(std::move(whole)) {}  // NOLINT(google-explicit-constructor)
  bool empty() const { return blob.empty(); }
};
inline bool operator==(const SettingsRef& a, const SettingsRef& b) {
  return a.blob == b.blob && a.changes == b.changes;
}

using AttributeValue = std::variant<bool, int64_t, double, std::string>;

struct Timings {       // seconds; of the capture on rank 0
  double stall_s = 0;  // the loop waited: eager copies and the fence
  double copy_s = 0, write_s = 0, sync_s = 0;
  double commit_lag_s = 0;  // from the last pack's rename to the append
};

struct Record {
  StateId id;                 // SHA-256 of the encoded record without the id; set by the codec
  std::vector<Edge> parents;  // empty: the first state of a run from nothing
  std::string run;            // the run's ulid, 26 characters
  std::string run_name;
  uint32_t incarnation = 0;
  uint64_t capture = 0;  // counts captures of the incarnation
  ObjectId layout;
  std::vector<PackRef> packs;
  // The last so many of `packs` hold the frozen spans and nothing else: states of the same layout
  // that are made from this one name them again. 0: frozen spans lie with the others.
  uint32_t frozen_packs = 0;
  uint64_t logical_bytes = 0;  // of the state's spans
  int64_t step = 0;
  uint64_t samples = 0;
  double epoch = 0;
  CursorRecord cursor;
  SettingsRef settings;
  ObjectId environment;  // a blob
  std::string plan_digest;
  uint32_t world = 1;  // ranks that go on from it
  // Whose PerRank spans the packs hold, where that is not `world`; 0: it is.
  uint32_t ranks_held = 0;
  Reason reason = Reason::kPeriodic;
  std::map<std::string, double> metrics;             // at this step: "loss", "lr", "grad_norm"
  std::map<std::string, AttributeValue> attributes;  // "optim.t", ...; fork: "fork.set" and such
  Timings timings;
  std::string audit;    // "", "ok", or "suspect: ..."
  int64_t wall_ms = 0;  // unix time of the append; for display only
};

// How many ranks' PerRank spans the state's packs hold.
inline uint32_t RanksHeld(const Record& record) {
  return record.ranks_held == 0 ? record.world : record.ranks_held;
}

}  // namespace stemma::lineage
