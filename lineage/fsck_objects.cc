#include "core/bytes.h"
#include "lineage/coverage.h"
#include "lineage/fsck_impl.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/marks.h"
#include "lineage/pack.h"
#include "lineage/safetensors.h"
#include "lineage/verify.h"

namespace stemma::lineage::internal {
namespace {

std::string Named(const Record& record) {
  return NameOfState(record) + " (" + Hex(record.id).substr(0, 16) + ")";
}

// Layouts are few and packs are shared by forks: each is looked at once.
class StateChecker {
 public:
  StateChecker(FsckContext* context, const FsckOptions& options)
      : context_(context), options_(options) {}

  void Check(const Record& record) {
    CheckEdges(record);
    CheckBlob(record, "settings", record.settings.blob);
    CheckBlob(record, "environment", record.environment);
    if (IsSuspect(record)) context_->Remark(Named(record) + " is " + record.audit);
    const std::string quarantine = QuarantineOf(context_->graph, record.id);
    if (!quarantine.empty()) context_->Remark(Named(record) + " is quarantined: " + quarantine);
    const Layout* layout = LayoutOf(record);
    if (!layout) {
      const Status& fault = layout_faults_[record.layout];
      return AddDamage({{record.id}, "", {}, fault.message(), fault.code()});
    }
    if (IsPruned(context_->graph, record.id) && !AllThere(record)) return;  // as it should be
    std::vector<PackPiece> pieces;
    bool all = true, read = true;
    for (const PackRef& pack : record.packs) {
      all &= CheckPack(record, pack, *layout, &pieces);
      read &= IsRead(pack.pack);
    }
    if (read) context_->report.read.push_back(record.id);
    if (!all) return;
    const Status covered = CheckCoverage(*layout, RanksHeld(record), std::move(pieces));
    if (covered.ok()) return;
    context_->Error(Named(record) + ": " + covered.message());
    AddDamage({{record.id}, "", {}, covered.message()});
  }

  // Damage of packs, once all states that share it are known.
  void Finish() {
    for (auto& [id, pack] : packs_) {
      for (Damage& damage : pack.damaged) AddDamage(std::move(damage));
    }
  }

 private:
  void CheckEdges(const Record& record) {
    for (const Edge& edge : record.parents) {
      if (context_->graph.states.count(edge.parent)) continue;
      context_->Error(Named(record) + ": its parent " + Hex(edge.parent).substr(0, 16) +
                      " is in no log");
    }
  }

