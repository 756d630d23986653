// The one Store there is, split over store_open, store_load, store_objects, store_packs,
// store_runs, store_fork and store_tags. Not for users.
//
// How a name is claimed: a folder with its content already inside is made durable in tmp/ and then
// renamed to its final name. POSIX refuses to replace a folder that is not empty, so exactly one
// claimant wins, nobody ever sees a claim without content, and a crash leaves the name free.
// Incarnations are claimed by mkdir instead: there the number itself is the fence, and a number
// that was taken in vain is only a gap.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "core/status.h"
#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

constexpr uint64_t kSmallFileMax = 1 << 18;         // names, formats, tag targets of two texts
constexpr uint64_t kObjectMax = uint64_t{1} << 30;  // blobs and layouts
constexpr int kClaimsMax = 1000;                    // numbers tried before giving up

int64_t WallMs();  // unix time, for display only
std::string HostName();
std::string WhoAmI();  // "ana@node7"
// "exists" from MakeDir is what the caller wants as well. For folders with a fresh ulid too: nobody
// else made it, so a network file system was asked twice for what the first request had done.
Status MakeDirIfMissing(Storage& storage, const std::string& path);
// A claim on its way: a folder in tmp/ with one file in it. Apart from its one step below, so that
// a fork can share the syncs of it; the folder goes when it was not published.
class Claim {
 public:
  // Not durable.
  static Result<Claim> Prepare(Storage& storage, const Paths& paths, const std::string& file,
                               std::string_view bytes);
  Claim(Claim&& other) noexcept
      : storage_(other.storage_),
        temporary_(std::exchange(other.temporary_, {})),
        file_(std::move(other.file_)),
        bytes_(std::move(other.bytes_)),
        open_(std::move(other.open_)) {}
  ~Claim();
  Status Sync();  // the file, then the folder
  // As `folder`, durable; kInvalidArgument "exists" when the name is taken. A rename that was done
  // and reported as failed counts as done.
  Status Publish(const std::string& folder);

 private:
  explicit Claim(Storage& storage) : storage_(&storage) {}
  Storage* storage_;
  std::string temporary_;  // "": published
  std::string file_, bytes_;
  std::unique_ptr<WritableFile> open_;
};
// All of it: publishes `folder` holding one file `file` = `bytes`.
Status ClaimFolder(Storage& storage, const Paths& paths, const std::string& folder,
                   const std::string& file, std::string_view bytes);
// Removes the files in `folder` and it; what cannot be removed stays.
void RemoveFolderQuietly(Storage& storage, const std::string& folder);

// A run's folder with one incarnation claimed and, where one process goes on with it, its log
// begun.
struct Begun {
  std::string run, name;
  uint32_t incarnation = 0;
  std::unique_ptr<LogWriter> log;
};

class StoreImpl final : public Store {
 public:
  StoreImpl(std::string path, Storage& storage) : paths_(std::move(path)), storage_(storage) {}

  const std::string& path() const override { return paths_.root(); }
  Storage& storage() const override { return storage_; }
  Result<Graph> Load() const override;
  Result<std::unique_ptr<RunWriter>> StartRun(const std::string& name) override;
  Result<std::unique_ptr<RunWriter>> NextIncarnation(const std::string& name) override;
  Result<StateId> Fork(const Graph& graph, const StateId& parent, const std::string& name,
                       const Record& change) override {
    return MakeFork(graph, parent, name, change, nullptr);
  }
  Result<StateId> ForkWithSettings(const Graph& graph, const StateId& parent,
                                   const std::string& name, const Record& change,
                                   std::string_view settings) override {
    return MakeFork(graph, parent, name, change, &settings);
  }
  Result<StateId> Reshape(const Graph& graph, const StateId& parent,
                          const Reshaping& reshaping) override;
  Result<ObjectId> PutBlob(std::string_view bytes) override;
  Result<std::string> GetBlob(const ObjectId& id) const override;
  Result<std::string> GetSettings(const SettingsRef& settings) const override;
  Result<ObjectId> PutLayout(std::string_view bytes) override;
  Result<std::string> GetLayout(const ObjectId& id) const override;
  std::string PackPath(const ObjectId& id) const override {
    return paths_.Object(ObjectKind::kPack, id);
  }
  Status SetTag(const std::string& name, const StateId& target, const std::string& why,
                const std::optional<StateId>& expect) override;
  Status RemoveTag(const std::string& name, const std::string& why,
                   const std::optional<StateId>& expect) override;
  Result<std::vector<TagEntry>> TagHistory(const std::string& name) const override;
  Status EnsurePacks(const Record& record, IfPruned if_pruned) const override;
  Status WhyPruned(const Record& record) const override;
  Status Annotate(const StateId& target, const std::string& key,
                  const AttributeValue& value) override;
  Status Mark(const StateId& target, const std::string& key, const AttributeValue& value) override;

