#include "lineage/export.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "lineage/export_stream.h"
#include "lineage/layout.h"
#include "lineage/open_state.h"
#include "lineage/safetensors.h"
#include "lineage/weights/torch_writer.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kBufferBytes = 4 << 20;  // appended at once
constexpr uint64_t kHeaderAlign = 8;

// What the file will hold, and where it comes from.
struct FilePlan {
  std::string header;                     // with its length
  std::vector<uint32_t> spans;            // in file order
  std::vector<SafetensorsEntry> entries;  // the same order
  uint64_t data_bytes = 0;
  uint64_t left_out = 0;
};

Result<FilePlan> PlanFile(const Layout& layout, const Record& record,
                          const ExportOptions& options) {
  const auto& spans = layout.spans();
  if (layout.Find("__metadata__")) {
    return Status(Code::kInvalidArgument,
                  "a tensor is called '__metadata__', which safetensors keeps for itself");
  }
  STEMMA_ASSIGN_OR_RETURN(ExportedSpans exported, SpansOf(layout, options.part));
  FilePlan plan;
  plan.spans = std::move(exported.spans);
  plan.left_out = exported.left_out;
  std::stable_sort(plan.spans.begin(), plan.spans.end(), [&](uint32_t a, uint32_t b) {
    return SizeOf(StoredType(spans[a].span, options)) > SizeOf(StoredType(spans[b].span, options));
  });
  std::string json = "{\"__metadata__\":" + OriginJson(record);
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

Result<ExportReport> Export(const Store& store, const Record& record, const std::string& path,
                            const ExportOptions& options) {
  Storage& storage = store.storage();
  if (!options.replace) STEMMA_RETURN_IF_ERROR(CheckFree(storage, path));
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<OpenState> state, OpenWhole(store, record));
  STEMMA_ASSIGN_OR_RETURN(const FilePlan plan, PlanFile(*state->layout, record, options));
  ExportReport report;
  report.tensors = plan.entries.size();
  report.bytes = plan.header.size() + plan.data_bytes;
  report.left_out = plan.left_out;
  const auto write = [&](WritableFile& file) -> Status {
    std::string buffer = plan.header;
    const auto take = [&](std::string_view bytes) -> Status {
      buffer += bytes;
      if (buffer.size() < kBufferBytes) return {};
      STEMMA_RETURN_IF_ERROR(file.Append(buffer));
      buffer.clear();
      return {};
    };
    STEMMA_RETURN_IF_ERROR(StreamSpans(*state, plan.spans, options, &report.quieted, take));
    return file.Append(buffer);
  };
  STEMMA_RETURN_IF_ERROR(WritePublished(storage, path, report.bytes, options.replace, write));
  return report;
}

Result<ExportReport> ExportToTorch(const Store& store, const Record& record,
                                   const std::string& path, const ExportOptions& options) {
  Storage& storage = store.storage();
  if (!options.replace) STEMMA_RETURN_IF_ERROR(CheckFree(storage, path));
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<OpenState> state, OpenWhole(store, record));
  STEMMA_ASSIGN_OR_RETURN(const ExportedSpans exported, SpansOf(*state->layout, options.part));
  std::vector<TorchTensor> tensors;
  uint64_t data_bytes = 0;
  for (const uint32_t i : exported.spans) {
    const Span& span = state->layout->spans()[i].span;
    tensors.push_back({span.name, StoredType(span, options), span.shape});
    data_bytes += tensors.back().bytes();
  }
  ExportReport report;
  report.tensors = tensors.size();
  report.left_out = exported.left_out;
  const auto write = [&](WritableFile& file) -> Status {
    TorchWriter writer(file, tensors);
    writer.Note(OriginJson(record) + "\n");
    STEMMA_RETURN_IF_ERROR(writer.Begin());
    STEMMA_RETURN_IF_ERROR(
        StreamSpans(*state, exported.spans, options, &report.quieted,
                    [&](std::string_view bytes) { return writer.Append(bytes); }));
    STEMMA_RETURN_IF_ERROR(writer.Finish());
    report.bytes = writer.written();
    return {};
  };
  STEMMA_RETURN_IF_ERROR(WritePublished(storage, path, data_bytes, options.replace, write));
  return report;
}

Result<ExportReport> InWords(const Record& record, Result<ExportReport> report) {
  if (report.ok()) return report;
  return Status(report.status()).Within("export of " + StateInWords(record));
}

}  // namespace

bool IsInPart(const Span& span, ExportPart part) {
  if (span.role == Role::kPerRank) return false;
  const bool optimizer = span.section.compare(0, 6, "optim/") == 0;
  if (part == ExportPart::kOptimizer) return optimizer;
  return span.section == "params" || span.section == "buffers";
}

Status CheckFree(Storage& storage, const std::string& path) {
  if (!storage.Exists(path)) return {};
  return {Code::kInvalidArgument, path + " exists: another name, or --force to replace it"};
}

Result<ExportReport> ExportSafetensors(const Store& store, const Record& record,
                                       const std::string& path, const ExportOptions& options) {
  return InWords(record, Export(store, record, path, options));
}

Result<ExportReport> ExportTorch(const Store& store, const Record& record, const std::string& path,
                                 const ExportOptions& options) {
  return InWords(record, ExportToTorch(store, record, path, options));
}

}  // namespace stemma::lineage
