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
        Help{"waveforms of the validation set (validate.every); 0: none", "[0, inf)"});
  field("aigw.data_seed", s.data_seed, Help{"another seed is another set of binaries", "[0, inf)"});
  field("aigw.file", s.file,
        Help{"HDF5 file to train on, all of it, instead of computed waveforms", "", Kind::kLocal});
  field("aigw.file_waveforms", s.file_waveforms,
        Help{"its table of waveforms; empty: the first by name"});
  field("aigw.file_labels", s.file_labels,
        Help{"its table of q, s1 and s2; empty: the second by name"});
}

void AddImages(ImageDataSettings& s, SettingsList& field) {
  field("images.train", s.train,
        Help{"what is trained on: a folder of classes or of shards, a shard, a range of shards, or "
             "made images such as synthetic:8x512"});
  field("images.validation", s.validation,
        Help{"what is held out, of the same classes; \"\": nothing"});
  field("images.size", s.size, Help{"side of the square that the network sees", "[1, 4096]"});
  field("images.resize_short", s.resize_short,
        Help{"evaluation: short side of the image that the square is cut from; 0: size * 8 / 7",
             "[0, 8192]"});
  field("images.area_min", s.area_min, Help{"training: least share of the image shown", "(0, 1]"});
  field("images.area_max", s.area_max, Help{"training: largest share shown", "(0, 1]"});
  field("images.aspect_min", s.aspect_min,
        Help{"training: least width / height of the part shown", "(0, 100]"});
  field("images.aspect_max", s.aspect_max, Help{"training: largest width / height", "(0, 100]"});
  field("images.flip", s.flip, Help{"training: mirror half of the images"});
  field("images.on_bad", s.on_bad,
        Help{"an image that cannot be decoded, or is gone, ends the run, or adds nothing to it",
             "fail | skip"});
  field("images.bad_max", s.bad_max,
        Help{"with on_bad = skip: of them in an epoch, on each rank, at most", "[0, inf)"});
  field("images.stage_to", s.stage_to,
        Help{"a folder on each node's own disk: shards are copied there while training reads them, "
             "as `stemma data stage` does before; \"\": none",
             "", Kind::kLocal});
}

void AddResNet50(ResNet50Settings& s, SettingsList& field) {
  field("resnet50.classes", s.classes,
        Help{"outputs of the head; 0: the classes of images.train", "[0, inf)"});
  field("resnet50.label_smoothing", s.label_smoothing,
        Help{"share of a label that all classes get, in training", "[0, 1)"});
  field("resnet50.zero_gamma", s.zero_gamma,
        Help{"blocks begin as their shortcut: scale 0 in their last norm"});
  field("resnet50.channels_last", s.channels_last,
        Help{"activations with the channels last in memory: faster, other bits"});
}

void AddVgg16(Vgg16Settings& s, SettingsList& field) {
  field("vgg16.classes", s.classes,
        Help{"outputs of the head; 0: the classes of images.train", "[0, inf)"});
  field("vgg16.label_smoothing", s.label_smoothing,
        Help{"share of a label that all classes get, in training", "[0, 1)"});
  field("vgg16.dropout", s.dropout, Help{"behind the head's first two layers", "[0, 1)"});
  field("vgg16.channels_last", s.channels_last,
        Help{"activations with the channels last in memory: other bits"});
}

void AddAides(AidesSettings& s, SettingsList& field) {
  field("aides.survey", s.survey, Help{"the telescope of the simulated galaxies", "sdss | des"});
  field("aides.image", s.image,
        Help{"pixels a side; 224 is the published network's", "[71, 1024]"});
  field("aides.train_size", s.train_size, Help{"galaxies of the training split", "[1, inf)"});
  field("aides.validation_size", s.validation_size,
        Help{"galaxies of the validation split", "[1, inf)"});
  field("aides.train", s.train,
        Help{"galaxies of your own to train on: a folder of JPEGs, elliptical/ and spiral/; a "
             "table NAME.tsv of galaxies in FITS files; NAME.h5 with images and labels; \"\": "
             "simulated"});
  field("aides.validation", s.validation, Help{"the same to validate on; \"\": simulated"});
  field("aides.data_seed", s.data_seed, Help{"another seed is another sky", "[0, inf)"});
  field("aides.rescale", s.rescale,
        Help{"mean and deviation of which pixels scale a band", "all_pixels | faint_half"});
  field("aides.augment", s.augment, Help{"training images are turned, shifted, zoomed, flipped"});
  field("aides.dropout", s.dropout, Help{"behind the head's first layer", "[0, 1)"});
  field("aides.train_from", s.train_from,
        Help{"the first layer that trains: \"\" the head, such as block5.sep2 or bn1, all"});
  field("aides.labels", s.labels,
        Help{"FILE#DIGEST of `stemma galaxy-label`: predicted labels to train on as well"});
  field("aides.unlabelled", s.unlabelled,
        Help{"the pictures that aides.labels are of, named as for aides.train; \"\": simulated"});
  field("aides.cache_mb", s.cache_mb,
        Help{"MiB of pictures that each rank keeps, so as to simulate a galaxy once",
             "[0, 1048576]", Kind::kLocal});
  field("aides.on_bad", s.on_bad,
        Help{"a galaxy whose images are damaged or gone ends the run, or adds nothing to it",
             "fail | skip"});
  field("aides.bad_max", s.bad_max,
        Help{"with on_bad = skip: of them in an epoch, on each rank, at most", "[0, inf)"});
}

}  // namespace

void AddWorkloadFields(RunSettings& settings, SettingsList* list) {
  AddAigw(settings.aigw, *list);
  AddImages(settings.images, *list);
  AddResNet50(settings.resnet50, *list);
  AddVgg16(settings.vgg16, *list);
  AddAides(settings.aides, *list);
}

bool Concerns(const std::string& section, const std::string& workload) {
  if (section == "images") return workload == "\"resnet50\"" || workload == "\"vgg16\"";
  const bool of_one =
      section == "aigw" || section == "resnet50" || section == "vgg16" || section == "aides";
  return !of_one || workload == "\"" + section + "\"";
}

}  // namespace stemma::models
