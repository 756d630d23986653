// Puts a damaged or missing object together again from every copy that there is: the store's own
// file, those in its trash, and those of other stores. An object is named by its content, so
// whatever its copies have been through, what carries the right digests is the right one.
//
// A pack is mended chunk by chunk: its id binds the header and the table of digests, and each of
// those binds 1 MiB of data. Two copies with damage at different places make one that is whole.
//
//   Mender mender(store, {other.get()});
//   STEMMA_ASSIGN_OR_RETURN(const Mend mend, mender.TryPack(ref, layout));      // changes nothing
//   STEMMA_RETURN_IF_ERROR(mender.MendPack(ref, layout));                       // durable
//
// What is written goes to tmp/, is synced, read back and proved whole, and only then takes the name
// by a rename: a crash leaves the old file or the new one. A damaged copy in the trash could be
// renamed over the new file by the next collector, so it is taken out before, and removed once the
// new file is durable; nothing else is. Safe beside writers, readers and other menders; beside a
// collector as well, since the records that name the pack are what keeps it.
//
// One thread; the stores outlive it. Failure: kNotFound when no copies make it whole, and what
// lacks; else as Storage.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/names.h"
#include "lineage/pack.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

// From where an object would come.
struct Mend {
  std::vector<std::string> from;  // the files that give a part, the one that gives most first
  uint64_t bytes = 0;
};

class Mender {
 public:
  Mender(const Store& store, std::vector<const Store*> others)
      : store_(store), paths_(store.path()), others_(std::move(others)) {}

  Result<Mend> TryPack(const PackRef& pack, const Layout& layout) const;
  Status MendPack(const PackRef& pack, const Layout& layout) const;

  // A layout or a blob: whole in one of the other stores or not at all.
  Result<Mend> TryObject(ObjectKind kind, const ObjectId& id) const;
  Status MendObject(ObjectKind kind, const ObjectId& id) const;
  // Its bytes, from this store or another.
  Result<std::string> Bytes(ObjectKind kind, const ObjectId& id) const;

 private:
  struct Copy {
    Storage* storage = nullptr;
    std::string path;
  };
  std::vector<Copy> CopiesOf(const ObjectId& pack) const;
  Result<Mend> CopyPack(const PackRef& pack, const Layout& layout, WritableFile* to) const;
  Status Install(const PackRef& pack, const std::string& temporary) const;

  const Store& store_;
  const Paths paths_;
  const std::vector<const Store*> others_;
};

}  // namespace stemma::lineage
