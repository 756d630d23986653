#include "lineage/import.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/pack_format.h"
#include "lineage/safetensors.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kHashBytes = 1 << 20;  // read at once for the file's digest

// The file, opened and its header checked.
struct SourceFile {
  std::unique_ptr<ReadableFile> file;
  uint64_t bytes = 0, data_begin = 0;
  SafetensorsHeader header;
};

Result<SourceFile> OpenSource(Storage& storage, const std::string& path) {
  SourceFile source;
  STEMMA_ASSIGN_OR_RETURN(source.file, storage.OpenToRead(path));
  STEMMA_ASSIGN_OR_RETURN(source.bytes, storage.SizeOf(path));
  if (source.bytes < 8) {
    return Status(Code::kCorruption,
                  "no safetensors file: it has " + std::to_string(source.bytes) + " bytes");
  }
  std::string length(8, '\0');
  STEMMA_RETURN_IF_ERROR(source.file->Read(0, 8, length.data()));
  const uint64_t json_bytes = Decoder(length).U64();
  if (json_bytes > kSafetensorsHeaderMax || json_bytes > source.bytes - 8) {
    return Status(Code::kCorruption,
                  "no safetensors file: its first eight bytes are not the length of a header");
  }
  std::string json(json_bytes, '\0');
  STEMMA_RETURN_IF_ERROR(source.file->Read(8, json_bytes, json.data()));
  source.data_begin = 8 + json_bytes;
  STEMMA_ASSIGN_OR_RETURN(source.header, ParseSafetensors(json, source.bytes - source.data_begin));
  if (source.header.metadata.count(kKeyPack)) {
    return Status(Code::kInvalidArgument,
                  "it is a pack of a store, a part of a state and not a model: `stemma export` "
                  "makes a file of the state that it belongs to");
  }
  if (source.header.entries.empty()) {
    return Status(Code::kInvalidArgument, "it holds no tensor");
  }
  return source;
}

Result<Layout> LayoutFor(const SafetensorsHeader& header) {
  std::vector<Span> spans;
  for (const SafetensorsEntry& entry : header.entries) {
    Span span;
    span.name = entry.name;
    span.section = "params";
    span.dtype = entry.dtype;
    for (const uint64_t dim : entry.shape) {
      if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Status(Code::kInvalidArgument, "tensor '" + entry.name + "': impossible shape");
      }
      span.shape.push_back(static_cast<int64_t>(dim));
    }
    spans.push_back(std::move(span));
  }
  return Layout::Of(spans);
}

Result<std::string> DigestOf(const SourceFile& source) {
  Sha256Stream digest;
  std::string tile;
  for (uint64_t at = 0; at < source.bytes; at += tile.size()) {
    tile.resize(std::min(kHashBytes, source.bytes - at));
    STEMMA_RETURN_IF_ERROR(source.file->Read(at, tile.size(), tile.data()));
    digest.Update(tile);
  }
  return digest.Finish();
}

// Spans stand in the layout as entries do in the header.
class EntrySource final : public PieceSource {
 public:
  explicit EntrySource(const SourceFile& source) : source_(source) {}
  Status Read(uint32_t span, uint32_t, uint64_t offset, uint64_t bytes, char* out) override {
    const uint64_t begin = source_.data_begin + source_.header.entries[span].begin;
    return source_.file->Read(begin + offset, bytes, out);
  }

 private:
  const SourceFile& source_;
};

Result<PackRef> WriteDurablePack(const SourceFile& source, const Layout& layout,
                                 const RunWriter& run, Store& store) {
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
  EntrySource pieces(source);
  STEMMA_ASSIGN_OR_RETURN(const ObjectId id, WritePack(plan, layout, pieces, *file));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  STEMMA_RETURN_IF_ERROR(file->Close());
  const std::string path = store.PackPath(id);
  STEMMA_RETURN_IF_ERROR(storage.Rename(temporary, path));
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(path)));
  return PackRef{0, 1, id, plan.file_bytes};
}

Result<StateId> AppendState(const SourceFile& source, const Layout& layout, Record record,
                            RunWriter& run, Store& store) {
  STEMMA_ASSIGN_OR_RETURN(const PackRef pack, WriteDurablePack(source, layout, run, store));
  STEMMA_ASSIGN_OR_RETURN(record.layout, store.PutLayout(layout.bytes()));
  record.packs = {pack};
  record.logical_bytes = layout.LogicalBytes(1);
  record.reason = Reason::kRequested;
  return run.Append(std::move(record));
}

Result<Imported> Import(Store& store, const std::string& path, const ImportOptions& options) {
  STEMMA_ASSIGN_OR_RETURN(const SourceFile source, OpenSource(store.storage(), path));
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, LayoutFor(source.header));
  Imported imported;
  imported.tensors = source.header.entries.size();
  imported.bytes = source.bytes;
  STEMMA_ASSIGN_OR_RETURN(imported.sha256, DigestOf(source));
  Record record;
  record.step = options.step;
  record.attributes[kImportFile] = BaseOf(path);
  record.attributes["import.sha256"] = Hex(imported.sha256);
  record.attributes["import.bytes"] = static_cast<int64_t>(imported.bytes);
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run, store.StartRun(options.run));
  Result<StateId> id = AppendState(source, layout, std::move(record), *run, store);
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

Result<Imported> ImportSafetensors(Store& store, const std::string& path,
                                   const ImportOptions& options) {
  STEMMA_RETURN_IF_ERROR(CheckName("run", options.run));
  if (options.step < 0) return Status(Code::kInvalidArgument, "a step is 0 or more");
  Result<Imported> imported = Import(store, path, options);
  if (imported.ok()) return imported;
  return Status(imported.status()).Within("import of " + path);
}

}  // namespace stemma::lineage
