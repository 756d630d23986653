// Packs class folders into shards: `stemma data pack`.
//
//   PackSettings settings;
//   settings.folder = "/data/train";
//   settings.out = "/data/train-shards";                       // must not exist
//   STEMMA_ASSIGN_OR_RETURN(const PackReport report, PackFolder(disk, settings));
//
// Images come in an order shuffled once, by SampleOrder(seed, n) in epoch 0, so that neighbours in
// a shard are of different classes. A sample is CLASS/NAME.jpg and CLASS/NAME.cls, the latter the
// class's number; dots in NAME become '_', and a name that is taken gets "-2", "-3", ... behind it.
// A shard ends before the sample that would make it larger than `shard_bytes`. Beside each shard
// lies its index, and beside all manifest.json.
//
// Equal folders and settings give equal bytes: no time, owner or path of this machine goes in.
//
// All is written into OUT.part, which becomes OUT at the end: what OUT holds is whole. An error
// before that removes what was written; after a crash OUT.part is in the way, and the next call
// says so.
//
// Thread: one. Failure: kInvalidArgument for settings and for an OUT that exists; what the disk
// says, with how far it came where it is full.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/data/images/manifest.h"

namespace stemma::models {

struct PackSettings {
  std::string folder, out;
  uint64_t shard_bytes = uint64_t{256} << 20;
  uint64_t seed = 0;
  std::string name = "shard";  // of the shards: NAME-000000.tar
  // Called now and then with the images packed and those there are.
  std::function<void(int64_t, int64_t)> progress;
};

struct PackReport {
  Manifest manifest;
  int64_t others = 0;                  // files of the folder that are called like no image
  int64_t strange = 0;                 // packed images that are no JPEG by their first bytes
  std::vector<std::string> strangers;  // the first 20, with what they are
};

Result<PackReport> PackFolder(lineage::Storage& disk, const PackSettings& settings);

// Writes the index beside a shard, over one that is there. The index appears whole or not at all.
Result<ShardFacts> WriteIndex(lineage::Storage& disk, const std::string& shard);

}  // namespace stemma::models
