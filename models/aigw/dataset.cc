#include "models/aigw/dataset.h"

#include <cmath>
#include <cstdio>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/random.h"
#include "models/aigw/targets.h"

namespace stemma::models {

namespace {

// Raised whenever the same settings begin to mean other bytes.
constexpr uint32_t kGeneratorVersion = 2;

double Spin(Random* draw) { return kSpinMax * (2 * draw->Uniform() - 1); }

}  // namespace

Result<std::shared_ptr<const AigwDataset>> AigwDataset::Make(const AigwSettings& settings,
                                                             AigwSplit split) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  return std::shared_ptr<const AigwDataset>(new AigwDataset(settings, split));
}

AigwDataset::AigwDataset(const AigwSettings& settings, AigwSplit split)
    : settings_(settings), split_(split), samples_(SamplesOf(settings)) {
  if (settings.noise != "none") noisy_.emplace(settings);
}

Binary AigwDataset::BinaryOf(int64_t id) const {
  const auto split = static_cast<uint32_t>(split_);
  Random draw(Key({static_cast<uint64_t>(settings_.data_seed), split, static_cast<uint64_t>(id)}),
              "aigw binary");
  const uint32_t lattice = (draw.U32() & ~uint32_t{3}) | split;
  // 0.875 * 2^-32 * lattice is exact in double, so other lattice points are other mass ratios.
  const double inverse_q = 1 - (1 - 1 / kMassRatioMax) * (lattice * 0x1p-32);
  const double s1 = Spin(&draw);
  return {1 / inverse_q, s1, Spin(&draw)};
}

int64_t AigwDataset::Size() const {
  return split_ == AigwSplit::kTrain ? settings_.train_size : settings_.validation_size;
}

SampleShape AigwDataset::Shape() const { return {{1, samples_}, 5}; }

std::string AigwDataset::Digest() const {
  Encoder bytes;
  bytes.String("aigw IMRPhenomT22");
  bytes.U32(kGeneratorVersion);
  bytes.U32(static_cast<uint32_t>(split_));
  for (const double v : {settings_.t_from, settings_.t_to, settings_.dt}) bytes.F64(v);
  bytes.String(settings_.target_q);
  bytes.I64(Size());
  bytes.I64(settings_.data_seed);
  if (settings_.targets != "raw") bytes.String(settings_.targets);
  if (noisy_.has_value()) {
    bytes.String(settings_.noise + (settings_.noise_whiten ? " whitened" : ""));
    bytes.F64(settings_.noise_mass);
    bytes.F64(settings_.noise_snr);
  }
  return Sha256(bytes.bytes());
}

Status AigwDataset::Read(int64_t id, const Cursor& key, float* x, float* y) const {
  const Binary b = BinaryOf(id);
  STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(b.q, b.s1, b.s2));
  if (noisy_.has_value()) {
    noisy_->Read(wave, {key.seed, key.epoch, key.sample, static_cast<uint64_t>(split_)}, x);
  } else {
    wave.RealPart({settings_.t_from, settings_.dt}, samples_, x);
  }
  double sum = 0;
  for (int64_t i = 0; i < samples_; ++i) sum += x[i];
  if (!std::isfinite(sum)) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "the waveform of q = %.17g, s1 = %.17g, s2 = %.17g is not finite", b.q, b.s1,
                  b.s2);
    return {Code::kInternal, text};
  }
  for (const double target : TargetsOf(settings_, b)) *y++ = static_cast<float>(target);
  return {};
}

}  // namespace stemma::models
