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
        Help{"waveforms of the validation set", "[0, inf)"});
  field("aigw.data_seed", s.data_seed, Help{"another seed is another set of binaries", "[0, inf)"});
}

void AddAides(AidesSettings& s, SettingsList& field) {
  field("aides.survey", s.survey, Help{"the telescope of the simulated galaxies", "sdss | des"});
  field("aides.image", s.image,
        Help{"pixels a side; 224 is the published network's", "[71, 1024]"});
  field("aides.train_size", s.train_size, Help{"galaxies of the training split", "[1, inf)"});
  field("aides.validation_size", s.validation_size,
        Help{"galaxies of the validation split", "[1, inf)"});
  field("aides.train", s.train,
        Help{"a folder of your own JPEGs, elliptical/ and spiral/, to train on; \"\": simulated"});
  field("aides.validation", s.validation, Help{"such a folder to validate on; \"\": simulated"});
  field("aides.data_seed", s.data_seed, Help{"another seed is another sky", "[0, inf)"});
  field("aides.rescale", s.rescale,
        Help{"mean and deviation of which pixels scale a band", "all_pixels | faint_half"});
  field("aides.augment", s.augment, Help{"training images are turned, shifted, zoomed, flipped"});
  field("aides.dropout", s.dropout, Help{"behind the head's first layer", "[0, 1)"});
  field("aides.train_from", s.train_from,
        Help{"the first layer that trains: \"\" the head, such as block5.sep2 or bn1, all"});
  field("aides.labels", s.labels,
        Help{"FILE#DIGEST of `stemma galaxy-label`: predicted labels to train on as well"});
  field("aides.cache_mb", s.cache_mb,
        Help{"MiB of pictures that each rank keeps, so as to simulate a galaxy once",
             "[0, 1048576]", Kind::kLocal});
}

}  // namespace

void AddWorkloadFields(RunSettings& settings, SettingsList* list) {
  AddAigw(settings.aigw, *list);
  AddAides(settings.aides, *list);
}

}  // namespace stemma::models
