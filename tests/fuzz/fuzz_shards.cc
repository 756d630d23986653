// Shards: the headers of a tar archive, the text of an index, the JSON of a manifest.

#include <cstring>

#include "core/digest.h"
#include "core/bytes.h"
#include "models/data/images/manifest.h"
#include "models/data/images/shard_index.h"
#include "models/data/images/tar.h"
#include "tests/fuzz/fuzz.h"

namespace stemma::fuzz {
namespace {

using models::ShardIndex;

class Bytes final : public lineage::ReadableFile {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  Status Read(uint64_t offset, uint64_t bytes, char* out) override {
    Require(offset <= bytes_.size() && bytes <= bytes_.size() - offset, "inside the file");
    std::memcpy(out, bytes_.data() + offset, bytes);
    return {};
  }

 private:
  std::string_view bytes_;
};

std::string SampleTar() {
  std::string tar;
  for (const std::string& name : {std::string("k.jpg"), std::string("k.cls"),
                                  std::string(120, 'd') + "/" + std::string(120, 'f')}) {
    tar += models::TarHeader(name, 3) + "abc" + models::TarPadding(3);
  }
  return tar + models::TarEnd();
}

void ReadTar(std::string_view input) {
  Bytes file(input);
  models::TarReader tar(file, input.size(), "shard");
  models::IndexBuilder builder;
  models::TarEntry entry;
  for (;;) {
    const auto more = tar.Next(&entry);
    if (!more.ok() || !*more) break;
    Require(entry.offset + entry.size <= input.size(), "a file inside its archive");
    Require(!entry.name.empty(), "a file has a name");
    (void)builder.Add(entry.name, entry.offset, entry.size);
  }
  const ShardIndex index = builder.Finish(input.size(), std::string(kXxh128Bytes, 'x'));
  const auto back = models::DecodeIndex(EncodeIndex(index), "index");
  Require(back.ok() && EncodeIndex(*back) == EncodeIndex(index), "an index can be read again");
}

// Any lines, under a digest that fits.
void ReadIndex(std::string_view lines) {
  const std::string text = std::string(lines) + "end " + Hex(Xxh128(lines)) + "\n";
  const auto index = models::DecodeIndex(text, "index");
  if (!index.ok()) return;
  for (const models::FieldPlace& place : index->places) {
    Require(place.offset + place.size <= index->bytes, "a field inside its shard");
  }
  const auto back = models::DecodeIndex(EncodeIndex(*index), "index");
  Require(back.ok() && back->keys == index->keys, "an index can be read again");
}

void ReadManifest(std::string_view text) {
  const auto manifest = models::DecodeManifest(text);
  if (!manifest.ok()) return;
  Require(models::DecodeManifest(EncodeManifest(*manifest)).ok(), "a manifest can be read again");
}

}  // namespace

std::vector<std::string> Seeds() {
  models::IndexBuilder builder;
  (void)builder.Add("k.jpg", 512, 3);
  (void)builder.Add("k.cls", 1536, 3);
  (void)builder.Add("l.jpg", 2560, 3);
  const std::string index = EncodeIndex(builder.Finish(4096, std::string(kXxh128Bytes, 'x')));
  models::Manifest manifest;
  manifest.classes = {"a", "b"};
  manifest.shards = {{"shard-000000.tar", 2, 4096, std::string(kXxh128Bytes, 'x')}};
  return {std::string(1, '\0') + SampleTar(), "\1" + index.substr(0, index.rfind("end ")),
          "\2" + EncodeManifest(manifest)};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  switch (stemma::fuzz::TakeChoice(&input, 3)) {
    case 0:
      stemma::fuzz::ReadTar(input);
      break;
    case 1:
      stemma::fuzz::ReadIndex(input);
      break;
    default:
      stemma::fuzz::ReadManifest(input);
  }
  return 0;
}
