#include "tools/bench/data_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cores.h"
#include "core/text.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/image_source.h"
#include "models/data/images/prepare.h"
#include "models/data/loader.h"
#include "tools/bench/made_images.h"
#include "tools/bench/shard_speed.h"

namespace stemma::bench {
namespace {

// Images as ImageNet has them: 500 x 375, quality 95, 100 kB.
constexpr int kWidth = 500, kHeight = 375, kQuality = 95;
constexpr double kRoughness = .71;
constexpr int64_t kBatch = 32;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Samples that are only written: what is left of the time is the loader's own.
class WrittenSamples final : public models::Dataset {
 public:
  WrittenSamples(int64_t size, models::SampleShape shape) : size_(size), shape_(std::move(shape)) {}
  int64_t Size() const override { return size_; }
  models::SampleShape Shape() const override { return shape_; }
  std::string Digest() const override { return "written"; }
  Status Read(int64_t id, const models::Cursor&, float* x, float* y) const override {
    std::memset(x, static_cast<int>(id & 0x3f),
                static_cast<size_t>(shape_.XCount()) * sizeof(float));
    *y = 0;
    return {};
  }

 private:
  const int64_t size_;
  const models::SampleShape shape_;
};

class ImagesInMemory final : public models::ImageSource {
 public:
  ImagesInMemory(const std::vector<std::string>& images, int64_t size)
      : images_(images), size_(size) {}
  int64_t Size() const override { return size_; }
  const std::vector<std::string>& Classes() const override { return classes_; }
  std::string Digest() const override { return "in memory"; }
  std::string NameOf(int64_t id) const override { return "image " + std::to_string(id); }
  Status Read(int64_t id, models::EncodedImage* image) const override {
    image->bytes = images_[static_cast<size_t>(id) % images_.size()];
    image->label = 0;
    return {};
  }

