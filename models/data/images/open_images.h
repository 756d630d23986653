// Opens what [images] names: the data sets that a classifier is trained on and judged by.
//
//   STEMMA_ASSIGN_OR_RETURN(
//       const OpenedImages images,
//       OpenImages(disk, settings.images, {settings.resnet50.classes, "resnet50.classes"},
//       cohort));
//   images.train->Size(), images.classes, images.names ...
//
// What lies at a path says how it is read: *.tar are shards, folders in a folder are classes. All
// that can be wrong with both is said here, before anything is trained: a path that is not there, a
// class without images, one class alone, more classes in the data than the network has, and classes
// that are not the same, by name and order, on both sides. Shards without manifest.json name no
// classes: then their number has to be given, and each label is held against it as it is read.
//
// Collective: rank 0 looks, the others get its answer. The disk outlives what is opened.
// Failure, the same on every rank: kInvalidArgument names the setting; kNotFound and kCorruption
// what the disk holds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/dataset.h"
#include "models/data/images/augment.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/image_source.h"
#include "models/data/images/settings.h"

namespace stemma::models {

// Of the network that will see the images.
struct ImageNeeds {
  int64_t classes = 0;  // that it tells apart; 0: those of the data
  std::string key;      // the setting that says so, for messages
  PixelOrder order = PixelOrder::kChannelsFirst;
};

struct OpenedImages {
  std::shared_ptr<const Dataset> train, validation;  // validation null: none was named
  std::shared_ptr<const ImageDataset> train_files;   // `train` as it is; null: made images
  int64_t classes = 0;                               // that the network has to tell apart
  std::vector<std::string> names;                    // of the data's, by label; may be empty
};

Result<OpenedImages> OpenImages(lineage::Storage& disk, const ImageDataSettings& settings,
                                const ImageNeeds& needs, Cohort& cohort);

// Shards or class folders, whichever lie at `path`; shards are copied to `stage_to` and read from
// there, unless it is "". Collective. kNotFound: nothing there. kInvalidArgument: class folders,
// and a folder to copy them to.
Result<std::shared_ptr<const ImageSource>> OpenImageSource(lineage::Storage& disk,
                                                           const std::string& path,
                                                           const std::string& stage_to,
                                                           Cohort& cohort);

// What `settings` mean for one image. kInvalidArgument names the setting.
Result<ImageSettings> ImageSettingsOf(const ImageDataSettings& settings, PixelOrder order);

}  // namespace stemma::models
