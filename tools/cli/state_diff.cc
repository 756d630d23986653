#include "tools/cli/state_diff.h"

#include <algorithm>
#include <map>

#include "core/bytes.h"
#include "lineage/reader/state_reader.h"

namespace stemma::cli {
namespace {

using lineage::Record;
using lineage::Span;
using lineage::StateReader;

bool SamePacks(const Record& a, const Record& b) {
  if (a.layout != b.layout || a.packs.size() != b.packs.size()) return false;
  for (size_t i = 0; i < a.packs.size(); ++i) {
    if (a.packs[i].pack != b.packs[i].pack) return false;
  }
  return true;
}

// `ranks`: of which both states have a copy of a span that each rank has of its own.
Result<Change> CompareSpan(StateReader& a, StateReader& b, const Span& span, uint32_t ranks,
                           double eps) {
  const int copies = span.role == lineage::Role::kPerRank ? static_cast<int>(ranks) : 1;
  Change change;
  for (int rank = 0; rank < copies; ++rank) {
    STEMMA_ASSIGN_OR_RETURN(const std::string from, a.Read(span.name, rank));
    STEMMA_ASSIGN_OR_RETURN(const std::string to, b.Read(span.name, rank));
    change.Add(Compare(span.dtype, from, to, eps));
  }
  return change;
}

}  // namespace

bool TensorDiff::identical() const {
  if (same_packs) return true;
  uint64_t changed = 0;
  for (const LayerChange& layer : layers) changed += layer.change.different;
  return changed == 0 && different.empty();
}

std::string LayerOf(const std::string& tensor) {
  const size_t dot = tensor.rfind('.');
  return dot == std::string::npos ? tensor : tensor.substr(0, dot);
}

Result<TensorDiff> DiffTensors(const lineage::Store& store, const Record& a, const Record& b,
                               double eps) {
  TensorDiff diff;
  diff.same_packs = SamePacks(a, b);
  if (diff.same_packs) return diff;
  STEMMA_ASSIGN_OR_RETURN(const auto reader_a, StateReader::Open(store, a));
  STEMMA_ASSIGN_OR_RETURN(const auto reader_b, StateReader::Open(store, b));
  std::map<std::string, const Span*> others;
  for (const lineage::LayoutSpan& placed : reader_b->layout().spans()) {
    others[placed.span.name] = &placed.span;
  }
  for (const lineage::LayoutSpan& placed : reader_a->layout().spans()) {
    const Span& span = placed.span;
    const auto other = others.find(span.name);
    if (other == others.end()) {
      diff.different.push_back(span.name + ": only in the first");
      continue;
    }
    const bool comparable =
        other->second->dtype == span.dtype && other->second->shape == span.shape;
    others.erase(other);
    if (!comparable) {
      diff.different.push_back(span.name + ": another type or shape");
      continue;
    }
    STEMMA_ASSIGN_OR_RETURN(
        const Change change,
        CompareSpan(*reader_a, *reader_b, span, std::min(RanksHeld(a), RanksHeld(b)), eps));
    const std::string layer = LayerOf(span.name);
    const bool open = !diff.layers.empty() && diff.layers.back().layer == layer &&
                      diff.layers.back().section == span.section;
    if (!open) diff.layers.push_back({span.section, layer, {}});
    diff.layers.back().change.Add(change);
  }
  for (const auto& [name, span] : others) diff.different.push_back(name + ": only in the second");
  return diff;
}

Result<std::vector<SettingChange>> DiffStoredSettings(const lineage::Store& store, const Record& a,
                                                      const Record& b) {
  if (a.settings == b.settings || a.settings.empty() || b.settings.empty()) {
    return std::vector<SettingChange>{};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string from, store.GetBlob(a.settings));
  STEMMA_ASSIGN_OR_RETURN(const std::string to, store.GetBlob(b.settings));
  return DiffSettings(from, to);
}

}  // namespace stemma::cli
