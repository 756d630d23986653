// Simulated galaxies for the trainer: computed when asked for, some milliseconds each.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data,
//                           AidesDataset::Make({}, SurveyKind::kSdss, GalaxySplit::kTrain));
//   STEMMA_RETURN_IF_ERROR(data->Read(17, {}, x, y));    // x: [3, 224, 224] in [0, 1], y: class
//
// A sample is a pure function of (data_seed, survey, split, id). The same id of the same split is
// the same galaxy for both surveys, which makes the pairs of a shift between domains. Splits share
// no galaxy (galaxy.h).
//
// The class is 0 for an elliptical and 1 for a spiral. In the unlabelled split Read gives -1, so
// that nothing can train on the truth by mistake; GalaxyOf tells it to whoever scores the labels.
//
// Owner: whoever holds the pointer. Thread: any number at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "models/aides/galaxy.h"
#include "models/aides/picture.h"
#include "models/aides/survey.h"
#include "models/data/dataset.h"

namespace stemma::models {

struct AidesData {
  int64_t data_seed = 1;
  int64_t size = 36620;  // galaxies of the split; the published training set's number
  int64_t image = 224;   // pixels a side; a smaller one is for tests
  Rescale rescale = Rescale::kAllPixels;
};

class AidesDataset final : public Dataset {
 public:
  // kInvalidArgument: a size outside [1, 2^40], an image side outside [71, 1024] (the network wants
  // 71 at least).
  static Result<std::shared_ptr<const AidesDataset>> Make(const AidesData& data, SurveyKind survey,
                                                          GalaxySplit split);

  // REQUIRES of both: 0 <= id < Size()
  uint64_t ObjectOf(int64_t id) const;
  Galaxy GalaxyOf(int64_t id) const;

  int64_t Size() const override { return data_.size; }
  SampleShape Shape() const override { return {{3, data_.image, data_.image}, 1}; }
  std::string Digest() const override;  // of all that decides a byte
  // `key` is not used: a galaxy's noise is that of its one exposure. An image with a value that is
  // not finite is kInternal and names the object.
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

 private:
  AidesDataset(const AidesData& data, SurveyKind survey, GalaxySplit split)
      : data_(data), survey_(survey), split_(split) {}

  const AidesData data_;
  const Survey survey_;
  const GalaxySplit split_;
};

}  // namespace stemma::models
