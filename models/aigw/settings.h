// [aigw]: the window of the waveform that the network sees, and which waveforms there are. Plain
// data, no LibTorch. The defaults are the published network: 101,300 samples, the heads on the last
// 10,000. Times are in units of the total mass, 0 is the peak of |h22|.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"

namespace stemma::models {

struct AigwSettings {
  double t_from = -10000;           // first sample of the window
  double t_to = 130;                // end of the window, not in it
  double dt = 0.1;                  // (t_to - t_from) / dt is the number of samples
  int64_t last = 10000;             // samples at the window's end that the two heads see
  std::string target_q = "q";       // q | inverse: what the first output means, q or 1/q
  std::string targets = "raw";      // raw | standard: targets.h
  double dropout = 0.2;             // before the last convolution, in training
  int64_t train_size = 1500000;     // waveforms in an epoch
  int64_t validation_size = 15000;  // held-out waveforms, disjoint by construction; 0: none
  std::string noise = "none";       // none | ligo: noise.h
  double noise_mass = 60;           // total mass in solar masses, which makes seconds of M
  double noise_snr = 20;            // optimal signal-to-noise ratio in the window
  bool noise_whiten = true;         // divide by the root of the noise's power
  int64_t data_seed = 1;            // another seed is another set of binaries
  std::string file;            // HDF5 to train on instead, all of it (waveform_file.h); "": none
  std::string file_waveforms;  // its table of waveforms; "": the first by name
  std::string file_labels;     // its table of q, s1, s2; "": the second by name
};

// Samples of the window. REQUIRES: Check is OK
int64_t SamplesOf(const AigwSettings& settings);

// kInvalidArgument names the first setting that makes no sense, its value and what is allowed.
Status Check(const AigwSettings& settings);

}  // namespace stemma::models
