#include "models/aides/settings.h"

#include <utility>
#include <vector>

#include "core/text.h"

namespace stemma::models {
namespace {

constexpr int64_t kImageMin = 71, kImageMax = 1024, kGalaxiesMax = int64_t{1} << 40;

// Layer and the beginning of its parameters' names. In a block the ReLUs count: steps lie at 1, 4
// and 7, in the first block, which begins without one, at 0 and 3.
std::vector<std::pair<std::string, std::string>> Layers() {
  std::vector<std::pair<std::string, std::string>> layers = {{"all", ""}, {"", "head."}};
  for (const char* plain : {"conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "conv4", "bn4"}) {
    layers.emplace_back(plain, plain + std::string("."));
  }
  for (int block = 1; block <= 12; ++block) {
    const std::string name = "block" + std::to_string(block);
    layers.emplace_back(name, name + ".");
    const int steps = block >= 4 && block <= 11 ? 3 : 2;
    for (int step = 1; step <= steps; ++step) {
      const int place = 3 * (step - 1) + (block == 1 ? 0 : 1);
      layers.emplace_back(name + ".sep" + std::to_string(step),
                          name + ".rep." + std::to_string(place) + ".");
    }
  }
  return layers;
}

Status Outside(const char* key, int64_t value, const char* range) {
  return {Code::kInvalidArgument, key + (" = " + std::to_string(value)) + " must be " + range};
}

}  // namespace

Result<std::string> FirstTrained(const std::string& train_from) {
  std::vector<std::string> names;
  for (const auto& [layer, prefix] : Layers()) {
    if (layer == train_from) return prefix;
    names.push_back(layer);
  }
  const std::string meant = Nearest(train_from, names);
  return Status(Code::kInvalidArgument,
                "aides.train_from = \"" + train_from + "\" is no layer" +
                    (meant.empty() ? "" : "; did you mean \"" + meant + "\"?") +
                    " Expected \"\" (the head alone), all, conv1 to conv4, bn1 to bn4, block1 to "
                    "block12, or such as block5.sep2");
}

Status Check(const AidesSettings& s) {
  STEMMA_RETURN_IF_ERROR(FirstTrained(s.train_from).status());
  if (s.survey != "sdss" && s.survey != "des") {
    return {Code::kInvalidArgument, "aides.survey = " + s.survey + ": expected sdss or des"};
  }
  if (s.rescale != "all_pixels" && s.rescale != "faint_half") {
    return {Code::kInvalidArgument,
            "aides.rescale = " + s.rescale + ": expected all_pixels or faint_half"};
  }
  if (s.image < kImageMin || s.image > kImageMax) {
    return Outside("aides.image", s.image, "71 to 1024");
  }
  if (s.train_size < 1 || s.train_size > kGalaxiesMax) {
    return Outside("aides.train_size", s.train_size, "1 to 2^40");
  }
  if (s.validation_size < 1 || s.validation_size > kGalaxiesMax) {
    return Outside("aides.validation_size", s.validation_size, "1 to 2^40");
  }
  if (!s.labels.empty() && !s.train.empty() && s.unlabelled.empty()) {
    return {Code::kInvalidArgument,
            "aides.train = " + s.train + " are pictures, and aides.labels = " + s.labels +
                " of simulated galaxies unless aides.unlabelled says of which pictures"};
  }
  if (s.labels.empty() && !s.unlabelled.empty()) {
    return {Code::kInvalidArgument,
            "aides.unlabelled = " + s.unlabelled +
                " are pictures without labels: give aides.labels, which `stemma galaxy-label "
                "STATE --pictures=...` writes"};
  }
  if (s.cache_mb < 0) return Outside("aides.cache_mb", s.cache_mb, "0 or more");
  if (s.on_bad != "fail" && s.on_bad != "skip") {
    return {Code::kInvalidArgument, "aides.on_bad = " + s.on_bad + ": expected fail or skip"};
  }
  if (s.bad_max < 0) return Outside("aides.bad_max", s.bad_max, "0 or more");
  if (!(s.dropout >= 0 && s.dropout < 1)) {
    return {Code::kInvalidArgument,
            "aides.dropout = " + std::to_string(s.dropout) + " must be 0 or more and below 1"};
  }
  return {};
}

}  // namespace stemma::models
