#include "lineage/export.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "lineage/layout.h"
#include "lineage/names.h"
#include "lineage/open_state.h"
#include "lineage/pack.h"
#include "lineage/safetensors.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kTileBytes = 1 << 20;    // read at once
constexpr uint64_t kBufferBytes = 4 << 20;  // appended at once
constexpr uint64_t kHeaderAlign = 8;

// Elements [first, first + count) of a span, and the pack that holds them.
struct Part {
  uint64_t first = 0, count = 0;
  PackReader* pack = nullptr;
};

// What the file will hold, and where it comes from.
struct FilePlan {
  std::string header;                     // with its length
  std::vector<uint32_t> spans;            // in file order
  std::vector<SafetensorsEntry> entries;  // the same order
  uint64_t data_bytes = 0;
  uint64_t left_out = 0;
};

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

DType StoredType(const Span& span, const ExportOptions& options) {
  return options.bf16 && span.dtype == DType::kF32 ? DType::kBF16 : span.dtype;
}

std::string MetadataJson(const Record& record) {
  std::vector<std::pair<std::string, std::string>> pairs = {
      {"format", "pt"},
      {"stemma.state", Hex(record.id)},
      {"stemma.run", record.run_name},
      {"stemma.step", std::to_string(record.step)},
  };
  if (!record.parents.empty()) {
    pairs.emplace_back("stemma.parent", Hex(record.parents.front().parent));
  }
  if (!record.settings.empty()) pairs.emplace_back("stemma.settings", Hex(record.settings));
  std::string json;
  for (const auto& [key, value] : pairs) {  // names and digits: nothing needs escaping
    json += (json.empty() ? "\"" : ",\"") + key + "\":\"" + value + "\"";
  }
  return "\"__metadata__\":{" + json + "}";
}

Result<FilePlan> PlanFile(const Layout& layout, const Record& record,
                          const ExportOptions& options) {
  FilePlan plan;
  const auto& spans = layout.spans();
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i].span;
    if (span.name == "__metadata__") {
      return Status(Code::kInvalidArgument,
                    "a tensor is called '__metadata__', which safetensors keeps for itself");
    }
    if (IsInPart(span, options.part)) plan.spans.push_back(i);
    plan.left_out += !IsInPart(span, ExportPart::kModel) && !IsInPart(span, ExportPart::kOptimizer);
  }
  if (plan.spans.empty()) {
    const bool model = options.part == ExportPart::kModel;
    return Status(Code::kNotFound, model ? "it has no parameters or buffers"
                                         : "it has no optimizer state: it was trained without one "
                                           "that keeps any, or was imported");
  }
  std::stable_sort(plan.spans.begin(), plan.spans.end(), [&](uint32_t a, uint32_t b) {
    return SizeOf(StoredType(spans[a].span, options)) > SizeOf(StoredType(spans[b].span, options));
  });
  std::string json = "{" + MetadataJson(record);
  for (const uint32_t i : plan.spans) {
    const Span& span = spans[i].span;
    SafetensorsEntry entry;
    entry.name = span.name;
    entry.dtype = StoredType(span, options);
    entry.shape.assign(span.shape.begin(), span.shape.end());
    entry.begin = plan.data_bytes;
    plan.data_bytes += static_cast<uint64_t>(span.count()) * SizeOf(entry.dtype);
    entry.end = plan.data_bytes;
    json += "," + SafetensorsJson(entry);
    plan.entries.push_back(std::move(entry));
  }
  json += "}";
  json.append((kHeaderAlign - json.size() % kHeaderAlign) % kHeaderAlign, ' ');
  if (json.size() > kSafetensorsHeaderMax) {
    return Status(Code::kInvalidArgument,
                  "its header would pass 100,000,000 bytes, which is safetensors' limit");
  }
  Encoder length;
  length.U64(json.size());
  plan.header = length.bytes() + json;
  return plan;
}

