#include "tools/cli/state_diff.h"

#include <algorithm>
#include <map>

#include "core/bytes.h"
#include "lineage/restore.h"

namespace stemma::cli {
namespace {

using lineage::Record;
using lineage::Span;

bool SamePacks(const Record& a, const Record& b) {
  if (a.layout != b.layout || a.packs.size() != b.packs.size()) return false;
  for (size_t i = 0; i < a.packs.size(); ++i) {
    if (a.packs[i].pack != b.packs[i].pack) return false;
  }
  return true;
}

Result<Change> CompareSpan(const lineage::Store& store, const Record& a, const Record& b,
                           const Span& span, double eps) {
  const bool per_rank = span.role == lineage::Role::kPerRank;
  const int ranks = per_rank ? static_cast<int>(std::min(RanksHeld(a), RanksHeld(b))) : 1;
  Change change;
  for (int rank = 0; rank < ranks; ++rank) {
    STEMMA_ASSIGN_OR_RETURN(const std::string from, lineage::ReadSpan(store, a, span.name, rank));
    STEMMA_ASSIGN_OR_RETURN(const std::string to, lineage::ReadSpan(store, b, span.name, rank));
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
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Span> spans_a, lineage::SpansOf(store, a));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Span> spans_b, lineage::SpansOf(store, b));
  std::map<std::string, const Span*> others;
  for (const Span& span : spans_b) {
    others[span.name] = &span;
  }
  for (const Span& span : spans_a) {
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
    STEMMA_ASSIGN_OR_RETURN(const Change change, CompareSpan(store, a, b, span, eps));
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
