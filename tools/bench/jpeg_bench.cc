// How many JPEGs one thread makes samples of, from memory: decode, RandomResizedCrop to 224, flip,
// normalise.
//
//   jpeg_bench make FOLDER [COUNT]     writes COUNT (64) images of 500x375, quality 95, about 100
//   kB jpeg_bench run FOLDER [PASSES]     reads them into memory, then PASSES (5) times all of them
//
// `run` prints images per second of the best pass, and what a pass takes in its parts:
//
//   samples     941 images/s   1.063 ms each, of 64 images of 101 kB
//   decode      0.812 ms each  all pixels at full size, for comparison
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "lineage/storage.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/prepare.h"
#include "tools/bench/made_images.h"

namespace stemma {
namespace {

constexpr int kWidth = 500, kHeight = 375, kQuality = 95;
constexpr double kRoughness = .71;  // makes about 100 kB, ImageNet's mean

Status Make(lineage::Storage& disk, const std::string& folder, int count) {
  for (int i = 0; i < count; ++i) {
    const auto rgb = bench::MadePixels(kWidth, kHeight, static_cast<uint64_t>(i), kRoughness);
    const std::string jpeg = bench::MadeJpeg(rgb, kWidth, kHeight, bench::JpegKind::k420, kQuality);
    char name[32];
    std::snprintf(name, sizeof name, "/%04d.jpg", i);
    STEMMA_RETURN_IF_ERROR(lineage::WriteSynced(disk, folder + name, jpeg));
  }
  return {};
}

Result<std::vector<std::string>> ReadImages(lineage::Storage& disk, const std::string& folder) {
  STEMMA_ASSIGN_OR_RETURN(const auto names, disk.List(folder));
  std::vector<std::string> images;
  for (const std::string& name : names) {
    STEMMA_ASSIGN_OR_RETURN(images.emplace_back(), disk.ReadAll(folder + "/" + name));
  }
  if (images.empty()) return Status(Code::kNotFound, folder + " holds no images");
  return images;
}

// Seconds of the best of `passes` calls.
template <typename Pass>
Result<double> Best(int passes, Pass pass) {
  double best = 1e300;
  for (int i = 0; i < passes; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    STEMMA_RETURN_IF_ERROR(pass(static_cast<uint64_t>(i)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count());
  }
  return best;
}

Status Run(lineage::Storage& disk, const std::string& folder, int passes) {
  STEMMA_ASSIGN_OR_RETURN(const auto images, ReadImages(disk, folder));
  STEMMA_ASSIGN_OR_RETURN(auto preparer, models::ImagePreparer::Make({}));
  std::vector<float> x(3 * 224 * 224);
  STEMMA_ASSIGN_OR_RETURN(const double samples, Best(passes, [&](uint64_t epoch) -> Status {
                            for (uint64_t i = 0; i < images.size(); ++i) {
                              STEMMA_RETURN_IF_ERROR(preparer.Prepare(
                                  images[i], models::ImageUse::kTrain, {1, epoch, i}, x.data()));
                            }
                            return {};
                          }));
  models::JpegDecoder decoder;
  models::Pixels pixels;
  STEMMA_ASSIGN_OR_RETURN(
      const double decode, Best(passes, [&](uint64_t) -> Status {
        for (const std::string& image : images) {
          STEMMA_ASSIGN_OR_RETURN(const auto size, decoder.Start(image));
          STEMMA_RETURN_IF_ERROR(decoder.Decode(1, {0, 0, size.width, size.height}, &pixels));
        }
        return {};
      }));
  double bytes = 0;
  for (const std::string& image : images) bytes += static_cast<double>(image.size());
  const auto count = static_cast<double>(images.size());
  std::printf("samples %7.0f images/s   %.3f ms each, of %.0f images of %.0f kB\n", count / samples,
              1e3 * samples / count, count, bytes / count / 1e3);
  std::printf("decode  %7.3f ms each    all pixels at full size, for comparison\n",
              1e3 * decode / count);
  return {};
}

Status Main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const int number = argc > 3 ? std::max(1, std::atoi(argv[3])) : 0;
  lineage::Storage& disk = lineage::PosixStorage();
  if (what == "make" && argc > 2) return Make(disk, argv[2], number > 0 ? number : 64);
  if (what == "run" && argc > 2) return Run(disk, argv[2], number > 0 ? number : 5);
  return {Code::kInvalidArgument, "expected make FOLDER [COUNT] or run FOLDER [PASSES]"};
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  const stemma::Status status = stemma::Main(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
