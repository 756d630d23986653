// [images]: where the images lie that a classifier is trained on and judged by, and what a sample
// shows of each. Plain data, no LibTorch and no libjpeg.
//
// A path is a folder of classes (CLASS/NAME.jpg), a folder of shards, one shard, or a range of
// shards (NAME-{000000..000146}.tar); which of these it is, is seen from what lies there. In place
// of a path, "synthetic:8x512" are 512 made images of 8 classes (synthetic.h), which need no disk.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::models {

struct ImageDataSettings {
  std::string train, validation;        // "": none, which training refuses
  int64_t size = 224;                   // side of the square that the network sees
  int64_t resize_short = 0;             // evaluation: the short side becomes this; 0: size * 8 / 7
  double area_min = .08, area_max = 1;  // training: share of the image that is shown
  double aspect_min = 3. / 4, aspect_max = 4. / 3;  // ... and width / height of that part
  bool flip = true;                                 // ... mirrored half of the time
  std::string on_bad = "fail";                      // fail | skip: an image that is damaged or gone
  int64_t bad_max = 100;                            // skip: of them in an epoch, on each rank
  std::string stage_to;  // folder on each node's own disk that shards are copied to; "": none
};

}  // namespace stemma::models
