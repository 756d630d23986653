// What is wrong with images on a disk: `stemma data check`. Of shards, every byte against index and
// manifest; of shards and class folders alike, every image, decoded to its end.
//
//   STEMMA_ASSIGN_OR_RETURN(const CheckReport report, CheckImages(disk, "/data/train", {}, say));
//
// Each finding is said once, as it is found, with the file's name and the reason; the checks go on
// behind it. Thread: `say` is called from one at a time. Failure: what keeps the data from being
// opened at all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

struct CheckSettings {
  int threads = 1;
  bool decode = true;  // else images are not looked at
};

struct CheckReport {
  int64_t images = 0, shards = 0, classes = 0;
  int64_t findings = 0;
};

Result<CheckReport> CheckImages(lineage::Storage& disk, const std::string& path,
                                const CheckSettings& settings,
                                const std::function<void(const std::string&)>& say);

}  // namespace stemma::models
