#include "lineage/import.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/import_plan.h"
#include "lineage/layout.h"
#include "lineage/names.h"
#include "lineage/open_state.h"
#include "lineage/pack.h"
#include "lineage/weights/axes.h"
#include "lineage/weights/tensor_file.h"

namespace stemma::lineage {
namespace {

// The file, what is taken of it, and what the state will look like.
struct Taken {
  std::unique_ptr<TensorFile> file;
  ImportPlan plan;
};

// Spans stand in the layout as in the plan.
class PlanSource final : public PieceSource {
 public:
  explicit PlanSource(const Taken& taken) : reader_(*taken.file, taken.plan) {}
  Status Read(uint32_t span, uint32_t, uint64_t offset, uint64_t bytes, char* out) override {
    return reader_.Read(span, offset, bytes, out);
  }

 private:
  PlanReader reader_;
};

Status CheckFit(const Record& like, const ImportPlan& plan, bool partial) {
  if (plan.fit.exact() || (partial && !plan.spans.empty())) return {};
  const std::string name = NameOfState(like);
  if (plan.spans.empty()) {
    return {Code::kInvalidArgument,
            "no tensor of it fits " + name + ": " + FitInWords(plan.fit) + "; --map gives names"};
  }
  return {Code::kInvalidArgument, "it does not fit " + name + ": " + FitInWords(plan.fit) +
                                      "; --map gives names, --partial takes the " +
                                      std::to_string(plan.spans.size()) + " that fit"};
}

Result<Taken> Take(Store& store, const std::string& path, const ImportOptions& options,
                   Imported* imported) {
  Taken taken;
  STEMMA_ASSIGN_OR_RETURN(taken.file, OpenTensorFile(store.storage(), path, options.key));
  if (options.map) {
    auto map = NameMap::Parse(*options.map);
    if (!map.ok()) return Status(map.status()).Within("the map of names");
    STEMMA_ASSIGN_OR_RETURN(taken.plan, PlanImport(taken.file->tensors(), &*map));
    imported->unused = map->Unused();
  } else {
    STEMMA_ASSIGN_OR_RETURN(taken.plan, PlanImport(taken.file->tensors(), nullptr));
  }
  if (options.like) {
    STEMMA_ASSIGN_OR_RETURN(const Layout like, LayoutOf(store, *options.like));
    FitTo(like, &taken.plan);
    STEMMA_RETURN_IF_ERROR(CheckFit(*options.like, taken.plan, options.partial));
  }
  imported->tensors = taken.plan.spans.size();
  imported->bytes = taken.file->bytes();
  imported->others = taken.file->others();
  imported->renamed = taken.plan.renamed;
  imported->dropped = taken.plan.dropped;
  imported->missing = taken.plan.fit.missing;
  imported->unexpected = taken.plan.fit.unexpected;
  imported->mismatched = taken.plan.fit.mismatched;
  return taken;
}

Result<PackRef> WriteDurablePack(const Taken& taken, const Layout& layout, const RunWriter& run,
                                 Store& store) {
  Storage& storage = store.storage();
  PackIdentity identity;
  identity.run = run.run();
  identity.incarnation = run.incarnation();
  STEMMA_ASSIGN_OR_RETURN(const PackPlan plan, PlanPack(layout, identity));
  const std::string temporary = run.tmp_dir() + "/import";
  WriteOptions options;
  options.reserve = plan.file_bytes;
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          storage.Create(temporary, options));
  PlanSource pieces(taken);
  STEMMA_ASSIGN_OR_RETURN(const ObjectId id, WritePack(plan, layout, pieces, *file));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  STEMMA_RETURN_IF_ERROR(file->Close());
  const std::string path = store.PackPath(id);
  STEMMA_RETURN_IF_ERROR(storage.Rename(temporary, path));
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(path)));
  return PackRef{0, 1, id, plan.file_bytes};
}

Result<StateId> AppendState(const Taken& taken, const Layout& layout, Record record, RunWriter& run,
                            Store& store) {
  STEMMA_ASSIGN_OR_RETURN(const PackRef pack, WriteDurablePack(taken, layout, run, store));
  STEMMA_ASSIGN_OR_RETURN(record.layout, store.PutLayout(layout.bytes()));
  record.packs = {pack};
  record.logical_bytes = layout.LogicalBytes(1);
  record.reason = Reason::kRequested;
  return run.Append(std::move(record));
}

Result<Imported> Import(Store& store, const std::string& path, const ImportOptions& options) {
  Imported imported;
  STEMMA_ASSIGN_OR_RETURN(const Taken taken, Take(store, path, options, &imported));
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Of(taken.plan.spans));
  STEMMA_ASSIGN_OR_RETURN(imported.sha256, taken.file->Sha256());
  Record record;
  record.step = options.step;
  record.attributes[kImportFile] = BaseOf(path);
  record.attributes["import.sha256"] = Hex(imported.sha256);
  record.attributes["import.bytes"] = static_cast<int64_t>(imported.bytes);
  if (options.map) record.attributes["import.map_sha256"] = Hex(Sha256(*options.map));
  if (options.like) record.attributes["import.like"] = Hex(options.like->id);
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run, store.StartRun(options.run));
  Result<StateId> id = AppendState(taken, layout, std::move(record), *run, store);
  const Status closed = run->Close();
  if (!id.ok()) {
    return Status(id.status())
        .Within("run '" + options.run +
                "' was begun and has no state; take another name to try "
                "again");
  }
  // The state is durable: that the log lacks its last frame does no harm, but is worth saying.
  if (!closed.ok()) return Status(closed).Within("imported as " + Hex(*id) + ", but");
  imported.id = *id;
  return imported;
}

}  // namespace

Result<Imported> ImportTensors(Store& store, const std::string& path,
                               const ImportOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckName("run", options.run));
  if (options.step < 0) return Status(Code::kInvalidArgument, "a step is 0 or more");
  if (options.partial && !options.like) {
    return Status(Code::kInvalidArgument, "--partial goes with --like: what fits, and what to");
  }
  Result<Imported> imported = Import(store, path, options);
  if (imported.ok()) return imported;
  return Status(imported.status()).Within("import of " + path);
}

}  // namespace stemma::lineage
