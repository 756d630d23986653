// A lease tells collectors which packs somebody is working with. It is a hint that saves them from
// moving packs to the trash and back; no safety rests on it, so it need not survive a crash and is
// not synced.
//
//   STEMMA_ASSIGN_OR_RETURN(const Lease lease, Lease::Take(storage, paths, packs, "fork hot"));
//   ...                        // dropped at the end of the scope, on every way out
//
// A lease counts until a collector has seen its beat unchanged for a whole grace; work that takes
// longer calls Beat(). One thread; `storage` outlives it. Failure: as Storage.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/notice.h"
#include "lineage/storage.h"

namespace stemma::lineage {

class Lease {
 public:
  static Result<Lease> Take(Storage& storage, const Paths& paths, std::vector<ObjectId> packs,
                            const std::string& why);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();  // drops it; what cannot be removed is left to a collector

  Status Beat();
  const std::string& ulid() const { return notice_.owner; }

 private:
  Lease(Storage& storage, const Paths& paths) : storage_(&storage), paths_(paths) {}

  Storage* storage_;  // null: moved from
  Paths paths_;
  Notice notice_;
};

}  // namespace stemma::lineage
