#include "lineage/lease.h"

#include "lineage/store_impl.h"

namespace stemma::lineage {

Result<Lease> Lease::Take(Storage& storage, const Paths& paths, std::vector<ObjectId> packs,
                          const std::string& why) {
  Lease lease(storage, paths);
  lease.notice_.owner = NewUlid();
  lease.notice_.objects = std::move(packs);
  lease.notice_.who = internal::WhoAmI();
  lease.notice_.why = why;
  lease.notice_.wall_ms = internal::WallMs();
  if (!storage.Exists(paths.LeasesDir())) {
    STEMMA_RETURN_IF_ERROR(internal::MakeDirIfMissing(storage, paths.LeasesDir()));
  }
  STEMMA_RETURN_IF_ERROR(internal::MakeDirIfMissing(storage, paths.LeaseDir(lease.ulid())));
  STEMMA_RETURN_IF_ERROR(PutNotice(storage, paths, paths.LeaseWhat(lease.ulid()), lease.notice_));
  return lease;
}

Lease::Lease(Lease&& other) noexcept
    : storage_(std::exchange(other.storage_, nullptr)),
      paths_(other.paths_),
      notice_(other.notice_) {}

Lease::~Lease() {
  if (storage_ != nullptr && !ulid().empty()) {
    internal::RemoveFolderQuietly(*storage_, paths_.LeaseDir(ulid()));
  }
}

Status Lease::Beat() {
  Notice beat;
  beat.owner = notice_.owner;
  beat.counter = ++notice_.counter;
  return PutNotice(*storage_, paths_, paths_.LeaseBeat(ulid()), beat);
}

}  // namespace stemma::lineage
