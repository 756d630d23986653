#include "lineage/import_plan.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "lineage/export.h"

namespace stemma::lineage {
namespace {

constexpr size_t kNamesShown = 6;

std::string ShapeInWords(const Span& span) {
  std::string dims;
  for (const int64_t dim : span.shape) dims += (dims.empty() ? "" : ", ") + std::to_string(dim);
  return std::string(NameOf(span.dtype)) + " [" + dims + "]";
}

void AppendNames(const char* what, const std::vector<std::string>& names, std::string* text) {
  if (names.empty()) return;
  *text += (text->empty() ? "" : ", ") + std::to_string(names.size()) + " " + what + " (";
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    *text += (i == 0 ? "" : ", ") + names[i];
  }
  *text += names.size() > kNamesShown ? ", ...)" : ")";
}

Result<Span> SpanOf(const FileTensor& tensor, std::string name, const Axes& axes) {
  Span span;
  span.name = std::move(name);
  span.section = "params";
  span.dtype = tensor.dtype;
  for (const uint64_t dim : tensor.shape) {
    if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Status(Code::kInvalidArgument,
                    "tensor '" + Printable(tensor.name) + "': impossible shape");
    }
    span.shape.push_back(static_cast<int64_t>(dim));
  }
  if (axes.empty()) return span;
  if (axes.size() != span.shape.size()) {
    return Status(Code::kInvalidArgument, "tensor '" + Printable(tensor.name) + "' has " +
                                              std::to_string(span.shape.size()) +
                                              " axes, and its rule in the map orders " +
                                              std::to_string(axes.size()));
  }
  const std::vector<int64_t> shape = span.shape;
  for (size_t i = 0; i < axes.size(); ++i) span.shape[i] = shape[axes[i]];
  return span;
}

}  // namespace

Result<ImportPlan> PlanImport(const std::vector<FileTensor>& tensors, NameMap* map) {
  ImportPlan plan;
  std::unordered_map<std::string, std::string> origins;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Axes axes;
    const std::string name = map == nullptr ? tensors[i].name : map->Apply(tensors[i].name, &axes);
    plan.dropped += name.empty();
    if (name.empty()) continue;
    plan.renamed += name != tensors[i].name;
    if (const auto [first, is_new] = origins.emplace(name, tensors[i].name); !is_new) {
      return Status(Code::kInvalidArgument, "'" + Printable(first->second) + "' and '" +
                                                Printable(tensors[i].name) +
                                                "' would both be called '" + Printable(name) + "'");
    }
    STEMMA_ASSIGN_OR_RETURN(Span span, SpanOf(tensors[i], name, axes));
    plan.spans.push_back(std::move(span));
    plan.tensors.push_back(i);
    plan.axes.push_back(std::move(axes));
  }
  if (plan.spans.empty()) return Status(Code::kInvalidArgument, "the map leaves no tensor");
  return plan;
}

void FitTo(const Layout& like, ImportPlan* plan) {
  std::unordered_map<std::string, size_t> by_name;
  for (size_t i = 0; i < plan->spans.size(); ++i) by_name[plan->spans[i].name] = i;
  ImportPlan fitted;
  fitted.renamed = plan->renamed;
  fitted.dropped = plan->dropped;
  for (const LayoutSpan& there : like.spans()) {
    if (!IsInPart(there.span, ExportPart::kModel)) continue;
    const auto found = by_name.find(there.span.name);
    if (found == by_name.end()) {
      fitted.fit.missing.push_back(there.span.name);
      continue;
    }
    const size_t place = found->second;
    Span span = plan->spans[place];
    by_name.erase(found);
    if (span.dtype != there.span.dtype || span.shape != there.span.shape) {
      fitted.fit.mismatched.push_back(span.name + " (" + ShapeInWords(span) + ", there " +
                                      ShapeInWords(there.span) + ")");
      continue;
    }
    span.section = there.span.section;
    fitted.spans.push_back(std::move(span));
    fitted.tensors.push_back(plan->tensors[place]);
    fitted.axes.push_back(plan->axes[place]);
  }
  for (const Span& span : plan->spans) {  // in the file's order
    if (by_name.count(span.name) > 0) fitted.fit.unexpected.push_back(Printable(span.name));
  }
  *plan = std::move(fitted);
}

std::string FitInWords(const Fit& fit) {
  std::string text;
  AppendNames("missing", fit.missing, &text);
  AppendNames("unexpected", fit.unexpected, &text);
  AppendNames("mismatched", fit.mismatched, &text);
  return text;
}

Status PlanReader::Read(size_t span, uint64_t offset, uint64_t bytes, char* out) {
  if (plan_.axes.at(span).empty()) return file_.Read(plan_.tensors.at(span), offset, bytes, out);
  if (turned_ != span) STEMMA_RETURN_IF_ERROR(Turn(span));
  std::copy_n(bytes_.data() + offset, bytes, out);
  return {};
}

Status PlanReader::Turn(size_t span) {
  const size_t tensor = plan_.tensors.at(span);
  const FileTensor& about = file_.tensors()[tensor];
  const size_t width = SizeOf(about.dtype);
  uint64_t size = width;
  for (const uint64_t dim : about.shape) size *= dim;
  if (size > file_.bytes()) {  // repeated in it by strides of 0: no kernel is
    return {Code::kInvalidArgument, "'" + Printable(about.name) +
                                        "' is larger than its file, and its rule in the map "
                                        "orders axes: it would have to be in memory as a whole"};
  }
  std::string as_stored(size, '\0');
  STEMMA_RETURN_IF_ERROR(file_.Read(tensor, 0, size, as_stored.data()));
  bytes_ = TurnAxes(as_stored, about.shape, plan_.axes[span], width);
  turned_ = span;
  return {};
}

}  // namespace stemma::lineage
