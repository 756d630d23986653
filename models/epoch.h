// How many samples an epoch of a run's training data has, found out without making a data set of
// them: for plans that are made before anything is trained.
//
//   STEMMA_ASSIGN_OR_RETURN(const int64_t samples, SamplesOfEpoch(disk, settings));
//
// Computed and made data say it by a setting. Of images the manifest or the indices of shards are
// read, or class folders are listed; of galaxies the table, or the class folders, and the predicted
// labels. What costs more is not counted: shards without an index, which would be read from end to
// end, and HDF5, whose library nothing that must start at once may load.
//
// It is Dataset::Size() of what models/workloads.h makes of the same settings, where that succeeds.
//
// No LibTorch. Any thread. Failure: kInvalidArgument says what cannot be counted here, or which
// setting makes no sense; else what the disk says.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/train/settings.h"

namespace stemma::models {

// No file is trained on, and the number of samples is [aigw]'s or [aides]' train_size.
bool IsComputed(const RunSettings& settings);

Result<int64_t> SamplesOfEpoch(lineage::Storage& disk, const RunSettings& settings);

}  // namespace stemma::models
