// The index of a store, kept between processes in one file on this machine, so that a question
// about 10^5 states is answered at once.
//
//   STEMMA_ASSIGN_OR_RETURN(const Index index, LoadIndex(*store, IndexCacheDir()));
//   STEMMA_ASSIGN_OR_RETURN(const Index same, LoadIndex(*store, ""));       // no file: --no-cache
//
// What comes back is what IndexOf(*store.Load(), store) gives, of the store as it is now. The file
// holds the columns, mapped and used where they lie, and copies of the logs. Before it is used the
// store is asked for its runs, incarnations and segments, how each begins and how long it is
// (store_files.h): if all is as it was, the columns hold. If not, files that changed are read from
// the store, all others from the copies, and a new file replaces the old one. Tags are read each
// time: they are few.
//
// Whoever writes a file looks at some others beside it and removes those whose store is gone.
//
// Any doubt (another version or store, a wrong digest, a number out of bounds) means that the file
// is removed and made anew. It is never the truth about anything and may be deleted at any time.
// Several processes may read and write it at once: it is written aside and renamed.
//
// Any thread. Failure: as Store::Load(). A cache that cannot be written is a line in the
// process's log (STEMMA_LOG=debug) and costs the next question its time, nothing else.
#pragma once

#include <string>

#include "core/status.h"
#include "lineage/index.h"
#include "lineage/store.h"

namespace stemma::lineage {

// `cache_dir` is made if missing; "" keeps no file. Not a folder of the store's file system where
// that is shared by many machines: each would wait for the others' bytes.
Result<Index> LoadIndex(const Store& store, const std::string& cache_dir);

// Where the environment wants it: $STEMMA_CACHE, else $XDG_CACHE_HOME/stemma, else
// $HOME/.cache/stemma, else $TMPDIR/stemma-<uid>; "" when none of them is set.
std::string IndexCacheDir();

// The file of this store in `cache_dir`.
std::string IndexCachePath(const Store& store, const std::string& cache_dir);

}  // namespace stemma::lineage
