// The flags of `stemma bench train`, `comm` and `data`, in one place: `stemma` prints their
// help and checks them before it becomes the engine, which reads the same words again. No LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/train/settings.h"
#include "tools/cli/flags.h"

namespace stemma::bench {

// Names and defaults of the first seven are those of Horovod's synthetic benchmark.
struct TrainFlags {
  std::string model = "resnet50", model_word;  // --model, or the word after `train`
  int64_t batch_size = 32;                     // samples per step and rank
  int64_t warmup_batches = 10, batches_per_iter = 10, iters = 10;
  bool fp16_allreduce = false;
  bool use_adasum = false;
  bool no_cuda = false;

  int64_t size = 0;     // side of images, points of a waveform; 0: the model's own
  int64_t threads = 0;  // LibTorch's per rank; 0: the rank's share of the cores
  bool channels_last = false;
  std::string precision = "f32";  // f32 | tf32 | bf16
  bool no_comm = false;           // also a loop without communication, alternately
  bool bare = false;              // also a loop of bare LibTorch, alternately
  bool only = false;              // leave out the engine's loop
  double efficiency_baseline = 0;
  std::vector<std::string> set;  // comm.*, ops.*, device.*
  std::string json;
};

struct CommFlags {
  std::string backend = "auto";
  std::string ops, sizes;  // "": all
  int64_t rounds = 5;
  double round_ms = 50;
  std::string csv;
  std::vector<std::string> set;
};

struct DataFlags {
  int64_t images = 64;  // that are made
  int64_t threads = 0;  // most that are tried; 0: cores of the process
  int64_t passes = 5;
  std::string dir = ".";  // on the disk that is measured; "": none
  std::string shard_size = "256MiB";
};

// `values` outlives the result.
cli::Flags TrainFlagList(TrainFlags* values);
cli::Flags CommFlagList(CommFlags* values);
cli::Flags DataFlagList(DataFlags* values);

// What --set and the flags that stand for settings say. kInvalidArgument names the flag.
Status ReadSettings(const TrainFlags& flags, models::RunSettings* settings);
Status ReadSettings(const CommFlags& flags, models::RunSettings* settings);
Status Check(const DataFlags& flags);

// "4,1KiB,64MiB" as bytes. kInvalidArgument names the word.
Result<std::vector<int64_t>> ParseSizes(const std::string& text);
// "a,b" as words.
std::vector<std::string> Split(const std::string& text);

// What `stemma bench --help` says.
std::string HelpText();

}  // namespace stemma::bench