// Which pack holds what of each span in the plan, by first element.
std::map<uint32_t, std::vector<Part>> PartsOf(const OpenState& state, const FilePlan& plan) {
  std::map<uint32_t, std::vector<Part>> parts;
  for (const uint32_t span : plan.spans) parts[span];
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

// Streams the planned spans into a file, in order.
class Writer {
 public:
  Writer(const Layout& layout, const ExportOptions& options, WritableFile& file)
      : layout_(layout), options_(options), file_(file) {}

  Status Write(const OpenState& state, const FilePlan& plan) {
    buffer_ = plan.header;
    const std::map<uint32_t, std::vector<Part>> parts = PartsOf(state, plan);
    for (const uint32_t span : plan.spans) {
      for (const Part& part : parts.at(span)) STEMMA_RETURN_IF_ERROR(Add(span, part));
    }
    return Flush();
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
      } else {
        tile_.resize(count * element);
        STEMMA_RETURN_IF_ERROR(part.pack->Read(span, 0, part.first + done, count, tile_.data()));
        buffer_ += tile_;
      }
      if (buffer_.size() >= kBufferBytes) STEMMA_RETURN_IF_ERROR(Flush());
    }
    return {};
  }

  // Reads the upper halves alone, unless there is something that only the lower ones can tell.
  Status AddHigh(uint32_t span, PackReader& pack, uint64_t first, uint64_t count) {
    tile_.resize(2 * count);
    STEMMA_RETURN_IF_ERROR(pack.ReadPlane(Plane::kHigh, span, first, count, tile_.data()));
    if (!MayHideNan(tile_)) {
      buffer_ += tile_;
      return {};
    }
    tile_.resize(4 * count);
    STEMMA_RETURN_IF_ERROR(pack.Read(span, 0, first, count, tile_.data()));
    quieted_ += AppendBf16(tile_, &buffer_);
    return {};
  }

  Status Flush() {
    STEMMA_RETURN_IF_ERROR(file_.Append(buffer_));
    buffer_.clear();
    return {};
  }

  const Layout& layout_;
  const ExportOptions& options_;
  WritableFile& file_;
  PackReader* last_ = nullptr;
  std::string tile_, buffer_;
  uint64_t quieted_ = 0;
};

std::string TemporaryFor(const std::string& path) { return path + "." + NewUlid() + ".part"; }

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Gives a written and synced file its name; the other name goes in any case.
Status Publish(Storage& storage, const std::string& temporary, const std::string& path,
               Status written) {
  if (written.ok()) written = storage.Rename(temporary, path);
  if (!written.ok()) {
    (void)storage.Remove(temporary);
    return written;
  }
  return storage.SyncDir(FolderOf(path));
}

Result<ExportReport> Export(const Store& store, const Record& record, const std::string& path,
                            const ExportOptions& options) {
  Storage& storage = store.storage();
  if (!options.replace) STEMMA_RETURN_IF_ERROR(CheckFree(storage, path));
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<OpenState> state, OpenWhole(store, record));
  STEMMA_ASSIGN_OR_RETURN(const FilePlan plan, PlanFile(state->layout, record, options));
  ExportReport report;
  report.tensors = plan.entries.size();
  report.bytes = plan.header.size() + plan.data_bytes;
  report.left_out = plan.left_out;
  const std::string temporary = TemporaryFor(path);
  WriteOptions reserve;
  reserve.reserve = report.bytes;
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          storage.Create(temporary, reserve));
  Writer writer(state->layout, options, *file);
  Status written = writer.Write(*state, plan);
  if (written.ok()) written = file->Sync();
  if (written.ok()) written = file->Close();
  // Somebody may have made the file meanwhile; a moment later nobody can tell.
  if (written.ok() && !options.replace) written = CheckFree(storage, path);
  STEMMA_RETURN_IF_ERROR(Publish(storage, temporary, path, std::move(written)));
  report.quieted = writer.quieted();
  return report;
}

}  // namespace

bool IsInPart(const Span& span, ExportPart part) {
  if (span.role == Role::kPerRank) return false;
  const bool optimizer = StartsWith(span.section, "optim/");
  if (part == ExportPart::kOptimizer) return optimizer;
  return span.section == "params" || span.section == "buffers";
}

Status CheckFree(Storage& storage, const std::string& path) {
  if (!storage.Exists(path)) return {};
  return {Code::kInvalidArgument, path + " exists: another name, or --force to replace it"};
}

Status PutWhole(Storage& storage, const std::string& path, std::string_view bytes) {
  const std::string temporary = TemporaryFor(path);
  return Publish(storage, temporary, path, WriteSynced(storage, temporary, bytes));
}

Result<ExportReport> ExportSafetensors(const Store& store, const Record& record,
                                       const std::string& path, const ExportOptions& options) {
  Result<ExportReport> report = Export(store, record, path, options);
  if (report.ok()) return report;
  return Status(report.status()).Within("export of " + StateInWords(record));
}

}  // namespace stemma::lineage
