// Labels that a trained network gave to galaxies nobody had labelled, as a file: what recursive
// training adds to the training set. Of the unlabelled split of simulated galaxies, or of pictures
// (own_galaxies.h), which the file knows by their Source().
//
//   LabelFile labels{SurveyKind::kDes, 1, "", state, MostConfident(predictions, 500)};
//   const std::string text = EncodeLabels(labels);        // write it where you like
//   STEMMA_ASSIGN_OR_RETURN(const LabelFile again, ReadLabels(disk,
//   "round1.tsv#5be1c07d20f4a1b3"));
//
// The file is text: lines that begin with '#' say what it is of, then one line for each galaxy:
// its number in the split or among the pictures, the label (0 elliptical, 1 spiral) and the
// probability it was given, with tabs between. A setting names the file with the first 16 hex
// digits of its SHA-256, behind a
// '#', so that a run's settings fix its bytes and a file that was changed is refused.
//
// Plain values and pure functions; any thread. Failure: kInvalidArgument for a name without a
// digest, kCorruption for bytes that are no such file or have another digest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/survey.h"

namespace stemma::models {

constexpr size_t kLabelDigestDigits = 16;
constexpr size_t kLabelsMax = 10000000;

struct PredictedLabel {
  int64_t id = 0;         // number in the unlabelled split, or among the pictures
  int label = 0;          // a GalaxyClass
  double confidence = 0;  // the probability of that class, [0, 1]
};

struct LabelFile {
  SurveyKind survey = SurveyKind::kDes;
  int64_t data_seed = 1;
  std::string pictures;  // 64 hex digits: of these, and neither of `survey` nor of `data_seed`
  std::string state;     // who gave the labels: 64 hex digits
  std::vector<PredictedLabel> labels;
};

// The `per_class` most confident of each class, fewer where there are not as many; equal ones by
// number. In the order of their numbers.
std::vector<PredictedLabel> MostConfident(std::vector<PredictedLabel> labels, size_t per_class);

std::string EncodeLabels(const LabelFile& labels);
Result<LabelFile> DecodeLabels(std::string_view text);
// The digits that follow the '#'.
std::string LabelDigest(std::string_view text);

// `named` is FILE#DIGEST.
Result<LabelFile> ReadLabels(lineage::Storage& disk, const std::string& named);

}  // namespace stemma::models
