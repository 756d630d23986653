#include "lineage/export_stream.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "core/bytes.h"
#include "lineage/names.h"
#include "lineage/pack.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kTileBytes = 1 << 20;  // read at once

// Elements [first, first + count) of a span, and the pack that holds them.
struct Part {
  uint64_t first = 0, count = 0;
  PackReader* pack = nullptr;
};

// Which pack holds what of each span of `spans`, by first element.
std::map<uint32_t, std::vector<Part>> PartsOf(const OpenState& state,
                                              const std::vector<uint32_t>& spans) {
  std::map<uint32_t, std::vector<Part>> parts;
  for (const uint32_t span : spans) parts[span];
  for (const std::unique_ptr<PackReader>& pack : state.packs) {
    for (const PackPiece& piece : pack->pieces()) {
      const auto wanted = parts.find(piece.span);
      if (wanted == parts.end() || piece.count == 0) continue;
      wanted->second.push_back({piece.first, piece.count, pack.get()});
    }
  }
  for (auto& [span, of_span] : parts) {
    std::sort(of_span.begin(), of_span.end(),
              [](const Part& a, const Part& b) { return a.first < b.first; });
  }
  return parts;
}

// Whether one of these bf16 may be a NaN in f32: it looks like an infinity, and the half that would
// tell is not here.
bool MayHideNan(const std::string& high) {
  for (size_t i = 0; i + 1 < high.size(); i += 2) {
    uint16_t bits;
    std::memcpy(&bits, high.data() + i, sizeof bits);
    if ((bits & 0x7fff) == 0x7f80) return true;
  }
  return false;
}

// The upper halves of `bytes` of f32, appended to `out`; returns how many NaNs got the quiet bit.
uint64_t AppendBf16(const std::string& bytes, std::string* out) {
  uint64_t quieted = 0;
  const size_t begin = out->size(), count = bytes.size() / 4;
  out->resize(begin + 2 * count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, bytes.data() + 4 * i, sizeof bits);
    auto high = static_cast<uint16_t>(bits >> 16);
    if ((high & 0x7fff) == 0x7f80 && (bits & 0xffff) != 0) {
      high |= 0x0040;
      ++quieted;
    }
    std::memcpy(out->data() + begin + 2 * i, &high, sizeof high);
  }
  return quieted;
}

// Reads the spans in order.
class Stream {
 public:
  using Take = std::function<Status(std::string_view)>;
  Stream(const Layout& layout, const ExportOptions& options, const Take& take)
      : layout_(layout), options_(options), take_(take) {}

  Status Run(const OpenState& state, const std::vector<uint32_t>& spans) {
    const std::map<uint32_t, std::vector<Part>> parts = PartsOf(state, spans);
    for (const uint32_t span : spans) {
      for (const Part& part : parts.at(span)) STEMMA_RETURN_IF_ERROR(Add(span, part));
    }
    return {};
  }
  uint64_t quieted() const { return quieted_; }

 private:
  Status Add(uint32_t span, const Part& part) {
    if (last_ && last_ != part.pack) last_->Forget();
    last_ = part.pack;
    const Span& about = layout_.spans()[span].span;
    const uint64_t element = SizeOf(about.dtype), step = kTileBytes / element;
    const bool narrow = StoredType(about, options_) != about.dtype;
    for (uint64_t done = 0; done < part.count; done += step) {
      const uint64_t count = std::min(step, part.count - done);
      if (narrow) {
        STEMMA_RETURN_IF_ERROR(AddHigh(span, *part.pack, part.first + done, count));
        continue;
      }
      tile_.resize(count * element);
      STEMMA_RETURN_IF_ERROR(part.pack->Read(span, 0, part.first + done, count, tile_.data()));
      STEMMA_RETURN_IF_ERROR(take_(tile_));
    }
    return {};
  }

