// A data set: samples by number, each a span of inputs and a span of targets in float32.
//
//   std::vector<float> x(data.Shape().XCount()), y(data.Shape().y);
//   STEMMA_RETURN_IF_ERROR(data.Read(id, key, x.data(), y.data()));
//
// A data set has no state and no order: which sample comes when is SampleOrder's business, who
// reads it is the Loader's. Read is called from many threads at once, and what it writes is a pure
// function of (id, key): never of the thread, the rank or what was read before. No LibTorch here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/data/cursor.h"

namespace stemma::models {

struct SampleShape {
  std::vector<int64_t> x;  // of one sample, without the batch: {1, 101300}
  int64_t y = 0;           // targets of one sample
  int64_t XCount() const {
    int64_t count = 1;
    for (const int64_t n : x) count *= n;
    return count;
  }
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t Size() const = 0;  // ids are [0, Size())
  virtual SampleShape Shape() const = 0;
  // How many samples each part has that lies together on the disk (a shard), in the order of their
  // ids: what train.order = window goes by. Empty, the default: nothing lies together.
  virtual std::vector<int64_t> Groups() const { return {}; }
  // Where sample `id` lies, for messages; asks no disk. "", the default: nowhere, it is computed.
  virtual std::string NameOf(int64_t /*id*/) const { return {}; }
  // Identity of the data, raw SHA-256: equal digests promise equal samples. It goes into each
  // state, and a resume on other data is refused by it.
  virtual std::string Digest() const = 0;
  // Fills Shape().XCount() floats at `x` and Shape().y floats at `y`. `key` is the sample's place
  // in the run, (seed, epoch, global position): augmentation and noise are drawn from it. On error
  // the spans hold anything; the text names the sample's own facts (file, parameters), the loader
  // adds its id. May throw: the loader turns that into a Status.
  virtual Status Read(int64_t id, const Cursor& key, float* x, float* y) const = 0;
};

}  // namespace stemma::models
