// Packs: the safetensors header alone; a whole pack with bytes changed; a pack with any header. The
// digests of the changed packs fit, so it is the reader's other checks that must hold.

#include <algorithm>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/memory_storage.h"
#include "lineage/pack.h"
#include "lineage/safetensors.h"
#include "lineage/verify.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

using lineage::Layout;

// A pack in three parts.
struct Parts {
  std::string header, data, behind;  // `behind`: the table and its padding
};

const Layout& SampleLayout() {
  static const Layout layout = *Layout::Of(tests::SampleSpans(300));
  return layout;
}

const Parts& SamplePack() {
  static const Parts parts = [] {
    const auto identity = tests::SampleIdentity(0, 1, {0, 1});
    const auto plan = lineage::PlanPack(SampleLayout(), identity);
    lineage::MemoryStorage disk;
    Require(tests::WriteSamplePack(SampleLayout(), identity, disk, "/pack").ok(), "a pack");
    const std::string file = *disk.ReadAll("/pack");
    const size_t header = plan->header.size(), data = plan->chunked_bytes;
    return Parts{file.substr(0, header), file.substr(header, data), file.substr(header + data)};
  }();
  return parts;
}

void ReadPack(Parts parts) {
  const size_t table = kXxh128Bytes;  // one chunk
  parts.behind.replace(0, table, Xxh128(parts.data));
  const std::string id = Sha256(parts.header + parts.behind.substr(0, table));
  const std::string file = parts.header + parts.data + parts.behind;
  lineage::MemoryStorage disk;
  Require(tests::PutFile(disk, "/pack", file).ok(), "a file");
  const auto pack = lineage::PackReader::Open(disk, "/pack", id, SampleLayout());
  if (!pack.ok()) return;
  for (const lineage::PackPiece& piece : (*pack)->pieces()) {
    const auto& span = SampleLayout().spans().at(piece.span).span;
    Require(piece.first + piece.count <= static_cast<uint64_t>(span.count()), "inside its span");
    std::string bytes(piece.count * SizeOf(span.dtype), '?');
    (void)(*pack)->Read(piece.span, piece.rank, piece.first, piece.count, bytes.data());
  }
  (void)lineage::VerifyPack(disk, "/pack", **pack);
}

// Three bytes each: where, in header or data, and what is there instead.
void ReadPatched(std::string_view patches) {
  Parts parts = SamplePack();
  for (; patches.size() >= 3; patches.remove_prefix(3)) {
    Decoder in(patches.substr(0, 2));
    const size_t at = in.U16();
    std::string& part = at < 4096 ? parts.header : parts.data;
    part[at % part.size()] = patches[2];
  }
  ReadPack(std::move(parts));
}

void ReadUnder(std::string_view json) {
  Parts parts = SamplePack();
  std::string text(json);
  text.resize((8 + text.size() + 4095) / 4096 * 4096 - 8, ' ');
  Encoder length;
  length.U64(text.size());
  parts.header = length.Take() + text;
  ReadPack(std::move(parts));
}

// Two bytes that say how much data there is, then the JSON.
void ParseHeader(std::string_view input) {
  Decoder in(input.substr(0, 2));
  const uint64_t bytes = in.U16();
  const std::string_view json = input.substr(std::min<size_t>(2, input.size()));
  const auto header = lineage::ParseSafetensors(json, bytes);
  if (!header.ok()) return;
  uint64_t covered = 0;
  for (const auto& entry : header->entries) covered += entry.end - entry.begin;
  Require(covered == bytes, "every byte is covered once");
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string json = SamplePack().header.substr(8);
  const std::string trimmed = json.substr(0, json.find_last_not_of(' ') + 1);
  return {std::string("\0\4\0", 3) +
              R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
          std::string("\1\20\0{\100\100x\0\200y", 10), "\1", "\2" + trimmed};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  switch (stemma::fuzz::TakeChoice(&input, 3)) {
    case 0:
      stemma::fuzz::ParseHeader(input);
      break;
    case 1:
      stemma::fuzz::ReadPatched(input);
      break;
    default:
      stemma::fuzz::ReadUnder(input);
  }
  return 0;
}
