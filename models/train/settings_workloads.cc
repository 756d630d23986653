#include "models/train/settings_workloads.h"

namespace stemma::models {
namespace {

void AddAigw(AigwSettings& s, SettingsList& field) {
  field("aigw.t_from", s.t_from, Help{"first sample of the window, in M; 0 is the peak"});
  field("aigw.t_to", s.t_to, Help{"end of the window, in M; not in it"});
  field("aigw.dt", s.dt, Help{"time between samples, in M", "(0, inf)"});
  field("aigw.last", s.last, Help{"samples at the window's end that the heads see", "[1, inf)"});
  field("aigw.target_q", s.target_q, Help{"first output: q or 1/q", "q | inverse"});
  field("aigw.targets", s.targets,
        Help{"outputs as they are, or each divided by its deviation over the data",
             "raw | standard"});
  field("aigw.dropout", s.dropout,
        Help{"share of channels' values dropped before the last convolution", "[0, 1)"});
  field("aigw.noise", s.noise, Help{"noise added to each wave: Advanced LIGO's", "none | ligo"});
  field("aigw.noise_mass", s.noise_mass,
        Help{"with noise: total mass in solar masses, which makes seconds of M", "[10, 300]"});
  field("aigw.noise_snr", s.noise_snr,
        Help{"with noise: optimal signal-to-noise ratio in the window", "(0, 1e6]"});
  field("aigw.noise_whiten", s.noise_whiten,
        Help{"with noise: divide wave and noise by the root of the noise's power"});
  field("aigw.train_size", s.train_size, Help{"waveforms in an epoch", "[1, inf)"});
  field("aigw.validation_size", s.validation_size,
        Help{"waveforms of the validation set", "[0, inf)"});
  field("aigw.data_seed", s.data_seed, Help{"another seed is another set of binaries", "[0, inf)"});
}

}  // namespace

void AddWorkloadFields(RunSettings& settings, SettingsList* list) { AddAigw(settings.aigw, *list); }

}  // namespace stemma::models
