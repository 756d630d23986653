// Runs independent pieces of work on a few threads: for many small files, where most of the time is
// waiting for the disk, and for digests of large memory. Not for users.
//
//   SideBySide(files.size(), 32, [&](size_t i) { sizes[i] = storage.SizeOf(files[i]); });
//
// Every i below `tasks` is done once; all are done on return. `work` must not throw. One thread at
// least `per_thread` tasks, so that few tasks do not pay for threads. Without threads to be had the
// caller's thread does all of it.
#pragma once

#include <cstddef>
#include <functional>

namespace stemma::lineage::internal {

void SideBySide(size_t tasks, size_t per_thread, const std::function<void(size_t)>& work);

}  // namespace stemma::lineage::internal
