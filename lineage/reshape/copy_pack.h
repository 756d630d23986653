// A pack from one store to another, proved on the way: its header and chunk table against its id,
// each chunk against its digest, and what was written is what was proved. Internal to
// lineage/reshape.
//
// Memory: one chunk (1 MiB), and the chunk table. One thread. Failure: kCorruption that names the
// file and the tensors of the first bad chunk; the storages' own. A copy that failed leaves nothing
// under the pack's name.
#pragma once

#include <string>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/record.h"
#include "lineage/storage.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

// `from` has the pack in its objects; `layout` is its own. `temporary`: a free path on `to`'s file
// system. When this returns, the pack is durable under its name.
Status CopyPack(const Store& from, const PackRef& pack, const Layout& layout, const Store& to,
                const std::string& temporary);

// The pack lies in `to`'s objects with the right length, and its name is durable. False: it is not
// there; kCorruption: with another length.
Result<bool> HasPack(const Store& to, const PackRef& pack);

}  // namespace stemma::lineage::internal
