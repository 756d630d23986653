// Every path of a store, made and parsed here and nowhere else; and the names that people choose.
//
//   const Paths paths("/s");
//   paths.Object(ObjectKind::kPack, id)      /s/objects/pack/ab/ab12...
//   paths.LogSegment(run, 1, 1)              /s/runs/<ulid>/inc-0001/log.000001.seg
//   ParseLogSegment("log.000001.seg")        1
//
// Parsers answer "nothing" for a file that is none of ours (an editor's backup, ".nfs0001"), so a
// listing is filtered by parsing. Numbers are written with leading zeros and may grow wider than
// the width shown; the canonical spelling is the only one accepted. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"

namespace stemma::lineage {

constexpr size_t kNameBytesMax = 128;
constexpr size_t kUlidText = 26;   // characters
constexpr size_t kUlidBytes = 16;  // raw

// Of a run or a tag: letters, digits, '.', '_', '-', at most 128, the first a letter or a digit. So
// no name is a path, and none needs quoting in a shell.
bool IsName(std::string_view text);
// kInvalidArgument that says what a name may hold; `what` is "run", "tag", ...
Status CheckName(std::string_view what, std::string_view name);

// A fresh ULID: 48 bits of unix milliseconds, 80 bits of getrandom(2), in Crockford's base 32. It
// only makes names unique; nothing is ever decided by the time inside it. A clock that stands still
// or steps back does no harm.
std::string NewUlid();
bool IsUlid(std::string_view text);
std::string UlidToBytes(std::string_view text);     // 16 raw bytes; empty when `text` is no ULID
std::string UlidFromBytes(std::string_view bytes);  // REQUIRES: 16 bytes

enum class ObjectKind { kPack, kLayout, kBlob };

class Paths {
 public:
  // `root` is the store's folder, without a slash at its end.
  explicit Paths(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string Format() const;  // what makes a folder a store

  std::string ObjectDir(ObjectKind kind, const ObjectId& id) const;  // objects/pack/ab: fsync it
  std::string Object(ObjectKind kind, const ObjectId& id) const;     // objects/pack/ab/<hex>
  std::vector<std::string> ObjectDirs(ObjectKind kind) const;        // the 256, for walking

  std::string RunsDir() const;
  std::string RunDir(std::string_view run) const;
  std::string RunNameFile(std::string_view run) const;  // runs/<ulid>/name
  std::string IncarnationDir(std::string_view run, uint32_t incarnation) const;
  std::string LogSegment(std::string_view run, uint32_t incarnation, uint32_t segment) const;

  std::string NamesDir() const;
  std::string NameDir(std::string_view run_name) const;      // the claim
  std::string NameRunFile(std::string_view run_name) const;  // names/<name>/run: the ulid

  std::string NotesDir() const;
  // One writer per file: `writer` is an ulid; `segment` counts as in a run's log.
  std::string NotesSegment(std::string_view writer, uint32_t segment) const;
  // notes/<ulid>.000001.damaged: that segment, after a repair took what is whole out of it.
  std::string DamagedNotes(std::string_view writer, uint32_t segment) const;

  std::string TagsDir() const;
  std::string TagDir(std::string_view tag) const;
  std::string TagVersionDir(std::string_view tag, uint32_t version) const;  // the claim
  std::string TagTarget(std::string_view tag, uint32_t version) const;

  std::string TmpDir() const;
  // Of one incarnation: tmp/<ulid>-0001. Swept when that incarnation is over.
  std::string TmpOf(std::string_view run, uint32_t incarnation) const;
  // tmp/mend-<pack in hexadecimal>-<ulid>: a damaged copy that a repair took out of the trash.
  std::string Aside(const ObjectId& pack, std::string_view ulid) const;

  // These three folders are made when first needed, since older stores lack them.
  std::string LeasesDir() const;
  std::string LeaseDir(std::string_view lease) const;  // leases/<ulid>
  std::string LeaseWhat(std::string_view lease) const;
  std::string LeaseBeat(std::string_view lease) const;
  std::string GcDir() const;
  std::string EpochDir(uint32_t epoch) const;  // gc/epoch-000001: the claim
  std::string EpochPlan(uint32_t epoch) const;
  std::string EpochBeat(uint32_t epoch) const;
  std::string EpochDone(uint32_t epoch) const;
  std::string TrashDir() const;
  std::string TrashOf(uint32_t epoch) const;  // trash/epoch-000001
  std::string Trashed(uint32_t epoch, const ObjectId& pack) const;

  // Every folder of an empty store below the root, parents first: what creation makes and syncs.
  std::vector<std::string> AllDirs() const;

 private:
  std::string root_;
};

// Of the last component only.
std::optional<uint32_t> ParseIncarnation(std::string_view file);  // "inc-0001"
std::optional<uint32_t> ParseLogSegment(std::string_view file);   // "log.000001.seg"
std::optional<uint32_t> ParseTagVersion(std::string_view file);   // "v000001"
std::optional<ObjectId> ParseObject(std::string_view file);       // 64 hexadecimal digits
std::optional<uint32_t> ParseEpoch(std::string_view file);        // "epoch-000001"
struct NotesFile {
  std::string writer;
  uint32_t segment = 0;
};
std::optional<NotesFile> ParseNotesSegment(std::string_view file);  // "<ulid>.000001.seg"
std::optional<NotesFile> ParseDamagedNotes(std::string_view file);  // "<ulid>.000001.damaged"
struct TmpFolder {
  std::string run;
  uint32_t incarnation = 0;
};
std::optional<TmpFolder> ParseTmp(std::string_view file);   // "<ulid>-0001"
std::optional<ObjectId> ParseAside(std::string_view file);  // "mend-<64 hex>-<ulid>"

// "a/b/c" -> "a/b"; the folder whose fsync makes a new name durable.
std::string ParentOf(std::string_view path);
std::string BaseOf(std::string_view path);

}  // namespace stemma::lineage
