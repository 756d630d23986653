#include "lineage/reshape/write_derived.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "lineage/names.h"
#include "lineage/pack.h"

namespace stemma::lineage::internal {
namespace {

// What `writer` stores of sharded spans: cut as the flat ones are. Who held what while training is
// not stored, and any cut restores for any number of ranks.
std::vector<SpanRange> ShardedPart(const Layout& layout, uint32_t writer, uint32_t writers) {
  std::vector<SpanRange> ranges;
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const LayoutSpan& placed = layout.spans()[i];
    if (placed.span.role != Role::kSharded) continue;
    const ByteRange mine = WriterRange(layout.sections()[placed.section].bytes, writer, writers);
    const uint64_t end = placed.offset + static_cast<uint64_t>(placed.span.bytes());
    const uint64_t from = std::max(mine.begin, placed.offset), to = std::min(mine.end, end);
    if (from < to) ranges.push_back({i, from - placed.offset, to - from});
  }
  return ranges;
}

PackIdentity IdentityOf(const RunWriter& run, uint32_t writer, const Draft& draft) {
  PackIdentity identity;
  identity.run = run.run();
  identity.incarnation = run.incarnation();
  identity.writer = writer;
  identity.writers = draft.parts;
  const uint32_t ranks = RanksHeld(draft.record);
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    const uint64_t owner = uint64_t{rank} * draft.parts / ranks;
    if (owner == writer) identity.ranks.push_back(rank);
  }
  return identity;
}

class Writing {
 public:
  Writing(Store& store, const Layout& layout, const Draft& draft, PieceSource& source)
      : store_(store), layout_(layout), draft_(draft), source_(source) {}

  // Writer 0 has the empty tensors, so it always has a pack; of the others those that own bytes.
  Result<std::vector<PackRef>> Packs(const RunWriter& run) {
    std::vector<PackRef> packs;
    for (uint32_t writer = 0; writer < draft_.parts; ++writer) {
      STEMMA_ASSIGN_OR_RETURN(const PackPlan plan,
                              PlanPack(layout_, IdentityOf(run, writer, draft_),
                                       ShardedPart(layout_, writer, draft_.parts)));
      if (writer > 0 && plan.pieces.empty()) continue;
      STEMMA_ASSIGN_OR_RETURN(const ObjectId id, DurablePack(run, writer, plan));
      packs.push_back({writer, draft_.parts, id, plan.file_bytes});
    }
    return packs;
  }

 private:
  Result<ObjectId> DurablePack(const RunWriter& run, uint32_t writer, const PackPlan& plan) {
    Storage& storage = store_.storage();
    const std::string temporary = run.tmp_dir() + "/" + std::to_string(writer);
    Result<ObjectId> id = WriteTemporary(temporary, plan);
    Status status = id.status();
    if (status.ok()) status = storage.Rename(temporary, store_.PackPath(*id));
    if (!status.ok()) {
      (void)storage.Remove(temporary);
      return status;
    }
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(store_.PackPath(*id))));
    return id;
  }

  Result<ObjectId> WriteTemporary(const std::string& path, const PackPlan& plan) {
    WriteOptions options;
    options.reserve = plan.file_bytes;
    STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                            store_.storage().Create(path, options));
    STEMMA_ASSIGN_OR_RETURN(const ObjectId id, WritePack(plan, layout_, source_, *file));
    STEMMA_RETURN_IF_ERROR(file->Sync());
    STEMMA_RETURN_IF_ERROR(file->Close());
    return id;
  }

  Store& store_;
  const Layout& layout_;
  const Draft& draft_;
  PieceSource& source_;
};

Result<Derived> AppendState(Store& store, const Draft& draft, const Layout& layout, Lease* lease,
                            RunWriter& run) {
  DerivedSource source(store, draft.origins, layout, draft.tensors,
                       [lease] { (void)lease->Beat(); });
  Record record = draft.record;
  STEMMA_ASSIGN_OR_RETURN(record.packs, Writing(store, layout, draft, source).Packs(run));
  STEMMA_ASSIGN_OR_RETURN(record.layout, store.PutLayout(layout.bytes()));
  record.logical_bytes = layout.LogicalBytes(RanksHeld(record));
  Derived derived;
  derived.tensors = draft.spans.size();
  derived.packs = record.packs.size();
  for (const PackRef& pack : record.packs) derived.bytes += pack.bytes;
  STEMMA_ASSIGN_OR_RETURN(derived.id, run.Append(std::move(record)));
  return derived;
}

}  // namespace

Result<Derived> WriteDerived(Store& store, const Draft& draft, const NewRun& run, Lease* lease) {
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Of(draft.spans));
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> writer, store.StartRun(run.name));
  Result<Derived> derived = AppendState(store, draft, layout, lease, *writer);
  const Status closed = writer->Close();
  if (!derived.ok()) {
    return Status(derived.status())
        .Within("run '" + run.name +
                "' was begun and has no state; take another name to try again");
  }
  // The state is durable: that the log lacks its last frame does no harm, but is worth saying.
  if (!closed.ok())
    return Status(closed).Within("the state of run '" + run.name + "' is there, but");
  return derived;
}

}  // namespace stemma::lineage::internal
