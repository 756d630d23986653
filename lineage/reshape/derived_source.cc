#include "lineage/reshape/derived_source.h"

#include <algorithm>

#include "core/dtype.h"

namespace stemma::lineage::internal {
namespace {

constexpr uint64_t kBeatBytes = uint64_t{1} << 30;

}  // namespace

DerivedSource::DerivedSource(const Store& store, const std::vector<Origin>& origins,
                             const Layout& layout, const std::vector<std::vector<Extract>>& tensors,
                             std::function<void()> beat)
    : store_(store), origins_(origins), layout_(layout), tensors_(tensors), beat_(std::move(beat)) {
  for (const Origin& origin : origins) {
    std::map<Key, std::vector<Part>>& parts = parts_.emplace_back();
    for (const std::unique_ptr<PackReader>& pack : origin.state->packs) {
      for (const PackPiece& piece : pack->pieces()) {
        if (piece.count == 0) continue;
        parts[{piece.span, piece.rank}].push_back({piece.first, piece.count, pack.get()});
      }
    }
    for (auto& [key, of_span] : parts) {
      std::sort(of_span.begin(), of_span.end(),
                [](const Part& a, const Part& b) { return a.first < b.first; });
    }
  }
}

Status DerivedSource::Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes,
                           char* out) {
  const uint64_t element = SizeOf(layout_.spans()[span].span.dtype);
  uint64_t skip = offset / element, left = bytes / element;
  for (const Extract& extract : tensors_[span]) {
    if (left == 0) break;
    if (skip >= extract.count) {
      skip -= extract.count;
      continue;
    }
    Extract wanted = extract;
    wanted.first += skip;
    wanted.count = std::min(extract.count - skip, left);
    STEMMA_RETURN_IF_ERROR(ReadExtract(wanted, rank, element, out));
    out += wanted.count * element;
    left -= wanted.count;
    skip = 0;
  }
  since_beat_ += bytes;
  if (beat_ && since_beat_ >= kBeatBytes) {
    since_beat_ = 0;
    beat_();
  }
  return {};
}

// The parts of a span are the whole of it: OpenWhole has looked.
Status DerivedSource::ReadExtract(const Extract& extract, uint32_t rank, uint64_t element,
                                  char* out) {
  const std::vector<Part>& parts = parts_[extract.state].at({extract.span, rank});
  auto part = std::upper_bound(parts.begin(), parts.end(), extract.first,
                               [](uint64_t first, const Part& p) { return first < p.first; });
  --part;
  Extract rest = extract;
  while (rest.count > 0) {
    Extract now = rest;
    now.count = std::min(part->first + part->count - rest.first, rest.count);
    STEMMA_RETURN_IF_ERROR(
        ReadPart(*part, now, rank, out).Within(StateInWords(*origins_[extract.state].record)));
    out += now.count * element;
    rest.first += now.count;
    rest.count -= now.count;
    ++part;
  }
  return {};
}

Status DerivedSource::ReadPart(const Part& part, const Extract& extract, uint32_t rank, char* out) {
  if (last_ != nullptr && last_ != part.pack) last_->Forget();
  last_ = part.pack;
  const auto read = [&] {
    return part.pack->Read(extract.span, rank, extract.first, extract.count, out);
  };
  Status got = read();
  if (got.code() != Code::kNotFound) return got;
  STEMMA_RETURN_IF_ERROR(store_.EnsurePacks(*origins_[extract.state].record, IfPruned::kRefuse));
  return read();
}

}  // namespace stemma::lineage::internal