  // An id is a digest, so its first bytes deal the packs out evenly.
  bool IsRead(const ObjectId& pack) const {
    uint64_t number = 0;
    for (size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(pack[i]);
    return options_.read_data && number % options_.parts == options_.part - 1;
  }

  struct Seen {
    std::optional<std::vector<PackPiece>> pieces;  // nullopt: it cannot be opened
    std::vector<Damage> damaged;
  };

  void AddDamage(Damage damage) { context_->report.damaged.push_back(std::move(damage)); }

  void CheckBlob(const Record& record, const char* what, const ObjectId& id) {
    if (id.empty()) return;
    const auto [known, fresh] = blobs_.try_emplace(id);
    if (fresh) known->second = context_->store.GetBlob(id).status();
    const Status& status = known->second;
    if (status.ok()) return;
    const std::string text = std::string(what) + ": " + status.message();
    if (fresh) context_->Error(Named(record) + ": " + text);
    AddDamage({{record.id}, "", {}, text, status.code()});
  }

  bool AllThere(const Record& record) const {
    for (const PackRef& pack : record.packs) {
      if (!context_->storage.Exists(context_->store.PackPath(pack.pack))) return false;
    }
    return true;
  }

  const Layout* LayoutOf(const Record& record) {
    const auto found = layouts_.find(record.layout);
    if (found != layouts_.end()) return found->second.get();
    std::unique_ptr<Layout>& layout = layouts_[record.layout];
    Result<std::string> bytes = context_->store.GetLayout(record.layout);
    Result<Layout> decoded = bytes.ok() ? Layout::Decode(*bytes) : Result<Layout>(bytes.status());
    if (decoded.ok()) {
      layout = std::make_unique<Layout>(*std::move(decoded));
    } else {
      layout_faults_[record.layout] = Status(decoded.status()).Within("layout");
      context_->Error(Named(record) + ": " + layout_faults_[record.layout].message());
    }
    return layout.get();
  }

  bool CheckPack(const Record& record, const PackRef& pack, const Layout& layout,
                 std::vector<PackPiece>* pieces) {
    const auto [at, fresh] = packs_.try_emplace(pack.pack);
    Seen& seen = at->second;
    if (fresh) {
      const Status good = OpenPack(record, pack, layout, &seen);
      if (!good.ok()) {
        context_->Error(Named(record) + ": " + good.message());
        seen.damaged.push_back(
            {{}, context_->store.PackPath(pack.pack), {}, good.message(), good.code()});
      }
    }
    for (Damage& damage : seen.damaged) damage.states.push_back(record.id);
    if (seen.pieces) pieces->insert(pieces->end(), seen.pieces->begin(), seen.pieces->end());
    return seen.pieces.has_value();
  }

  // In the trash it is whole as well: whoever wants it brings it back.
  std::string WhereIs(const ObjectId& pack) {
    const std::string path = context_->store.PackPath(pack);
    Result<std::vector<std::string>> folders = context_->storage.List(context_->paths.TrashDir());
    if (context_->storage.Exists(path) || !folders.ok()) return path;
    for (const std::string& folder : *folders) {
      const std::optional<uint32_t> epoch = ParseEpoch(folder);
      if (!epoch || !context_->storage.Exists(context_->paths.Trashed(*epoch, pack))) continue;
      context_->Remark(path + " lies in the trash of epoch " + std::to_string(*epoch) +
                       "; its next reader, or `stemma fsck --repair`, brings it back");
      return context_->paths.Trashed(*epoch, pack);
    }
    return path;
  }

  Status OpenPack(const Record& record, const PackRef& pack, const Layout& layout, Seen* seen) {
    const std::string path = WhereIs(pack.pack);
    STEMMA_ASSIGN_OR_RETURN(const uint64_t size, context_->storage.SizeOf(path));
    if (size != pack.bytes) {
      return {Code::kCorruption, path + ": " + std::to_string(size) + " bytes, the record says " +
                                     std::to_string(pack.bytes)};
    }
    STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<PackReader> reader,
                            PackReader::Open(context_->storage, path, pack.pack, layout));
    ++context_->report.packs;
    context_->report.bytes += size;
    if (IsRead(pack.pack)) {
      ++context_->report.packs_read;
      context_->report.bytes_read += size;
      STEMMA_ASSIGN_OR_RETURN(const std::vector<BadRange> bad,
                              VerifyPack(context_->storage, path, *reader));
      for (const BadRange& range : bad) {
        context_->Error(Named(record) + ": " + range.tensors + ": pack " + path + ": bytes [" +
                        std::to_string(range.begin) + ", " + std::to_string(range.end) +
                        ") do not have their digest");
        seen->damaged.push_back({{},
                                 context_->store.PackPath(pack.pack),
                                 range,
                                 "bytes [" + std::to_string(range.begin) + ", " +
                                     std::to_string(range.end) + "): " + range.tensors});
      }
    }
    seen->pieces = reader->pieces();
    return {};
  }

