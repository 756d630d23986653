// [aides]: which galaxies the network sees, and which of its layers train. Plain data, no LibTorch.
//
//   aides.train_from    what trains: "" the head, "block5.sep2" from the second separable
//                       convolution of block 5 on, "bn1" all but the first kernel, "all"
//
// The three stages of the publication are "", "block5.sep2" and "bn1": each begins as a fork of the
// one before (README.md). Width and depth cannot be set: it is one network, and the size of the
// images is what makes it cheap.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"

namespace stemma::models {

struct AidesSettings {
  std::string survey = "sdss";         // sdss | des: which telescope's images
  int64_t image = 224;                 // pixels a side
  int64_t train_size = 36620;          // galaxies of the training split
  int64_t validation_size = 1000;      // of the validation split
  std::string train;                   // your own pictures instead; "": simulated
  std::string validation;              // likewise, to validate on
  int64_t data_seed = 1;               // another seed is another sky
  std::string rescale = "all_pixels";  // all_pixels | faint_half
  bool augment = true;                 // training images alone
  double dropout = 0.7;                // behind the head's first layer
  std::string train_from = "all";      // see above
  std::string labels;                  // FILE#DIGEST: predicted labels to train on as well
  std::string unlabelled;              // the pictures that they are of; "": simulated galaxies
  int64_t cache_mb = 256;              // pictures that each rank keeps in memory
  std::string on_bad = "fail";         // fail | skip: a galaxy whose images are damaged or gone
  int64_t bad_max = 100;               // skip: of them in an epoch, on each rank
};

// What a parameter's name begins with from which on, in the order of the network, parameters train:
// "head.", "block5.rep.4.", "bn1."; "" for all. kInvalidArgument when there is no such layer.
Result<std::string> FirstTrained(const std::string& train_from);

// kInvalidArgument names the first setting that makes no sense, its value and what is allowed.
Status Check(const AidesSettings& settings);

}  // namespace stemma::models
