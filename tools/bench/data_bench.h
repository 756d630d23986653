// `stemma bench data`: what samples cost before they are trained on, part by part, beside what each
// part is meant to reach.
//
//   JPEG, one thread     images in memory to normalised floats of 224 x 224, as in a training
//   loader               what it adds to a sample that is only written: time of a loop over Next()
//                        less that of a bare loop over Read(), one thread each
//   threads              images/s of the loader with so many threads, over so many times the one of
//                        one thread
//   shard                samples of a shard read in order through its index, over a bare loop of
//                        pread over the same file, each after the page cache has forgotten it
//
// Best of `passes` each; what is compared takes turns. Alone: it needs no other rank. Failure: what
// the disk says, and libjpeg.
#pragma once

#include "core/status.h"
#include "tools/bench/options.h"

namespace stemma::bench {

Status RunDataBench(const DataFlags& flags);

}  // namespace stemma::bench
