// Waveforms that lie in an HDF5 file, in the layout of the published set: a table of waveforms
// (N, samples), and beside it the labels (N, 3) = q, s1, s2 of each. The published loader takes the
// two by the order of their names, and so does this one unless the settings name them; what is
// written here is called "data" and "labels".
//
//   STEMMA_RETURN_IF_ERROR(WriteWaveformFile(disk, settings, AigwSplit::kTrain, 1000, "w.h5", {}));
//   settings.file = "w.h5";
//   STEMMA_ASSIGN_OR_RETURN(const auto data, AigwTrainData(settings));   // 1000 samples
//
// Waveforms are float32, labels float64, so that what is read is to the bit what would have been
// computed: a training from the file is the training without it. Files with either width, in either
// byte order, can be read. Such a file has attributes t_from, t_to and dt on its waveforms: one
// that has them and says another window than the settings is refused. The number of samples must
// fit in every case.
//
// A file's size is its own: aigw.train_size does not cut it. Its digest is of the shape, of every
// label and of 64 waveforms spread over the file; reading 600 GB at each start is no option, so a
// waveform whose bytes changed is not noticed for certain.
//
// Owner: whoever holds the pointer. Thread: any number at once. Failure: what Hdf5File says; labels
// that are no black holes, a window that does not fit: kIncompatible, with file and row; a waveform
// with a value that is not finite: kCorruption, when it is read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aigw/dataset.h"
#include "models/aigw/settings.h"
#include "models/data/dataset.h"
#include "models/data/hdf5/hdf5_file.h"

namespace stemma::models {

class WaveformFile final : public Dataset {
 public:
  // Reads settings.file. REQUIRES: it is not empty
  static Result<std::shared_ptr<const WaveformFile>> Open(lineage::Storage& disk,
                                                          const AigwSettings& settings);

  int64_t Size() const override { return waves_->rows(); }
  SampleShape Shape() const override { return {{1, waves_->columns()}, 5}; }
  std::string Digest() const override { return digest_; }
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

  // REQUIRES: 0 <= id < Size()
  const Binary& BinaryOf(int64_t id) const { return binaries_[static_cast<size_t>(id)]; }

 private:
  WaveformFile(const AigwSettings& settings, std::shared_ptr<const Hdf5Table> waves)
      : settings_(settings), waves_(std::move(waves)) {}
  Status CheckWindow() const;
  Status ReadLabels(const Hdf5Table& labels);
  Status FindDigest();
  Status ReadWave(int64_t id, float* x) const;

  const AigwSettings settings_;
  const std::shared_ptr<const Hdf5Table> waves_;
  std::vector<Binary> binaries_;
  std::string digest_;
};

// What [aigw] says to train on: the file, or waveforms computed on the fly.
Result<std::shared_ptr<const Dataset>> AigwTrainData(const AigwSettings& settings);

// The first `count` waveforms of `split`, whose size that must not exceed. settings.file is not
// looked at. `progress` is told how many are written, of how many.
Status WriteWaveformFile(lineage::Storage& disk, const AigwSettings& settings, AigwSplit split,
                         int64_t count, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress);

}  // namespace stemma::models