  FsckContext* const context_;
  const FsckOptions options_;
  std::map<ObjectId, std::unique_ptr<Layout>> layouts_;  // null: it cannot be had
  std::map<ObjectId, Status> layout_faults_;
  std::map<ObjectId, Seen> packs_;
  std::map<ObjectId, Status> blobs_;
};

std::string OwnerOf(FsckContext* context, const std::string& path, std::string* key) {
  const Result<PackOwner> owner = ReadPackOwner(context->storage, path);
  if (!owner.ok()) return "of nobody known";
  *key = IncarnationKey(owner->run, owner->incarnation);
  const std::string number = ", incarnation " + std::to_string(owner->incarnation);
  for (const auto& [name, entry] : context->graph.runs) {
    if (entry.ulid == owner->run) return "of run '" + name + "'" + number;
  }
  return "of run " + owner->run + number;
}

void CheckOrphan(FsckContext* context, const std::string& path) {
  std::string key;
  const std::string owner = OwnerOf(context, path, &key);
  const bool over = context->over.count(key) > 0;
  ++context->report.orphans;
  Result<uint64_t> size = context->storage.SizeOf(path);
  if (size.ok()) context->report.orphan_bytes += *size;
  context->Remark("orphan " + owner + (over ? ", which is over: " : ", which may be living: ") +
                  path);
}

std::set<ObjectId> Referenced(const Graph& graph) {
  std::set<ObjectId> ids;
  for (const auto& [id, record] : graph.states) {
    ids.insert({record.layout, record.settings.blob, record.environment});
    for (const PackRef& pack : record.packs) ids.insert(pack.pack);
  }
  return ids;
}

void CheckTags(FsckContext* context) {
  for (const auto& [name, tag] : context->graph.tags) {
    if (context->graph.states.count(tag.target)) continue;
    context->Error("tag '" + name + "' names state " + Hex(tag.target).substr(0, 16) +
                   ", which is in no log");
  }
}

// A collector that is done leaves no folder here.
void CheckTrash(FsckContext* context) {
  Result<std::vector<std::string>> folders = context->storage.List(context->paths.TrashDir());
  if (!folders.ok()) return;  // nothing was ever collected
  for (const std::string& folder : *folders) {
    const std::string path = context->paths.TrashDir() + "/" + folder;
    Result<std::vector<std::string>> files = context->storage.List(path);
    if (!ParseEpoch(folder) || !files.ok()) continue;
    context->Remark(
        path + ": " + std::to_string(files->size()) +
        " packs, of a collector that died or works; the next `stemma gc --apply` sees " +
        "to them");
  }
}

void CheckTmp(FsckContext* context) {
  Result<std::vector<std::string>> names = context->storage.List(context->paths.TmpDir());
  if (!names.ok()) return context->Error(names.status().message());
  for (const std::string& name : *names) {
    const std::optional<TmpFolder> folder = ParseTmp(name);
    const std::string path = context->paths.TmpDir() + "/" + name;
    if (!folder) {
      context->Remark(path + ": a temporary file, of somebody who died or works");
    } else if (context->over.count(IncarnationKey(folder->run, folder->incarnation))) {
      context->Remark(path + ": temporary files of an incarnation that is over");
    }
  }
}

}  // namespace

void CheckStates(FsckContext* context, const FsckOptions& options) {
  StateChecker checker(context, options);
  for (const auto& [id, record] : context->graph.states) {
    ++context->report.states;
    checker.Check(record);
  }
  checker.Finish();
  for (const auto& [name, run] : context->graph.runs) {
    for (const StateId& id : SideBranches(context->graph, run)) {
      context->Remark("side branch: " + Named(context->graph.states.at(id)) + ", incarnation " +
                      std::to_string(context->graph.states.at(id).incarnation));
    }
  }
  CheckTags(context);
}

Status CheckOrphans(FsckContext* context) {
  const std::set<ObjectId> referenced = Referenced(context->graph);
  for (const ObjectKind kind : {ObjectKind::kPack, ObjectKind::kLayout, ObjectKind::kBlob}) {
    for (const std::string& dir : context->paths.ObjectDirs(kind)) {
      STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, context->storage.List(dir));
      for (const std::string& file : files) {
        const std::string path = dir + "/" + file;
        const std::optional<ObjectId> id = ParseObject(file);
        if (!id || context->paths.Object(kind, *id) != path) {
          context->Remark(path + " is none of ours");
        } else if (kind == ObjectKind::kPack && !referenced.count(*id) &&
                   !context->intended.count(*id)) {
          CheckOrphan(context, path);
        }
      }
    }
  }
  CheckTmp(context);
  CheckTrash(context);
  return {};
}

}  // namespace stemma::lineage::internal

namespace stemma::lineage {

// Logs are read before objects: an object that a log names was durable before it, so what is
// missing then is missing in truth.
Result<FsckReport> Fsck(const Store& store, const FsckOptions& options) {
  FsckReport report;
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  internal::FsckContext context{store, store.storage(), Paths(store.path()), graph, report, {}, {},
                                {}};
  STEMMA_RETURN_IF_ERROR(internal::CheckLogs(&context));
  internal::CheckStates(&context, options);
  STEMMA_RETURN_IF_ERROR(internal::CheckOrphans(&context));
  return report;
}

}  // namespace stemma::lineage