  // Reads the upper halves alone, unless there is something that only the lower ones can tell.
  Status AddHigh(uint32_t span, PackReader& pack, uint64_t first, uint64_t count) {
    tile_.resize(2 * count);
    STEMMA_RETURN_IF_ERROR(pack.ReadPlane(Plane::kHigh, span, first, count, tile_.data()));
    if (!MayHideNan(tile_)) return take_(tile_);
    tile_.resize(4 * count);
    STEMMA_RETURN_IF_ERROR(pack.Read(span, 0, first, count, tile_.data()));
    std::string narrow;
    quieted_ += AppendBf16(tile_, &narrow);
    return take_(narrow);
  }

  const Layout& layout_;
  const ExportOptions& options_;
  const Take& take_;
  PackReader* last_ = nullptr;
  std::string tile_;
  uint64_t quieted_ = 0;
};

std::string TemporaryFor(const std::string& path) { return path + "." + NewUlid() + ".part"; }

// Gives a written and synced file its name; the other name goes in any case.
Status Publish(Storage& storage, const std::string& temporary, const std::string& path,
               Status written) {
  if (written.ok()) written = storage.Rename(temporary, path);
  if (!written.ok()) {
    (void)storage.Remove(temporary);
    return written;
  }
  return storage.SyncDir(ParentOf(path));
}

}  // namespace

DType StoredType(const Span& span, const ExportOptions& options) {
  return options.bf16 && span.dtype == DType::kF32 ? DType::kBF16 : span.dtype;
}

Result<ExportedSpans> SpansOf(const Layout& layout, ExportPart part) {
  ExportedSpans exported;
  for (uint32_t i = 0; i < layout.spans().size(); ++i) {
    const Span& span = layout.spans()[i].span;
    if (IsInPart(span, part)) exported.spans.push_back(i);
    exported.left_out +=
        !IsInPart(span, ExportPart::kModel) && !IsInPart(span, ExportPart::kOptimizer);
  }
  if (!exported.spans.empty()) return exported;
  return Status(Code::kNotFound, part == ExportPart::kModel
                                     ? "it has no parameters or buffers"
                                     : "it has no optimizer state: it was trained without one "
                                       "that keeps any, or was imported");
}

Status StreamSpans(const OpenState& state, const std::vector<uint32_t>& spans,
                   const ExportOptions& options, uint64_t* quieted,
                   const std::function<Status(std::string_view)>& take) {
  Stream stream(*state.layout, options, take);
  const Status done = stream.Run(state, spans);
  *quieted += stream.quieted();
  return done;
}

std::string OriginJson(const Record& record) {
  std::vector<std::pair<std::string, std::string>> pairs = {
      {"format", "pt"},
      {"stemma.state", Hex(record.id)},
      {"stemma.run", record.run_name},
      {"stemma.step", std::to_string(record.step)},
  };
  if (!record.parents.empty()) {
    pairs.emplace_back("stemma.parent", Hex(record.parents.front().parent));
  }
  if (!record.settings.empty()) pairs.emplace_back("stemma.settings", Hex(record.settings.blob));
  if (!record.settings.changes.empty()) {
    pairs.emplace_back("stemma.settings_changes", record.settings.changes);
  }
  std::string json;
  for (const auto& [key, value] : pairs) {  // names and digits: nothing needs escaping
    json += (json.empty() ? "\"" : ",\"") + key + "\":\"" + value + "\"";
  }
  return "{" + json + "}";
}

Status WritePublished(Storage& storage, const std::string& path, uint64_t reserve, bool replace,
                      const std::function<Status(WritableFile&)>& write) {
  const std::string temporary = TemporaryFor(path);
  WriteOptions options;
  options.reserve = reserve;
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          storage.Create(temporary, options));
  Status written = write(*file);
  if (written.ok()) written = file->Sync();
  if (written.ok()) written = file->Close();
  // Somebody may have made the file meanwhile; a moment later nobody can tell.
  if (written.ok() && !replace) written = CheckFree(storage, path);
  return Publish(storage, temporary, path, std::move(written));
}

Status PutWhole(Storage& storage, const std::string& path, std::string_view bytes) {
  const std::string temporary = TemporaryFor(path);
  return Publish(storage, temporary, path, WriteSynced(storage, temporary, bytes));
}

}  // namespace stemma::lineage
