#include "models/train/settings_workloads.h"

namespace stemma::models {
namespace {

void AddAigw(AigwSettings& s, SettingsList& field) {
  field("aigw.t_from", s.t_from, Help{"first sample of the window, in M; 0 is the peak"});
  field("aigw.t_to", s.t_to, Help{"end of the window, in M; not in it"});
  field("aigw.dt", s.dt, Help{"time between samples, in M", "(0, inf)"});
  field("aigw.last", s.last, Help{"samples at the window's end that the heads see", "[1, inf)"});
  field("aigw.target_q", s.target_q, Help{"first output: q or 1/q", "q | inverse"});
  field("aigw.train_size", s.train_size, Help{"waveforms in an epoch", "[1, inf)"});
  field("aigw.validation_size", s.validation_size,
        Help{"waveforms of the validation set (validate.every); 0: none", "[0, inf)"});
  field("aigw.data_seed", s.data_seed, Help{"another seed is another set of binaries", "[0, inf)"});
  field("aigw.file", s.file,
        Help{"HDF5 file to train on, all of it, instead of computed waveforms", "", Kind::kLocal});
  field("aigw.file_waveforms", s.file_waveforms,
        Help{"its table of waveforms; empty: the first by name"});
  field("aigw.file_labels", s.file_labels,
        Help{"its table of q, s1 and s2; empty: the second by name"});
}

}  // namespace

void AddWorkloadFields(RunSettings& settings, SettingsList* list) { AddAigw(settings.aigw, *list); }

}  // namespace stemma::models
