// Images in tar shards of WebDataset's layout, with an index beside each (shard_index.h). The main
// format: large files, one read per sample whatever the order, and `tar` can read them.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto images, ShardSource::Open(disk, "/data/train", cohort));
//
// `path` is a folder with *.tar in it, one shard, or a range of them:
// "/data/train-{000000..000146}.tar". A sample has the image in the field jpg or jpeg and its
// class, a decimal number, in cls. The classes' names and which shards there must be are read from
// manifest.json, where there is one.
//
// Rank 0 reads the indices, and makes those that are missing, in memory (`stemma data index` writes
// them, once for all); the others get its answer. A shard whose size is not the one in its index,
// or whose headers do not stand where the index says, is an error that names both. Nothing else is
// compared at a read; `stemma data check` compares every byte.
//
// The digest is of the shards' names, sizes and digests, and of the classes.
//
// With OpenStaged each node copies the shards to a disk of its own and reads them there (stage.h),
// in the order in which the epoch needs them where that is known.
//
// Owner: whoever holds the pointer; the disks outlive it. At most 256 shards are open at a time.
// Failure: kNotFound without shards; kCorruption with shard and byte; what the disk says.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/images/image_source.h"
#include "models/data/images/manifest.h"
#include "models/data/images/shard_index.h"
#include "models/data/stage.h"

namespace stemma::models {

struct ShardStaging {
  StageSettings stage;
  // Of the loader, where train.order = window; window 0: the shards are all needed from the start.
  uint64_t seed = 0, epoch = 0;
  int64_t window = 0;
};

class ShardSource final : public ImageSource {
 public:
  // Collective.
  static Result<std::shared_ptr<const ShardSource>> Open(lineage::Storage& disk,
                                                         const std::string& path, Cohort& cohort);
  // Collective. That the copying cannot begin is no error: see stage.h.
  static Result<std::shared_ptr<const ShardSource>> OpenStaged(lineage::Storage& disk,
                                                               lineage::Storage& local,
                                                               const std::string& path,
                                                               const ShardStaging& staging,
                                                               Cohort& cohort);

  int64_t Size() const override { return ends_.empty() ? 0 : ends_.back(); }
  const std::vector<std::string>& Classes() const override { return classes_; }
  std::string Digest() const override { return digest_; }
  std::vector<int64_t> Groups() const override;   // by shard
  std::string NameOf(int64_t id) const override;  // shard, file and byte
  Status Read(int64_t id, EncodedImage* image) const override;

  std::vector<StageFile> Files() const;  // the shards
  // Null but after OpenStaged.
  const StagedFiles* staged() const { return staged_.get(); }

 private:
  struct Shard {
    std::string path;
    ShardIndex index;
    size_t image = 0, label = 0;  // fields
  };
  struct Sample {
    size_t shard = 0;
    int64_t number = 0;  // in it
  };
  explicit ShardSource(lineage::Storage& disk) : disk_(disk) {}
  static Result<std::shared_ptr<ShardSource>> Opened(lineage::Storage& disk,
                                                     const std::string& path, Cohort& cohort);
  Status Decode(const std::string& table);
  Sample Find(int64_t id) const;
  Result<std::shared_ptr<lineage::ReadableFile>> OpenShard(size_t shard) const;
  void CloseShard(size_t shard) const;

  lineage::Storage& disk_;
  std::vector<Shard> shards_;
  std::vector<int64_t> ends_;  // the first number behind each shard
  std::vector<std::string> classes_;
  std::string digest_;
  std::unique_ptr<const StagedFiles> staged_;  // outlives files_
  std::unique_ptr<BackgroundCopy> copy_;       // on the rank of the node that copies

  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<lineage::ReadableFile>> files_;  // by shard; null: closed
  mutable std::deque<size_t> open_;                                    // the first opened first
};

// The shards that `path` means, in order. kNotFound when there are none; kInvalidArgument for a
// range that is none.
Result<std::vector<std::string>> ShardPaths(lineage::Storage& disk, const std::string& path);

// The manifest of the folder that `shard` lies in; one without shards when it has none.
Result<Manifest> ManifestBeside(lineage::Storage& disk, const std::string& shard);

// The index of a shard, read or, where there is none, made. kCorruption names both where the
// shard's size is not the one in it.
Result<ShardIndex> IndexOf(lineage::Storage& disk, const std::string& shard);

// The fields that hold image and class. kCorruption names a sample that lacks one.
struct ImageFields {
  size_t image = 0, label = 0;
};
Result<ImageFields> FindImageFields(const ShardIndex& index, const std::string& shard);

}  // namespace stemma::models