 private:
  const std::vector<std::string>& images_;
  const int64_t size_;
  const std::vector<std::string> classes_;
};

// Seconds in which a fresh loader hands out `batches`, from the first that is asked for on.
Result<double> LoaderSeconds(std::shared_ptr<const models::Dataset> data, int64_t threads,
                             int64_t batches) {
  models::LoaderSettings settings;
  settings.global_batch = kBatch;
  settings.threads = threads;
  settings.prefetch = 3;
  const Clock::time_point begin = Clock::now();
  STEMMA_ASSIGN_OR_RETURN(const auto loader,
                          models::Loader::Start(std::move(data), settings, {}, {1, 0, 0}));
  for (int64_t i = 0; i < batches; ++i) STEMMA_RETURN_IF_ERROR(loader->Next().status());
  return SecondsSince(begin);
}

class Table {
 public:
  void Row(const std::string& what, const std::string& value, const std::string& target = "",
           bool met = true) const {
    std::printf("%-44s %16s   %-12s %s\n", what.c_str(), value.c_str(), target.c_str(),
                target.empty() ? "" : (met ? "met" : "missed"));
    std::fflush(stdout);
  }
};

std::string Number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Status MeasureJpeg(const std::vector<std::string>& images, int64_t passes, const Table& table) {
  STEMMA_ASSIGN_OR_RETURN(auto preparer, models::ImagePreparer::Make({}));
  std::vector<float> x(3 * 224 * 224);
  double best = 1e300;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const Clock::time_point begin = Clock::now();
    for (uint64_t i = 0; i < images.size(); ++i) {
      STEMMA_RETURN_IF_ERROR(preparer.Prepare(images[i], models::ImageUse::kTrain,
                                              {1, static_cast<uint64_t>(pass), i}, x.data()));
    }
    best = std::min(best, SecondsSince(begin));
  }
  const double rate = static_cast<double>(images.size()) / best;
  table.Row("JPEG 500x375 to 224x224, one thread", Number("%.0f images/s", rate), ">= 850",
            rate >= 850);
  return {};
}

// Microseconds per sample, of the loader and of a bare loop over as many samples, which writes
// into one batch again and again.
Result<std::pair<double, double>> LoaderMicros(int64_t samples, const models::SampleShape& shape,
                                               int64_t passes) {
  const auto data = std::make_shared<WrittenSamples>(samples, shape);
  std::vector<float> x(static_cast<size_t>(shape.XCount() * kBatch)), y(kBatch);
  double with = 1e300, bare = 1e300;
  for (int64_t pass = 0; pass < passes; ++pass) {
    STEMMA_ASSIGN_OR_RETURN(const double seconds, LoaderSeconds(data, 1, samples / kBatch));
    with = std::min(with, seconds);
    const Clock::time_point begin = Clock::now();
    for (int64_t i = 0; i < samples; ++i) {
      float* const at = x.data() + i % kBatch * shape.XCount();
      STEMMA_RETURN_IF_ERROR(data->Read(i, {}, at, &y[static_cast<size_t>(i % kBatch)]));
    }
    bare = std::min(bare, SecondsSince(begin));
  }
  const double per = 1e6 / static_cast<double>(samples);
  return std::make_pair(with * per, bare * per);
}

Status MeasureLoader(int64_t passes, const Table& table) {
  STEMMA_ASSIGN_OR_RETURN(const auto small, LoaderMicros(64'000, {{64}, 1}, passes));
  const double own = small.first - small.second;
  table.Row("loader, of a sample of 64 floats", Number("%.2f us", own), "<= 20 us", own <= 20);
  STEMMA_ASSIGN_OR_RETURN(const auto large, LoaderMicros(1'600, {{3, 224, 224}, 1}, passes));
  table.Row("  of 3x224x224 floats, fresh memory each batch",
            Number("%.2f us", large.first - large.second));
  return {};
}

Status MeasureThreads(const std::vector<std::string>& images, int64_t most, int64_t passes,
                      const Table& table) {
  const int64_t batches = std::max<int64_t>(4, static_cast<int64_t>(images.size()) / kBatch);
  std::vector<int64_t> counts;
  for (int64_t n = 1; n < most; n *= 2) counts.push_back(n);
  counts.push_back(most);
  double alone = 0;
  for (const int64_t threads : counts) {
    const int64_t samples = batches * threads * kBatch;
    const auto source = std::make_shared<ImagesInMemory>(images, samples);
    STEMMA_ASSIGN_OR_RETURN(const auto data,
                            models::ImageDataset::Make(source, {}, models::ImageUse::kTrain, {}));
    double best = 1e300;
    for (int64_t pass = 0; pass < passes; ++pass) {
      STEMMA_ASSIGN_OR_RETURN(const double seconds,
                              LoaderSeconds(data, threads, batches * threads));
      best = std::min(best, seconds);
    }
    const double rate = static_cast<double>(samples) / best;
    if (threads == 1) alone = rate;
    const double share = 100 * rate / (alone * static_cast<double>(threads));
    const std::string name =
        "loader of images, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    table.Row(name, Number("%.0f images/s", rate));
    if (threads > 1) {
      table.Row("  of so many times one thread's", Number("%.0f %%", share), ">= 90 %",
                share >= 90);
    }
  }
  return {};
}

Status MeasureDisk(const DataFlags& flags, const std::vector<std::string>& images,
                   const Table& table) {
  STEMMA_ASSIGN_OR_RETURN(const auto sizes, ParseSizes(flags.shard_size));
  STEMMA_ASSIGN_OR_RETURN(
      const ShardSpeed speed,
      MeasureShard(flags.dir, static_cast<uint64_t>(sizes.front()), images, flags.passes));
  const auto rate = [](double bytes) { return HumanBytes(static_cast<uint64_t>(bytes)) + "/s"; };
  const double share = 100 * speed.samples / speed.raw;
  const std::string cold = speed.cold ? "" : ", cached";
  table.Row("file by pread of 4 MiB" + cold, rate(speed.raw));
  table.Row("shard sample by sample in order" + cold, rate(speed.samples));
  table.Row("  of the file's", Number("%.0f %%", share), ">= 90 %", share >= 90);
  return {};
}

}  // namespace

Status RunDataBench(const DataFlags& flags) {
  std::vector<std::string> images;
  for (int64_t i = 0; i < flags.images; ++i) {
    const auto rgb = MadePixels(kWidth, kHeight, static_cast<uint64_t>(i), kRoughness);
    images.push_back(MadeJpeg(rgb, kWidth, kHeight, JpegKind::k420, kQuality));
  }
  const Table table;
  std::printf("%-44s %16s   %-12s\n", "what", "measured", "target");
  STEMMA_RETURN_IF_ERROR(MeasureJpeg(images, flags.passes, table));
  STEMMA_RETURN_IF_ERROR(MeasureLoader(flags.passes, table));
  const int64_t most = flags.threads > 0 ? flags.threads : CoresOfThisProcess();
  STEMMA_RETURN_IF_ERROR(MeasureThreads(images, most, flags.passes, table));
  return flags.dir.empty() ? Status() : MeasureDisk(flags, images, table);
}

}  // namespace stemma::bench
