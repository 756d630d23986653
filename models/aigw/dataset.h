// The binaries of a run and their waveforms, computed when they are asked for: one of 101,300
// samples takes about 1 ms, so there is nothing to download and nothing to store.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto data, AigwDataset::Make(settings, AigwSplit::kTrain));
//   Binary b = data->BinaryOf(17);
//   STEMMA_RETURN_IF_ERROR(data->Read(17, {}, x, y));    // x: Re h22, y: q, s1, s2, chi_eff, S_eff
//
// Parameters are a pure function of (data_seed, split, id): 1/q uniform in (0.125, 1], both spins
// uniform in [-0.8, 0.8). No waveform can be in two splits, whatever their sizes: 1/q lies on a
// lattice of 2^32 points, and the point's lowest two bits are the split.
//
// Targets are not normalised, as in the original, or standardised: targets.h.
//
// Owner: whoever holds the pointer. Thread: any number at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/status.h"
#include "models/aigw/noise.h"
#include "models/aigw/phenomt.h"
#include "models/aigw/settings.h"
#include "models/data/dataset.h"

namespace stemma::models {

// These numbers decide which waveforms are where: never renumber.
enum class AigwSplit : uint32_t { kTrain = 0, kValidation = 1, kTest = 2 };

class AigwDataset final : public Dataset {
 public:
  // kInvalidArgument: see Check(settings). The test split has validation_size waveforms, too.
  static Result<std::shared_ptr<const AigwDataset>> Make(const AigwSettings& settings,
                                                         AigwSplit split);

  // REQUIRES: 0 <= id < Size()
  Binary BinaryOf(int64_t id) const;

  int64_t Size() const override;
  SampleShape Shape() const override;   // {1, samples} and 5
  std::string Digest() const override;  // of all that decides a byte
  // `key`: of the noise; without any (aigw.noise) waveforms are the same in every epoch. A waveform
  // with a value that is not finite is kInternal and names the binary.
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override;

 private:
  AigwDataset(const AigwSettings& settings, AigwSplit split);

  const AigwSettings settings_;
  const AigwSplit split_;
  const int64_t samples_;
  std::optional<NoisyWindow> noisy_;
};

}  // namespace stemma::models
