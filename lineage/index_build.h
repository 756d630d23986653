// An index from the logs of all runs: settles what they say about each other, orders the states and
// turns rows into columns. Gives what IndexOf() makes of a loaded graph. Not for users.
#pragma once

#include <vector>

#include "lineage/file_copies.h"
#include "lineage/index.h"
#include "lineage/names.h"
#include "lineage/store_files.h"

namespace stemma::lineage::internal {

// Reads what `files` lists, through `copies`; without tags.
Index BuildIndex(const Paths& paths, FileCopies* copies, StoreFiles* files);

}  // namespace stemma::lineage::internal
