#include "models/data/images/shard_source.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "lineage/names.h"
#include "models/data/images/reading.h"
#include "models/data/images/tar.h"
#include "models/data/window_order.h"

namespace stemma::models {
namespace {

constexpr size_t kOpenMax = 256;

// The shards at hand are those of the manifest, where there is one.
Status CheckManifest(const Manifest& manifest, const std::string& shard, const ShardIndex& index) {
  if (manifest.shards.empty()) return {};
  for (const ShardFacts& facts : manifest.shards) {
    if (facts.name != lineage::BaseOf(shard)) continue;
    if (facts.bytes == index.bytes && facts.digest == index.digest &&
        facts.samples == index.samples()) {
      return {};
    }
    return {Code::kCorruption, shard + " and its index are not what " + kManifestName +
                                   " beside them says: size, digest or samples differ"};
  }
  return {Code::kCorruption, shard + " is not in " + kManifestName + " beside it"};
}

Result<std::string> Look(lineage::Storage& disk, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const auto paths, ShardPaths(disk, path));
  STEMMA_ASSIGN_OR_RETURN(const Manifest manifest, ManifestBeside(disk, paths.front()));
  // A shard alone, or a range, may be a part of what was packed; a folder is all of it.
  const bool whole = path.find('{') == std::string::npos && paths.front() != path;
  if (whole && !manifest.shards.empty() && manifest.shards.size() != paths.size()) {
    return Status(Code::kCorruption, path + " holds " + std::to_string(paths.size()) +
                                         " shards, its " + kManifestName + " names " +
                                         std::to_string(manifest.shards.size()));
  }
  Encoder table;
  table.U64(manifest.classes.size());
  for (const std::string& name : manifest.classes) table.String(name);
  table.U64(paths.size());
  for (const std::string& shard : paths) {
    STEMMA_ASSIGN_OR_RETURN(const ShardIndex index, IndexOf(disk, shard));
    STEMMA_RETURN_IF_ERROR(CheckManifest(manifest, shard, index));
    table.String(shard);
    const std::string text = EncodeIndex(index);
    table.U64(text.size());
    table.Raw(text);
  }
  return table.Take();
}

// A decimal number, with blanks and line ends behind it.
bool ParseLabel(std::string_view text, int64_t* label) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos || end >= 9) return false;
  *label = 0;
  for (const char c : text.substr(0, end + 1)) {
    if (c < '0' || c > '9') return false;
    *label = 10 * *label + (c - '0');
  }
  return true;
}

}  // namespace

Status ShardSource::Decode(const std::string& table) {
  Decoder in(table);
  Encoder facts;
  facts.String("stemma shards 1");
  for (uint64_t classes = in.U64(); classes > 0 && in.ok(); --classes) {
    classes_.push_back(in.String());
    facts.String(classes_.back());
  }
  int64_t samples = 0;
  for (uint64_t shards = in.U64(); shards > 0 && in.ok(); --shards) {
    Shard shard;
    shard.path = in.String();
    STEMMA_ASSIGN_OR_RETURN(shard.index, DecodeIndex(in.Raw(in.U64()), IndexPathOf(shard.path)));
    STEMMA_ASSIGN_OR_RETURN(const ImageFields fields, FindImageFields(shard.index, shard.path));
    shard.image = fields.image;
    shard.label = fields.label;
    facts.String(lineage::BaseOf(shard.path));
    facts.U64(shard.index.bytes);
    facts.String(shard.index.digest);
    samples += shard.index.samples();
    ends_.push_back(samples);
    shards_.push_back(std::move(shard));
  }
  files_.resize(shards_.size());
  digest_ = Sha256(facts.bytes());
  if (in.ok() && in.remaining() == 0) return {};
  return {Code::kInternal, "rank 0 sent no table of the shards"};
}

Result<std::shared_ptr<ShardSource>> ShardSource::Opened(lineage::Storage& disk,
                                                         const std::string& path, Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const std::string table,
                          LookOnRankZero(cohort, [&] { return Look(disk, path); }));
  std::shared_ptr<ShardSource> source(new ShardSource(disk));
  STEMMA_RETURN_IF_ERROR(source->Decode(table));
  return source;
}

Result<std::shared_ptr<const ShardSource>> ShardSource::Open(lineage::Storage& disk,
                                                             const std::string& path,
                                                             Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(auto source, Opened(disk, path, cohort));
  return std::shared_ptr<const ShardSource>(std::move(source));
}

