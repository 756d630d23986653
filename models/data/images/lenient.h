// A data set that leaves out the samples of another one which cannot be had: images.on_bad = skip,
// for samples that are no ImageDataset's.
//
//   const auto data = std::make_shared<const LenientDataset>(galaxies, 100);
//
// A sample that is gone, damaged or of another kind than it should be (kNotFound, kCorruption,
// kIncompatible) becomes zeros with the targets kNoLabel, which a loss and a metric leave out; at
// most `bad_max` of them in an epoch, counted on this rank. All else that fails stays a failure: a
// disk's faults are no sample's.
//
// Owner: whoever holds the pointer. Thread: any number at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "models/data/dataset.h"
#include "models/data/images/bad_samples.h"

namespace stemma::models {

class LenientDataset final : public Dataset {
 public:
  LenientDataset(std::shared_ptr<const Dataset> data, int64_t bad_max)
      : data_(std::move(data)), bad_max_(bad_max) {}

  int64_t Size() const override { return data_->Size(); }
  SampleShape Shape() const override { return data_->Shape(); }
  std::vector<int64_t> Groups() const override { return data_->Groups(); }
  std::string NameOf(int64_t id) const override { return data_->NameOf(id); }
  std::string Digest() const override;
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;
  // What was skipped in `epoch` so far, maybe more than was consumed.
  BadSamples Skipped(uint64_t epoch) const { return skipped_.Of(epoch); }

 private:
  const std::shared_ptr<const Dataset> data_;
  const int64_t bad_max_;
  mutable SkippedSamples skipped_;
};

}  // namespace stemma::models
