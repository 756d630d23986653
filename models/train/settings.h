// All settings of a run, section by section. Each section is a plain struct that stands beside the
// code it steers; this file only puts them together, and settings.cc holds the one list of their
// fields that feeds the TOML reader, --set, --help, the saved settings and the diff. No LibTorch:
// `stemma train --help` and `stemma fork --set` read the same list.
#pragma once

#include <cstdint>
#include <string>

#include "core/settings.h"
#include "lineage/settings.h"
#include "models/aides/settings.h"
#include "models/aigw/settings.h"
#include "models/data/images/settings.h"
#include "models/resnet50/settings.h"
#include "models/vgg16/settings.h"
#include "ops/settings.h"
#include "optim/settings.h"

namespace stemma::models {

struct RunSection {
  std::string name;  // names the run in the store; letters, digits, '.', '_', '-'
  std::string workload = "aigw";
};

struct TrainSection {
  std::string length = "400step";     // "400step", "3ep", "12800samples"
  int64_t global_batch = 32;          // samples per step over all ranks
  int64_t micro_batches = 1;          // backward passes per step and rank
  std::string precision = "float32";  // float32 | bfloat16 | float16, of the forward: autocast.h
  std::string last_batch = "drop";    // drop | short: what an epoch leaves when it does not divide
  std::string order = "full";         // full | window: mixed over all shards or a few at a time
  int64_t order_window = 16;          // shards at a time
  int64_t window() const { return order == "window" ? order_window : 0; }  // as the loader takes it
  int64_t seed = 1;
  int64_t log_every = 10;      // steps between progress lines; metrics.jsonl has every step
  int64_t loader_threads = 0;  // per rank; does not change the data; 0: LoaderThreads, course.h
  int64_t prefetch = 2;        // batches read ahead per rank
  double data_stall_s = 60;    // no sample read for so long: the run ends
  double stop_check_s = 5;     // between looks for the files STOP and SAVE
  int64_t stop_at = 0;         // step after which to stop as with a file STOP; 0: at the end only
  int64_t stop_patience = 0;   // ends after so many evaluations without a lower val_loss; 0: never
};

// Evaluation of held-out samples while training: evaluation.h.
struct ValidateSection {
  std::string every = "";  // "": never; "500step", "1ep", "20000samples"
  int64_t batch = 0;       // samples per evaluation batch over all ranks; 0: train.global_batch
  std::string weights = "trained";  // trained | average: optim.ema_decay's in their place
};

struct DeviceSection {
  std::string kind = "cpu";  // cpu | cuda
  int64_t threads = 0;       // LibTorch threads per rank; 0: cores of the rank / its ranks
};

struct RunSettings {
  RunSection run;
  TrainSection train;
  ValidateSection validate;
  DeviceSection device;
  ops::CommSettings comm;  // its device is device.kind
  ops::OpsSettings ops;
  optim::OptimSettings optim;
  lineage::LineageSettings lineage;
  AigwSettings aigw;
  ImageDataSettings images;
  ResNet50Settings resnet50;
  Vgg16Settings vgg16;
  AidesSettings aides;
};

// The list: every field of every section with name, help, range and kind.
SettingsList FieldsOf(RunSettings& settings);

// Steps that a length means with this batch and data set, rounded up to whole ones: "400step",
// "3ep", "12800samples". kInvalidArgument names `key`, the setting that `length` is of.
Result<int64_t> StepsOf(const std::string& key, const std::string& length,
                        const TrainSection& train, int64_t dataset_size);
// Of the whole run, from train.length.
Result<int64_t> TotalSteps(const TrainSection& train, int64_t dataset_size);

}  // namespace stemma::models