Result<std::shared_ptr<const ShardSource>> ShardSource::OpenStaged(lineage::Storage& disk,
                                                                   lineage::Storage& local,
                                                                   const std::string& path,
                                                                   const ShardStaging& staging,
                                                                   Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(auto source, Opened(disk, path, cohort));
  const std::vector<StageFile> files = source->Files();
  source->staged_ = std::make_unique<StagedFiles>(disk, local, staging.stage.dir, files);
  STEMMA_ASSIGN_OR_RETURN(const bool first, FirstOfHost(cohort));
  if (first) {
    std::vector<StageFile> in_order = files;
    if (staging.window > 0) {
      const WindowOrder order(staging.seed, source->Groups(), staging.window);
      in_order.clear();
      for (const int64_t shard : order.GroupsOf(staging.epoch)) {
        in_order.push_back(files[static_cast<size_t>(shard)]);
      }
    }
    source->copy_ =
        std::make_unique<BackgroundCopy>(disk, local, staging.stage, std::move(in_order));
  }
  return std::shared_ptr<const ShardSource>(std::move(source));
}

std::vector<StageFile> ShardSource::Files() const {
  std::vector<StageFile> files;
  for (const Shard& shard : shards_) {
    files.push_back({shard.path, shard.index.bytes, shard.index.digest});
  }
  return files;
}

ShardSource::Sample ShardSource::Find(int64_t id) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), id);
  const int64_t first = end == ends_.begin() ? 0 : *(end - 1);
  return {static_cast<size_t>(end - ends_.begin()), id - first};
}

std::vector<int64_t> ShardSource::Groups() const {
  std::vector<int64_t> samples;
  for (const Shard& shard : shards_) samples.push_back(shard.index.samples());
  return samples;
}

std::string ShardSource::NameOf(int64_t id) const {
  const Sample sample = Find(id);
  const Shard& shard = shards_[sample.shard];
  return shard.path + ", '" + std::string(shard.index.key(sample.number)) + "." +
         shard.index.fields[shard.image] + "' at byte " +
         std::to_string(shard.index.place(sample.number, shard.image).offset);
}

Result<std::shared_ptr<lineage::ReadableFile>> ShardSource::OpenShard(size_t shard) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (files_[shard]) return files_[shard];
  const std::string& path = shards_[shard].path;
  STEMMA_ASSIGN_OR_RETURN(auto file, staged_ ? staged_->Open(path) : disk_.OpenToRead(path));
  if (open_.size() == kOpenMax) {
    files_[open_.front()] = nullptr;  // who reads it keeps it
    open_.pop_front();
  }
  files_[shard] = std::move(file);
  open_.push_back(shard);
  return files_[shard];
}

void ShardSource::CloseShard(size_t shard) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!files_[shard]) return;
  files_[shard] = nullptr;
  open_.erase(std::find(open_.begin(), open_.end(), shard));
}

Status ShardSource::Read(int64_t id, EncodedImage* image) const {
  const Sample sample = Find(id);
  const Shard& shard = shards_[sample.shard];
  const FieldPlace picture = shard.index.place(sample.number, shard.image);
  const FieldPlace label = shard.index.place(sample.number, shard.label);
  // From the header before the first of the two to the end of the last: one read.
  const uint64_t begin = std::min(picture.offset, label.offset) - kTarBlock;
  const uint64_t end = std::max(picture.offset + picture.size, label.offset + label.size);
  if (end - begin > kImageBytesMax) {
    return {Code::kIncompatible, NameOf(id) + ": a sample of " + std::to_string(end - begin) +
                                     " bytes, at most " + std::to_string(kImageBytesMax)};
  }
  image->memory.resize(end - begin);
  STEMMA_RETURN_IF_ERROR(ReadPatiently([&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(const auto file, OpenShard(sample.shard));
    Status read = file->Read(begin, end - begin, image->memory.data());
    if (!read.ok())
      CloseShard(sample.shard);  // a stale handle stays stale: the next try opens anew
    return read;
  }));
  const std::string_view memory = image->memory;
  for (const FieldPlace& place : {picture, label}) {
    const Result<uint64_t> size =
        TarSizeIn(memory.substr(place.offset - begin - kTarBlock, kTarBlock));
    if (size.ok() && *size == place.size) continue;
    return {Code::kCorruption,
            shard.path + " and its index " + IndexPathOf(shard.path) +
                " disagree on the header at byte " + std::to_string(place.offset - kTarBlock) +
                ": " + (size.ok() ? "another size" : size.status().message()) +
                "; `stemma data index " + lineage::BaseOf(shard.path) +
                "` makes the index anew, `stemma data check` says what is damaged"};
  }
  image->bytes = memory.substr(picture.offset - begin, picture.size);
  const std::string_view text = memory.substr(label.offset - begin, label.size);
  if (!ParseLabel(text, &image->label)) {
    return {Code::kCorruption,
            NameOf(id) + ": its class is no number: '" + Printable(text, 20) + "'"};
  }
  if (!classes_.empty() && image->label >= static_cast<int64_t>(classes_.size())) {
    return {Code::kCorruption, NameOf(id) + ": class " + std::to_string(image->label) +
                                   ", there are 0 to " + std::to_string(classes_.size() - 1)};
  }
  return {};
}

}  // namespace stemma::models