 private:
  // What Fork and Reshape (`verb`) share: a run whose first state is `parent`'s bytes, with what
  // `change` makes of the record before it is encoded.
  Result<StateId> BranchOff(const Graph& graph, const StateId& parent, const std::string& verb,
                            const std::string& name, const std::function<void(Record*)>& change,
                            const std::string_view* settings);
  // kIncompatible when a PerRank span refuses to be read by another number of ranks.
  Status CheckRanks(const Record& record, const Reshaping& reshaping) const;
  // The next version of a tag; an empty target takes it away.
  Status PutTagVersion(const std::string& name, const StateId& target, const std::string& why,
                       const std::optional<StateId>& expect);
  Status CheckNameFree(const std::string& name) const;
  // The folders of a new run with its first incarnation: not durable until SyncRun, not visible
  // until ClaimName.
  Result<Begun> MakeRun(const std::string& name);
  Status SyncRun(const Begun& begun);
  Result<Claim> PrepareName(const Begun& begun);
  Status PublishName(const Begun& begun, Claim* claim);
  // Of `settings`, when they are not those of `change`, the bytes.
  Result<StateId> MakeFork(const Graph& graph, const StateId& parent, const std::string& name,
                           const Record& change, const std::string_view* settings);
  // Settings with the text `text` for a fork of a state with `parent`'s; durable by SyncObject
  // where they are a blob of their own.
  Result<SettingsRef> PlaceSettings(const SettingsRef& parent, std::string_view text);
  Result<ObjectId> PutObject(ObjectKind kind, std::string_view bytes);
  // The two halves of PutObject: under its name, whose folder is not synced yet; durable.
  Result<ObjectId> PlaceObject(ObjectKind kind, std::string_view bytes);
  Status SyncObject(ObjectKind kind, const ObjectId& id, std::string_view bytes);
  Result<std::string> GetObject(ObjectKind kind, const ObjectId& id) const;

  const Paths paths_;
  Storage& storage_;
  mutable Mutex mutex_;
  mutable uint64_t clock_ STEMMA_GUARDED_BY(mutex_) = 0;  // largest note clock seen
  std::string notes_writer_ STEMMA_GUARDED_BY(mutex_);
  std::unique_ptr<LogWriter> notes_ STEMMA_GUARDED_BY(mutex_);
};

// The packs (with their sizes), layout and blobs that `record` names are there. kCorruption for a
// wrong size, kNotFound for what is missing.
Status CheckObjects(Storage& storage, const Paths& paths, const Record& record);
// Renames `pack` from whatever trash folder has it to objects/, durable; OK when it is there. It is
// the caller's to know that something refers to it.
Status Resurrect(Storage& storage, const Paths& paths, const ObjectId& pack);
// What a log begins with: who writes it.
OpenEntry OpenEntryFor(const Begun& begun);
// Creates the incarnation's log and its `open` frame; the folder exists.
Status BeginLog(Storage& storage, const Paths& paths, Begun* begun);
// The ulid behind a run's name.
Result<std::string> ReadRunOf(Storage& storage, const Paths& paths, const std::string& name);
// The largest incarnation folder; 0 when there is none.
Result<uint32_t> NewestIncarnation(Storage& storage, const Paths& paths, const std::string& run);
// Existing versions of a tag, ascending; those without a valid target are left out of `valid`.
struct TagVersions {
  std::vector<TagEntry> valid;
  uint32_t highest = 0;
  std::string unreadable;  // a version that is there and cannot be read; "": none
};
Result<TagVersions> ReadTag(Storage& storage, const Paths& paths, const std::string& name,
                            bool newest_only);

}  // namespace stemma::lineage::internal
