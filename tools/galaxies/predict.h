// A state's answers to galaxies: the network is made from the state's settings, gets its parameters
// and buffers, and looks at simulated galaxies of a split that it was not trained on, or at
// somebody's own pictures.
//
//   STEMMA_ASSIGN_OR_RETURN(auto judge, Judge::Of(store, record));
//   STEMMA_ASSIGN_OR_RETURN(const Answers answers, judge->Look(SurveyKind::kDes,
//                           GalaxySplit::kTest, 1000, {true, true}));
//
// An answer is a pure function of the state, the galaxy and the number of threads. Augmentation
// draws one transform for each galaxy, keyed by its object: what the publication's own test did.
//
// Owner: the caller; the store may go. One thread at a time; it starts its own for the galaxies.
// Failure: pictures' own; kIncompatible for a state of another workload or with other tensors,
// kInvalidArgument for one without settings; LibTorch's exceptions become kInternal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/store.h"
#include "models/aides/galaxy.h"
#include "models/aides/network.h"
#include "models/aides/own_galaxies.h"
#include "models/aides/settings.h"
#include "models/aides/survey.h"
#include "tools/galaxies/score.h"

namespace stemma::galaxies {

constexpr size_t kFeatures = 1024;

struct Answers {
  std::vector<Answer> answers;
  std::vector<float> features;  // [answers][kFeatures], if asked for
};

struct LookOptions {
  bool augmented = false, features = false;
};

class Judge {
 public:
  // `side` overrides the settings' size of images; 0: theirs.
  static Result<std::unique_ptr<Judge>> Of(const lineage::Store& store,
                                           const lineage::Record& record, int64_t side = 0);

  // Simulated galaxies [0, count) of the split.
  Result<Answers> Look(models::SurveyKind survey, models::GalaxySplit split, int64_t count,
                       const LookOptions& options);
  // All of these pictures; the object of an answer is its number.
  Result<Answers> LookAt(const models::OwnGalaxies& pictures, const LookOptions& options);
  const models::AidesSettings& settings() const { return settings_; }

 private:
  Judge(const models::AidesSettings& settings, uint64_t seed)
      : settings_(settings), network_(seed) {}
  Status Load(const lineage::Store& store, const lineage::Record& record);
  // `see` fills in one galaxy's facts and image; called from many threads.
  using See = std::function<Status(int64_t id, Answer* answer, float* x)>;
  Result<Answers> LookAtAll(int64_t count, const See& see, const LookOptions& options);

  models::AidesSettings settings_;
  models::AidesNetwork network_;
};

}  // namespace stemma::galaxies
