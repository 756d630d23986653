#include "models/aigw/settings.h"

#include <cmath>

namespace stemma::models {

namespace {

Status Bad(const std::string& what) { return {Code::kInvalidArgument, what}; }

std::string Text(double value) {
  std::string text = std::to_string(value);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    const bool point = text.back() == '.';
    text.pop_back();
    if (point) break;
  }
  return text;
}

constexpr int64_t kSamplesMax = 100000000;
constexpr int64_t kWaveformsMax = int64_t{1} << 48;

Status CheckWindow(const AigwSettings& s) {
  if (!std::isfinite(s.t_from) || !std::isfinite(s.t_to) || s.t_to <= s.t_from) {
    return Bad("aigw.t_to = " + Text(s.t_to) +
               " must be greater than aigw.t_from = " + Text(s.t_from));
  }
  if (!(s.dt > 0)) return Bad("aigw.dt = " + Text(s.dt) + " must be greater than 0");
  const double samples = (s.t_to - s.t_from) / s.dt;
  if (!(samples < static_cast<double>(kSamplesMax))) {
    return Bad("aigw.dt = " + Text(s.dt) + " makes a window of more than 100,000,000 samples");
  }
  if (std::abs(samples - std::round(samples)) > 1e-6 * samples) {
    return Bad("the window [" + Text(s.t_from) + ", " + Text(s.t_to) +
               ") is no whole number of steps aigw.dt = " + Text(s.dt));
  }
  if (s.last < 1 || s.last > SamplesOf(s)) {
    return Bad("aigw.last = " + std::to_string(s.last) + " must be 1 to " +
               std::to_string(SamplesOf(s)) + ", the samples of the window");
  }
  return {};
}

Status CheckNoise(const AigwSettings& s) {
  if (s.noise != "none" && s.noise != "ligo") {
    return Bad("aigw.noise = " + s.noise + ": expected none or ligo");
  }
  if (!(s.noise_mass >= 10 && s.noise_mass <= 300)) {
    return Bad("aigw.noise_mass = " + Text(s.noise_mass) + " must be 10 to 300 solar masses");
  }
  if (!(s.noise_snr > 0 && s.noise_snr <= 1e6)) {
    return Bad("aigw.noise_snr = " + Text(s.noise_snr) + " must be above 0 and 1e6 at most");
  }
  return {};
}

}  // namespace

int64_t SamplesOf(const AigwSettings& settings) {
  return std::llround((settings.t_to - settings.t_from) / settings.dt);
}

Status Check(const AigwSettings& s) {
  STEMMA_RETURN_IF_ERROR(CheckWindow(s));
  if (s.target_q != "q" && s.target_q != "inverse") {
    return Bad("aigw.target_q = " + s.target_q + ": expected q or inverse");
  }
  if (s.targets != "raw" && s.targets != "standard") {
    return Bad("aigw.targets = " + s.targets + ": expected raw or standard");
  }
  STEMMA_RETURN_IF_ERROR(CheckNoise(s));
  if (!(s.dropout >= 0 && s.dropout < 1)) {
    return Bad("aigw.dropout = " + Text(s.dropout) + " must be in [0, 1)");
  }
  if (s.train_size < 1 || s.train_size > kWaveformsMax) {
    return Bad("aigw.train_size = " + std::to_string(s.train_size) + " must be 1 to 2^48");
  }
  if (s.validation_size < 0 || s.validation_size > kWaveformsMax) {
    return Bad("aigw.validation_size = " + std::to_string(s.validation_size) +
               " must be 0 to 2^48");
  }
  if (s.file.empty() && !(s.file_waveforms.empty() && s.file_labels.empty())) {
    return Bad(
        "aigw.file_waveforms and aigw.file_labels name tables of aigw.file, which is not set");
  }
  if (!s.file.empty() && s.noise != "none") {
    return Bad("aigw.noise = " + s.noise +
               " is added to computed waves only: leave aigw.file empty, or the noise at none");
  }
  return {};
}

}  // namespace stemma::models
