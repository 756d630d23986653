#include "models/epoch.h"

#include <map>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "lineage/names.h"
#include "models/aides/catalogue.h"
#include "models/aides/labels.h"
#include "models/data/images/folder_source.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/synthetic.h"

namespace stemma::models {
namespace {

Result<int64_t> InFolders(lineage::Storage& disk, const std::string& folder) {
  SoloCohort alone;
  STEMMA_ASSIGN_OR_RETURN(const auto images, FolderSource::Open(disk, folder, alone));
  return images->Size();
}

Result<int64_t> InShards(lineage::Storage& disk, const std::vector<std::string>& shards) {
  STEMMA_ASSIGN_OR_RETURN(const Manifest manifest, ManifestBeside(disk, shards.front()));
  std::map<std::string, int64_t> known;
  for (const ShardFacts& facts : manifest.shards) known[facts.name] = facts.samples;
  int64_t samples = 0;
  for (const std::string& shard : shards) {
    const auto at = known.find(lineage::BaseOf(shard));
    if (at != known.end()) {
      samples += at->second;
      continue;
    }
    STEMMA_RETURN_IF_ERROR(disk.SizeOf(shard).status());
    if (!disk.Exists(IndexPathOf(shard))) {
      return Status(Code::kInvalidArgument, shard + " has no index beside it that says how many " +
                                                "samples it has: `stemma data index` writes it");
    }
    STEMMA_ASSIGN_OR_RETURN(const ShardIndex index, IndexOf(disk, shard));
    samples += index.samples();
  }
  return samples;
}

Result<int64_t> OfImages(lineage::Storage& disk, const std::string& path) {
  if (path.empty()) return Status(Code::kInvalidArgument, "images.train is empty");
  if (IsSynthetic(path)) {
    STEMMA_ASSIGN_OR_RETURN(const SyntheticSpec made, ParseSynthetic(path));
    return made.images;
  }
  const Result<std::vector<std::string>> shards = ShardPaths(disk, path);
  if (shards.ok()) return InShards(disk, *shards);
  if (shards.status().code() != Code::kNotFound || !disk.Exists(path)) return shards.status();
  return InFolders(disk, path);
}

bool IsTable(const std::string& path) {
  return path.size() > 4 && path.compare(path.size() - 4, 4, ".tsv") == 0;
}

Result<int64_t> OfGalaxies(lineage::Storage& disk, const AidesSettings& settings) {
  int64_t samples = settings.train_size;
  if (IsTable(settings.train)) {
    STEMMA_ASSIGN_OR_RETURN(const Catalogue catalogue, ReadCatalogue(disk, settings.train));
    samples = static_cast<int64_t>(catalogue.entries.size());
  } else if (!settings.train.empty()) {
    STEMMA_ASSIGN_OR_RETURN(samples, InFolders(disk, settings.train));
  }
  if (settings.labels.empty()) return samples;
  STEMMA_ASSIGN_OR_RETURN(const LabelFile file, ReadLabels(disk, settings.labels));
  return samples + static_cast<int64_t>(file.labels.size());
}

}  // namespace

bool IsComputed(const RunSettings& settings) {
  const std::string& workload = settings.run.workload;
  if (workload == "aigw") return settings.aigw.file.empty();
  return workload == "aides" && settings.aides.train.empty() && settings.aides.labels.empty();
}

Result<int64_t> SamplesOfEpoch(lineage::Storage& disk, const RunSettings& settings) {
  const std::string& workload = settings.run.workload;
  if (workload == "resnet50") return OfImages(disk, settings.images.train);
  if (workload == "aides") return OfGalaxies(disk, settings.aides);
  if (settings.aigw.file.empty()) return settings.aigw.train_size;
  return Status(Code::kInvalidArgument,
                "waveforms in " + settings.aigw.file +
                    " are counted by the HDF5 library, which only a training loads");
}

}  // namespace stemma::models
