#include "models/data/images/manifest.h"

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"

namespace stemma::models {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kSamplesMax = int64_t{1} << 40;  // of a shard: their sum is a number, too
constexpr char kFormat[] = "stemma-shards 1";

Result<Manifest> Read(const Json& json) {
  if (json.value("format", "") != kFormat) {
    return Status(Code::kCorruption, std::string("no manifest of the format '") + kFormat + "'");
  }
  Manifest manifest;
  manifest.classes = json.at("classes").get<std::vector<std::string>>();
  for (const Json& one : json.at("shards")) {
    ShardFacts shard;
    shard.name = one.at("name").get<std::string>();
    if (!one.at("samples").is_number_unsigned() || !one.at("bytes").is_number_unsigned()) {
      return Status(Code::kCorruption,
                    "the manifest says no numbers of '" + Printable(shard.name) + "'");
    }
    shard.samples = one.at("samples").get<int64_t>();
    shard.bytes = one.at("bytes").get<uint64_t>();
    shard.digest = FromHex(one.at("xxh128").get<std::string>());
    if (shard.digest.size() != kXxh128Bytes || shard.samples < 0 || shard.samples > kSamplesMax ||
        shard.name.empty()) {
      return Status(Code::kCorruption,
                    "the manifest says no size or digest of '" + Printable(shard.name) + "'");
    }
    manifest.shards.push_back(std::move(shard));
  }
  return manifest;
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  Json shards = Json::array();
  for (const ShardFacts& shard : manifest.shards) {
    shards.push_back({{"name", shard.name},
                      {"samples", shard.samples},
                      {"bytes", shard.bytes},
                      {"xxh128", Hex(shard.digest)}});
  }
  const Json json = {{"format", kFormat},
                     {"samples", manifest.samples()},
                     {"classes", manifest.classes},
                     {"shards", std::move(shards)}};
  // Names of folders are any bytes; JSON has only UTF-8.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Manifest> DecodeManifest(std::string_view text) {
  try {
    return Read(Json::parse(text.begin(), text.end()));
  } catch (const Json::exception& e) {
    return Status(Code::kCorruption, std::string("no manifest: ") + e.what());
  }
}

}  // namespace stemma::models
