#include <algorithm>
#include <string_view>

#include "lineage/names.h"
#include "models/data/images/shard_source.h"

namespace stemma::models {
namespace {

constexpr uint64_t kIndexBytesMax = uint64_t{1} << 30;
constexpr uint64_t kManifestBytesMax = uint64_t{1} << 28;
constexpr int64_t kShardsMax = 1'000'000;

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "a-{000..146}.tar": the numbers have the first one's digits.
Result<std::vector<std::string>> Range(const std::string& path, size_t open) {
  const size_t dots = path.find("..", open), close = path.find('}', open);
  const Status wrong(Code::kInvalidArgument,
                     "'" + path + "' is no range of shards: expected NAME-{000000..000146}.tar");
  if (dots == std::string::npos || close == std::string::npos || dots > close) return wrong;
  const std::string first = path.substr(open + 1, dots - open - 1);
  const std::string last = path.substr(dots + 2, close - dots - 2);
  if (!IsNumber(first) || !IsNumber(last)) return wrong;
  const int64_t from = std::stoll(first), to = std::stoll(last);
  if (from > to || to - from >= kShardsMax) return wrong;
  std::vector<std::string> paths;
  for (int64_t i = from; i <= to; ++i) {
    std::string number = std::to_string(i);
    if (number.size() < first.size()) number.insert(0, first.size() - number.size(), '0');
    paths.push_back(path.substr(0, open) + number + path.substr(close + 1));
  }
  return paths;
}

bool IsImageField(std::string_view field) {
  return field == "jpg" || field == "jpeg" || field == "JPG" || field == "JPEG";
}

}  // namespace

Result<std::vector<std::string>> ShardPaths(lineage::Storage& disk, const std::string& path) {
  if (const size_t open = path.find('{'); open != std::string::npos) return Range(path, open);
  if (EndsWith(path, ".tar")) return std::vector<std::string>{path};
  STEMMA_ASSIGN_OR_RETURN(const auto names, disk.List(path));
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    if (EndsWith(name, ".tar")) paths.push_back(path + "/" + name);
  }
  if (paths.empty()) return Status(Code::kNotFound, path + " holds no shards (*.tar)");
  return paths;
}

Result<Manifest> ManifestBeside(lineage::Storage& disk, const std::string& shard) {
  const std::string path = FolderOf(shard) + "/" + kManifestName;
  if (!disk.Exists(path)) return Manifest{};
  STEMMA_ASSIGN_OR_RETURN(const std::string text, disk.ReadBounded(path, kManifestBytesMax));
  Result<Manifest> manifest = DecodeManifest(text);
  if (!manifest.ok()) return Status(manifest.status()).Within(path);
  return manifest;
}

Result<ShardIndex> IndexOf(lineage::Storage& disk, const std::string& shard) {
  const std::string path = IndexPathOf(shard);
  if (!disk.Exists(path)) return BuildIndex(disk, shard);
  STEMMA_ASSIGN_OR_RETURN(const std::string text, disk.ReadBounded(path, kIndexBytesMax));
  STEMMA_ASSIGN_OR_RETURN(ShardIndex index, DecodeIndex(text, path));
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, disk.SizeOf(shard));
  if (bytes != index.bytes) {
    return Status(Code::kCorruption,
                  shard + " has " + std::to_string(bytes) + " bytes and its index " + path +
                      " says " + std::to_string(index.bytes) + "; if the shard is good, `" +
                      "stemma data index " + lineage::BaseOf(shard) + "` makes it anew");
  }
  return index;
}

Result<ImageFields> FindImageFields(const ShardIndex& index, const std::string& shard) {
  const auto image = std::find_if(index.fields.begin(), index.fields.end(), IsImageField);
  const auto label = std::find(index.fields.begin(), index.fields.end(), "cls");
  if (index.samples() == 0) return Status(Code::kCorruption, shard + " holds no samples");
  if (image == index.fields.end() || label == index.fields.end()) {
    return Status(Code::kCorruption, shard + " has no field " +
                                         (label == index.fields.end() ? "cls" : "jpg or jpeg") +
                                         ": a sample is KEY.jpg and KEY.cls");
  }
  const ImageFields fields = {static_cast<size_t>(image - index.fields.begin()),
                              static_cast<size_t>(label - index.fields.begin())};
  for (int64_t i = 0; i < index.samples(); ++i) {
    for (const size_t field : {fields.image, fields.label}) {
      if (index.place(i, field).offset != 0) continue;
      return Status(Code::kCorruption, shard + ": sample '" + std::string(index.key(i)) +
                                           "' has no ." + index.fields[field]);
    }
  }
  return fields;
}

}  // namespace stemma::models
