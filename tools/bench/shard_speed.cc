#include "tools/bench/shard_speed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/cohort.h"
#include "lineage/storage.h"
#include "models/data/images/pack.h"
#include "models/data/images/shard_index.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/tar.h"

namespace stemma::bench {
namespace {

constexpr uint64_t kPiece = uint64_t{4} << 20;

// Pages that are on the disk already are given back. File systems in memory keep theirs.
bool Forget(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool asked = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(fd);
  return asked;
}

Status WriteShard(lineage::Storage& disk, const std::string& path, uint64_t bytes,
                  const std::vector<std::string>& images) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, disk.Create(path, {}));
  const std::string label = "7";
  std::string piece;
  uint64_t written = 0;
  for (size_t i = 0; written + piece.size() < bytes; ++i) {
    const std::string key = "c/" + std::to_string(i);
    const std::string& image = images[i % images.size()];
    piece += models::TarHeader(key + ".jpg", image.size()) + image;
    piece += models::TarPadding(image.size());
    piece += models::TarHeader(key + ".cls", label.size()) + label;
    piece += models::TarPadding(label.size());
    if (piece.size() < kPiece) continue;
    STEMMA_RETURN_IF_ERROR(file->Append(piece));
    written += piece.size();
    piece.clear();
  }
  STEMMA_RETURN_IF_ERROR(file->Append(piece + models::TarEnd()));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  STEMMA_RETURN_IF_ERROR(file->Close());
  return models::WriteIndex(disk, path).status();
}

template <typename Work>
Result<double> SecondsOf(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  STEMMA_RETURN_IF_ERROR(work());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<ShardSpeed> Measure(lineage::Storage& disk, const std::string& path, int64_t passes) {
  SoloCohort alone;
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, disk.SizeOf(path));
  STEMMA_ASSIGN_OR_RETURN(const auto images, models::ShardSource::Open(disk, path, alone));
  std::string piece(kPiece, '\0');
  models::EncodedImage image;
  double raw_s = 1e300, samples_s = 1e300;
  ShardSpeed speed;
  speed.cold = true;
  for (int64_t pass = 0; pass < passes; ++pass) {
    speed.cold = Forget(path) && speed.cold;
    STEMMA_ASSIGN_OR_RETURN(
        const double raw, SecondsOf([&]() -> Status {
          STEMMA_ASSIGN_OR_RETURN(const auto file, disk.OpenToRead(path));
          for (uint64_t at = 0; at < bytes; at += kPiece) {
            STEMMA_RETURN_IF_ERROR(file->Read(at, std::min(kPiece, bytes - at), piece.data()));
          }
          return {};
        }));
    speed.cold = Forget(path) && speed.cold;
    STEMMA_ASSIGN_OR_RETURN(const double samples, SecondsOf([&]() -> Status {
                              for (int64_t id = 0; id < images->Size(); ++id) {
                                STEMMA_RETURN_IF_ERROR(images->Read(id, &image));
                              }
                              return {};
                            }));
    raw_s = std::min(raw_s, raw);
    samples_s = std::min(samples_s, samples);
  }
  speed.raw = static_cast<double>(bytes) / raw_s;
  speed.samples = static_cast<double>(bytes) / samples_s;
  return speed;
}

}  // namespace

Result<ShardSpeed> MeasureShard(const std::string& dir, uint64_t bytes,
                                const std::vector<std::string>& images, int64_t passes) {
  std::string folder = dir + "/stemma-bench.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return Status(Code::kIo, "a folder in " + dir + ": " + std::strerror(errno));
  }
  lineage::Storage& disk = lineage::PosixStorage();
  const std::string path = folder + "/shard-000000.tar";
  const Status written = WriteShard(disk, path, bytes, images);
  Result<ShardSpeed> speed =
      written.ok() ? Measure(disk, path, passes) : Result<ShardSpeed>(written);
  (void)disk.Remove(models::IndexPathOf(path));
  (void)disk.Remove(path);
  (void)disk.Remove(folder);
  return speed;
}

}  // namespace stemma::bench
