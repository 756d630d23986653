// Bytes of a store's files, from copies kept since an earlier reading where they still hold, and
// from the store otherwise: so only what changed is read again from a file system that may be far
// away. What was read is kept for the next copies. Not for users.
//
//   FileCopies copies(storage, old);                       // `old` by path, may be empty
//   STEMMA_ASSIGN_OR_RETURN(auto bytes, copies.Segment(file));   // lasts as long as `copies`
//
// A copy is used when its digest is right and its file has the header and the length that the copy
// has: segments only grow, objects never change. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/mutex.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "lineage/store_files.h"

namespace stemma::lineage::internal {

struct Copy {
  std::string_view bytes;
  std::string digest;  // XXH3-128; checked before the bytes are used
};
using Copies = std::unordered_map<std::string, Copy>;  // by path

class FileCopies {
 public:
  // `old` and what its views lie in outlive it.
  FileCopies(const Store& store, const Copies& old) : store_(store), old_(old) {}

  // The file's length and header are set to what was read: it may have grown since it was asked.
  Result<std::string_view> Segment(SegmentFile* file);
  // A blob, whole: with the digest that is its name.
  Result<std::string_view> Blob(const ObjectId& id, const std::string& path);

  // A disk or network error was met: what came of this reading may be wrong the next minute.
  bool doubt() const {
    MutexLock lock(mutex_);
    return doubt_;
  }
  // All that was read or taken over; call when no reading is going on.
  Copies Kept() const {
    MutexLock lock(mutex_);
    return kept_;
  }

 private:
  const Copy* Old(const std::string& path) const;  // nullptr: none, or a damaged one
  std::string_view Keep(const std::string& path, std::string bytes);
  Status Noted(Status status);

  const Store& store_;
  const Copies& old_;
  mutable Mutex mutex_;
  Copies kept_ STEMMA_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<const std::string>> owned_ STEMMA_GUARDED_BY(mutex_);
  bool doubt_ STEMMA_GUARDED_BY(mutex_) = false;
};

}  // namespace stemma::lineage::internal
