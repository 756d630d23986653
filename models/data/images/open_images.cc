#include "models/data/images/open_images.h"

#include <algorithm>
#include <utility>

#include "models/data/images/folder_source.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/reading.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/synthetic.h"

namespace stemma::models {
namespace {

constexpr char kShards[] = "shards", kFolders[] = "folders";

// One side, before it is a data set: made images or a source of encoded ones.
struct Side {
  const char* key = "";
  std::string path;
  ImageUse use = ImageUse::kTrain;
  std::shared_ptr<const ImageSource> source;  // null: made images
  SyntheticSpec made;
  std::vector<std::string> names;
};

std::string Quoted(const Side& side) { return std::string(side.key) + " = \"" + side.path + "\""; }

Result<Side> OpenSide(lineage::Storage& disk, Side side, const std::string& stage_to,
                      Cohort& cohort) {
  if (IsSynthetic(side.path)) {
    auto spec = ParseSynthetic(side.path);
    if (!spec.ok()) return Status(spec.status()).Within(side.key);
    side.made = *spec;
    side.names = SyntheticImages(side.made, 1, side.use, PixelOrder::kChannelsFirst).Classes();
    return side;
  }
  auto source = OpenImageSource(disk, side.path, stage_to, cohort);
  if (!source.ok()) return Status(source.status()).Within(Quoted(side));
  side.source = *std::move(source);
  side.names = side.source->Classes();
  return side;
}

// What of `names` is not in `others`: "'cat'", "'cat' and 3 more"; "": nothing.
std::string NotIn(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  std::string first;
  int64_t more = 0;
  for (const std::string& name : names) {
    if (std::find(others.begin(), others.end(), name) != others.end()) continue;
    if (first.empty()) {
      first = "'" + name + "'";
    } else {
      ++more;
    }
  }
  return more == 0 ? first : first + " and " + std::to_string(more) + " more";
}

// A label means the same class on both sides. Sides without names have numbers alone.
Status CheckSameClasses(const Side& train, const Side& validation) {
  if (train.names == validation.names || train.names.empty() || validation.names.empty()) return {};
  const std::string lost = NotIn(train.names, validation.names);
  const std::string strange = NotIn(validation.names, train.names);
  std::string what;
  if (!lost.empty()) what += " lacks " + lost;
  if (!strange.empty()) what += (what.empty() ? " has " : " and has ") + strange;
  if (what.empty()) what = " has them in another order";
  return {Code::kInvalidArgument,
          Quoted(validation) + ": its classes are not those of " + Quoted(train) + ": it" + what +
              "; labels would mean something else. Give both the same class "
              "folders, or leave images.validation empty"};
}

Result<int64_t> ClassesOf(const Side& train, const ImageNeeds& needs) {
  const auto named = static_cast<int64_t>(train.names.size());
  if (named == 1) {
    return Status(Code::kInvalidArgument,
                  Quoted(train) + " has one class, '" + train.names[0] +
                      "': there is nothing to tell apart; is it the folder above the one that "
                      "holds the class folders?");
  }
  if (needs.classes == 0 && named == 0) {
    return Status(Code::kInvalidArgument, Quoted(train) +
                                              " names no classes (no manifest.json beside the "
                                              "shards): set " +
                                              needs.key + " to their number");
  }
  if (needs.classes > 0 && needs.classes < named) {
    return Status(Code::kInvalidArgument, needs.key + " = " + std::to_string(needs.classes) +
                                              ", but " + Quoted(train) + " has " +
                                              std::to_string(named) +
                                              " classes: set at least that, or 0 for just those");
  }
  if (needs.classes == 1) {
    return Status(Code::kInvalidArgument,
                  needs.key + " = 1: there is nothing to tell apart; 0 takes those of the data");
  }
  return needs.classes > 0 ? needs.classes : named;
}

// `files` gets the data set too, where it is one of files.
Result<std::shared_ptr<const Dataset>> DatasetOf(const Side& side, const ImageSettings& image,
                                                 const BadSamplePolicy& policy,
                                                 std::shared_ptr<const ImageDataset>* files) {
  if (side.source == nullptr) {
    return std::shared_ptr<const Dataset>(
        std::make_shared<SyntheticImages>(side.made, image.size, side.use, image.order));
  }
  STEMMA_ASSIGN_OR_RETURN(*files, ImageDataset::Make(side.source, image, side.use, policy));
  return std::shared_ptr<const Dataset>(*files);
}

}  // namespace

Result<ImageSettings> ImageSettingsOf(const ImageDataSettings& settings, PixelOrder order) {
  ImageSettings image;
  image.size = settings.size;
  image.resize_short =
      settings.resize_short == 0 ? (settings.size * 8 + 6) / 7 : settings.resize_short;
  image.area_min = settings.area_min;
  image.area_max = settings.area_max;
  image.aspect_min = settings.aspect_min;
  image.aspect_max = settings.aspect_max;
  image.flip = settings.flip;
  image.order = order;
  STEMMA_RETURN_IF_ERROR(Check(image));
  return image;
}

Result<std::shared_ptr<const ImageSource>> OpenImageSource(lineage::Storage& disk,
                                                           const std::string& path,
                                                           const std::string& stage_to,
                                                           Cohort& cohort) {
  const auto look = [&]() -> Result<std::string> {
    const Status shards = ShardPaths(disk, path).status();
    if (shards.ok()) return std::string(kShards);
    if (shards.code() != Code::kNotFound) return shards;
    if (disk.Exists(path)) return std::string(kFolders);
    return Status(Code::kNotFound,
                  "nothing is there: expected a folder of classes (CLASS/NAME.jpg) or of shards, "
                  "a shard, or a range NAME-{000000..000146}.tar");
  };
  STEMMA_ASSIGN_OR_RETURN(const std::string kind, LookOnRankZero(cohort, look));
  if (kind == kShards) {
    ShardStaging staging;
    staging.stage.dir = stage_to;
    auto shards = stage_to.empty() ? ShardSource::Open(disk, path, cohort)
                                   : ShardSource::OpenStaged(disk, disk, path, staging, cohort);
    STEMMA_RETURN_IF_ERROR(shards.status());
    return std::shared_ptr<const ImageSource>(*std::move(shards));
  }
  if (!stage_to.empty()) {
    return Status(Code::kInvalidArgument,
                  "images.stage_to copies shards, and this is a folder of classes: pack it first "
                  "(`stemma data pack`), or leave images.stage_to empty");
  }
  STEMMA_ASSIGN_OR_RETURN(auto folders, FolderSource::Open(disk, path, cohort));
  return std::shared_ptr<const ImageSource>(std::move(folders));
}

Result<OpenedImages> OpenImages(lineage::Storage& disk, const ImageDataSettings& settings,
                                const ImageNeeds& needs, Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const ImageSettings image, ImageSettingsOf(settings, needs.order));
  if (settings.train.empty()) {
    return Status(Code::kInvalidArgument,
                  "images.train is empty: name a folder of classes or of shards, or made images "
                  "such as synthetic:8x512");
  }
  Side train, validation;
  train.key = "images.train";
  train.path = settings.train;
  validation.key = "images.validation";
  validation.path = settings.validation;
  validation.use = ImageUse::kEvaluate;
  STEMMA_ASSIGN_OR_RETURN(train, OpenSide(disk, std::move(train), settings.stage_to, cohort));
  OpenedImages opened;
  STEMMA_ASSIGN_OR_RETURN(opened.classes, ClassesOf(train, needs));
  BadSamplePolicy policy;
  policy.on_bad = settings.on_bad == "skip" ? OnBadSample::kSkip : OnBadSample::kFail;
  policy.bad_max = settings.bad_max;
  policy.label_end = opened.classes;
  STEMMA_ASSIGN_OR_RETURN(opened.train, DatasetOf(train, image, policy, &opened.train_files));
  opened.names = train.names;
  if (validation.path.empty()) return opened;
  STEMMA_ASSIGN_OR_RETURN(validation,
                          OpenSide(disk, std::move(validation), settings.stage_to, cohort));
  STEMMA_RETURN_IF_ERROR(CheckSameClasses(train, validation));
  std::shared_ptr<const ImageDataset> files;
  STEMMA_ASSIGN_OR_RETURN(opened.validation, DatasetOf(validation, image, policy, &files));
  return opened;
}

}  // namespace stemma::models
