#include "tools/scale/workload.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/text.h"
#include "ops/plan.h"
#include "tools/scale/model_shapes.h"

namespace stemma::scale {
namespace {

struct Named {
  const char* name;
  ShapedModel (*shapes)();
  int64_t local_batch;
  Constant samples_per_epoch, bytes_per_sample, epochs;
  bool epochs_by_batch, inputs_in_memory;
};

const std::vector<Named>& All() {
  constexpr Provenance kPublished = Provenance::kPublished, kAssumed = Provenance::kAssumed;
  static const std::vector<Named> kAll = {
      {"resnet50",
       ResNet50Shapes,
       208,
       {1281167, 1281167, 1281167, kPublished, "ImageNet-1k, training images"},
       {1.1e5, 1.0e5, 1.15e5, kAssumed, "JPEG of ImageNet: 100 to 102 kB and its file's overhead"},
       {90, 90, 90, kPublished, "schedule of the HAL benchmark; by batch: MLPerf, LARS"},
       true,
       false},
      {"vgg16",
       Vgg16Shapes,
       64,
       {1281167, 1281167, 1281167, kPublished, "ImageNet-1k, training images"},
       {1.1e5, 1.0e5, 1.15e5, kAssumed, "JPEG of ImageNet: 100 to 102 kB and its file's overhead"},
       {74, 74, 74, kPublished, "arXiv:1409.1556, at a batch of 256; held for every batch"},
       false,
       false},
      {"aigw",
       AigwShapes,
       2,
       {1.5e6, 1.4e6, 1.6e6, kAssumed, "1.5 M waveforms; the number of epochs is not stated"},
       {4.05e5, 4.05e5, 4.05e5, kPublished, "101,300 samples of float32"},
       {100, 100, 100, kAssumed, "not stated; it cancels where one run is compared with another"},
       false,
       true},
      {"aides",
       AidesShapes,
       64,
       {35000, 30000, 40000, kAssumed, "Galaxy Zoo cut-outs; cancels in a ratio of two runs"},
       {5e4, 3e4, 1e5, kAssumed, "a cut-out of 224 x 224 as a file"},
       {30, 20, 60, kAssumed, "not stated; cancels in a ratio of two runs"},
       false,
       true},
  };
  return kAll;
}

struct Point {
  double batch, epochs;
};
// mlcommons/logging, rcps_resnet v4.0.
constexpr Point kPoints[] = {{1632, 35.0},  {3264, 35.2},  {4096, 40.0},  {8192, 42.0},
                             {13056, 45.4}, {32768, 56.0}, {49152, 68.0}, {58880, 79.9},
                             {65536, 84.5}, {67840, 85.9}};

// The share of backward after which each parameter's gradient is there: it runs from the last one.
std::vector<double> ReadyShares(const ShapedModel& model) {
  std::vector<double> ready(model.parameters.size());
  double total = 0, done = 0;
  for (const double m : model.multiply_adds) total += m;
  for (size_t i = ready.size(); i-- > 0;) {
    done += model.multiply_adds[i];
    ready[i] = done / total;
  }
  return ready;
}

}  // namespace

Result<Workload> MakeWorkload(const std::string& model, const ops::OpsSettings& settings,
                              int wire_bytes) {
  const std::vector<Named>& all = All();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Named& named) { return model == named.name; });
  if (at == all.end()) {
    const std::string meant = Nearest(model, WorkloadNames());
    return Status(Code::kNotFound, "no workload is called '" + model + "'; " +
                                       (meant.empty() ? "there are resnet50, vgg16, aigw, aides"
                                                      : "did you mean '" + meant + "'?"));
  }
  const ShapedModel shapes = at->shapes();
  STEMMA_ASSIGN_OR_RETURN(const ops::Plan plan, ops::MakePlan(shapes.parameters, settings));
  const std::vector<double> ready = ReadyShares(shapes);
  Workload w;
  w.model = model;
  for (const ops::BucketInfo& bucket : plan.buckets) {
    Bucket one{static_cast<double>(bucket.count * wire_bytes), 0};
    for (const size_t slot : bucket.slots) {
      one.ready = std::max(one.ready, ready[plan.slots[slot].parameter]);
    }
    w.buckets.push_back(one);
  }
  for (const ops::ParameterInfo& p : shapes.parameters) {
    w.parameters += static_cast<double>(p.count());
  }
  w.samples_per_epoch = at->samples_per_epoch;
  w.bytes_per_sample = at->bytes_per_sample;
  w.epochs = at->epochs;
  w.local_batch = at->local_batch;
  w.epochs_by_batch = at->epochs_by_batch;
  w.inputs_in_memory = at->inputs_in_memory;
  return w;
}

Workload OneBucket(Workload workload) {
  Bucket all{0, 1};
  for (const Bucket& bucket : workload.buckets) all.bytes += bucket.bytes;
  workload.buckets = {all};
  return workload;
}

std::vector<std::string> WorkloadNames() {
  std::vector<std::string> names;
  for (const Named& named : All()) names.emplace_back(named.name);
  return names;
}

std::optional<double> EpochsAtBatch(double batch, bool extrapolate) {
  const Point& first = *std::begin(kPoints);
  const Point& last = *(std::end(kPoints) - 1);
  if (batch < first.batch || batch > last.batch) {
    if (!extrapolate) return std::nullopt;
    return 34.5 * (1 + batch / 46300);
  }
  const Point* above = std::begin(kPoints) + 1;
  while (above->batch < batch) ++above;
  const Point& below = *(above - 1);
  const double part = std::log(batch / below.batch) / std::log(above->batch / below.batch);
  return below.epochs + part * (above->epochs - below.epochs);
}

}  // namespace stemma::scale
