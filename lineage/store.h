// A store: one directory that holds the family tree of every state of any number of runs. No
// server, no lock file, no database; many processes may read and write it at once. Packs, layouts
// and blobs are immutable and named by content; each log has one writer. FORMAT.md is the truth
// about bytes.
//
// Thread-safe for reading; a RunWriter is one thread's at a time. Failure: kIo with path and errno
// text, kCorruption with file and offset, kNotFound, kIncompatible for a store of another version.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/storage.h"

namespace stemma::lineage {

struct RunEntry {
  std::string ulid, name;
  std::vector<StateId> states;  // in the order of the logs
  uint32_t newest_incarnation = 0;
  std::optional<StateId> head;  // newest state of the newest incarnation that has one
  std::string unreadable;       // where a log of it may hide states, and why; "": all was read
};

struct TagEntry {
  std::string name;
  uint32_t version = 0;
  StateId target;  // empty: with this version the tag was taken away (only in its history)
  std::string who, why;
  int64_t wall_ms = 0;
};

// Everything the logs say, read once. Plain data.
struct Graph {
  std::map<StateId, Record> states;
  std::map<StateId, std::vector<StateId>> children;
  std::map<std::string, RunEntry> runs;                            // by name
  std::map<std::string, TagEntry> tags;                            // by name: newest valid version
  std::map<StateId, std::map<std::string, AttributeValue>> notes;  // added later, merged
  std::vector<std::string> warnings;  // torn tails and such, for fsck and -v
  std::string unreadable;  // where tags or notes may be hidden, and why; "": all were read
};

// What to do about a state that carries a prune mark and whose bytes may still be there.
enum class IfPruned { kRefuse, kBringBack };

// A reshape by record alone: what the new run's first state differs in from its parent. Attributes
// are the edge's parameters (reshape/reshape.h has the keys).
struct Reshaping {
  std::string name;                    // of the new run
  uint32_t ranks = 0;                  // that go on from it; 0: as many as the parent's
  std::optional<CursorRecord> cursor;  // another order of the data, or place in it
  ObjectId settings;                   // empty: the parent's
  std::map<std::string, AttributeValue> attributes;
};

class Store;

// One incarnation of a run: claimed by mkdir, its log has this one writer.
class RunWriter {
 public:
  virtual ~RunWriter() = default;
  virtual const std::string& run() const = 0;  // ulid
  virtual const std::string& name() const = 0;
  virtual uint32_t incarnation() const = 0;
  virtual std::string tmp_dir() const = 0;  // where packs of this incarnation are written
  // Durable on success; the record's id is set. Checks that its objects are there and that no
  // higher incarnation exists, before and after (then the state is withdrawn: kIncompatible
  // "fenced").
  virtual Result<StateId> Append(Record record) = 0;
  // The same for a record that names packs which this incarnation did not just write, as state `of`
  // does: an intent keeps them from collectors until the record does. They may be in a trash.
  virtual Result<StateId> AppendNaming(Record record, const StateId& of,
                                       const std::vector<PackRef>& packs) = 0;
  // kIncompatible "fenced" once a higher incarnation exists.
  virtual Status CheckFence() = 0;
  virtual Status Close() = 0;  // appends `close`: the incarnation ended in order
};

class Store {
 public:
  // Opens the store; creates it where `create` and nothing is there. `storage` outlives it.
  static Result<std::unique_ptr<Store>> Open(const std::string& path, bool create,
                                             Storage& storage);

  virtual ~Store() = default;
  virtual const std::string& path() const = 0;
  virtual Storage& storage() const = 0;

  virtual Result<Graph> Load() const = 0;

  // A new run; kInvalidArgument when the name is taken or not a name.
  virtual Result<std::unique_ptr<RunWriter>> StartRun(const std::string& name) = 0;
  // The next incarnation of an existing run: the fence against the one before.
  virtual Result<std::unique_ptr<RunWriter>> NextIncarnation(const std::string& name) = 0;
  // A new run whose first state is `parent`'s bytes: one record, no payload. `change` may replace
  // settings, attributes and cursor; parents, packs, layout, run fields and reason are set here.
  virtual Result<StateId> Fork(const Graph& graph, const StateId& parent, const std::string& name,
                               const Record& change) = 0;
  // The same with settings of its own, TOML: stored as changes of the parent's where lines can say
  // what differs, else as a blob.
  virtual Result<StateId> ForkWithSettings(const Graph& graph, const StateId& parent,
                                           const std::string& name, const Record& change,
                                           std::string_view settings) = 0;
  // The same with an edge of kind reshape. kIncompatible when the number of ranks changes and a
  // PerRank span of the state refuses that.
  virtual Result<StateId> Reshape(const Graph& graph, const StateId& parent,
                                  const Reshaping& reshaping) = 0;

  virtual Result<ObjectId> PutBlob(std::string_view bytes) = 0;
  virtual Result<std::string> GetBlob(const ObjectId& id) const = 0;
  // A state's settings as TOML, what a fork changed put into them. REQUIRES they are not empty
  virtual Result<std::string> GetSettings(const SettingsRef& settings) const = 0;
  virtual Result<ObjectId> PutLayout(std::string_view bytes) = 0;
  virtual Result<std::string> GetLayout(const ObjectId& id) const = 0;
  virtual std::string PackPath(const ObjectId& id) const = 0;
  // The packs that `record` names are at their paths: those that a collector has moved to its trash
  // are renamed back. Whoever finds a pack missing calls this once before giving up. kNotFound when
  // they are nowhere, or when the state is pruned (kRefuse): by whom, when, and whether there is a
  // way back.
  virtual Status EnsurePacks(const Record& record, IfPruned if_pruned) const = 0;
  // OK when the state carries no prune mark; else what EnsurePacks says of it. Reads all notes.
  virtual Status WhyPruned(const Record& record) const = 0;

  // Moves or makes a tag; `expect`: fails unless the tag names that state now.
  virtual Status SetTag(const std::string& name, const StateId& target, const std::string& why,
                        const std::optional<StateId>& expect) = 0;
  // Takes the tag away, as a new version of it: its history stays, and it may be set again.
  // kNotFound when there is none; `expect` as above.
  virtual Status RemoveTag(const std::string& name, const std::string& why,
                           const std::optional<StateId>& expect) = 0;
  virtual Result<std::vector<TagEntry>> TagHistory(const std::string& name) const = 0;
  // A note by a person or a program. kInvalidArgument for a reserved key ("stemma.").
  virtual Status Annotate(const StateId& target, const std::string& key,
                          const AttributeValue& value) = 0;
  // A note under a reserved key, which decides on bytes: marks.h has them. Load first: a mark wins
  // over those that were loaded.
  virtual Status Mark(const StateId& target, const std::string& key,
                      const AttributeValue& value) = 0;
};

// The state that `text` names: "run@", "run", "run@200", "run@<=200", "run@~2", "run@200~1",
// "tag:x", or at least 8 hex digits of an id. kNotFound names the neighbours or the nearest name;
// several matches are kInvalidArgument and listed.
Result<StateId> Resolve(const Graph& graph, std::string_view text);

// The newest state of `run` that can be resumed: its packs are there, have the right size and whole
// headers (their data is Restore's to check). Says in `skipped` which newer ones are damaged.
// kNotFound when the run has none.
Result<StateId> ResumePoint(const Store& store, const Graph& graph, const std::string& run,
                            std::vector<std::string>* skipped);

}  // namespace stemma::lineage
