// The frozen spans of a training as a store has them: packs of their own, written by one capture
// and named again by every later one of the same layout, forks included. Their bytes are not
// written again, so a frozen tensor that was changed would go unseen; hence the audit: a rotating
// sample is put together again from the training's memory, as the packs hold it, and compared with
// their digests. The disk is not read for it.
//
//   FrozenSet frozen(store, record, layout);       // record.frozen_packs > 0
//   STEMMA_RETURN_IF_ERROR(frozen.Audit(source, rank, ranks, capture));
//
// Ranks share the chunks out among each other: the replica audit (audit.h) proves them equal. The
// first audit looks at all of them, so that a set of an older incarnation or of another run is not
// taken on trust, and a tensor that was never frozen in truth is found at once; later ones at one
// of kAuditEvery each, so that as many captures have looked at all.
//
// Audit() belongs to one thread, which is that of the copies; everything else is constant. `store`
// outlives it. Failure: kCorruption names the tensor and its first element that differs, and says
// so where the pack on the disk is damaged too; what PackReader::Open says of a pack; kIncompatible
// for a pack that another version cut otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/pack.h"
#include "lineage/record.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

class FrozenSet {
 public:
  // REQUIRES: `layout` is the record's
  FrozenSet(const Store& store, const Record& record, const Layout& layout);
  ~FrozenSet();

  const StateId& state() const { return record_.id; }  // one that names them
  const ObjectId& layout() const { return record_.layout; }
  const std::vector<PackRef>& packs() const { return packs_; }

  Status Audit(Source& source, int rank, int ranks, uint64_t capture);

 private:
  struct Opened;
  Status Open();
  Status AuditChunk(Source& source, const Opened& pack, uint64_t chunk);
  Status Rebuild(Source& source, const Opened& pack, uint64_t begin, std::string* chunk) const;
  Status Blame(const Opened& pack, uint64_t begin, const std::string& now) const;

  const Store& store_;
  const Record record_;
  const Layout layout_;
  std::vector<PackRef> packs_;
  std::vector<std::unique_ptr<Opened>> opened_;  // from the first audit on
  bool looked_at_all_ = false;
};

}  // namespace stemma::lineage
