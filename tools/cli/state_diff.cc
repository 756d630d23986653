#include "tools/cli/state_diff.h"

#include <algorithm>
#include <functional>
#include <map>

#include "core/bytes.h"
#include "lineage/reader/state_reader.h"
#include "models/train/stored_settings.h"

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

uint32_t RanksOfBoth(const Record& a, const Record& b) {
  return std::min(RanksHeld(a), RanksHeld(b));
}

// Spans come in the order of the network, so a layer's stand together.
template <typename Layer, typename OneChange>
void AddToLayer(const Span& span, const OneChange& change, std::vector<Layer>* layers) {
  const std::string layer = LayerOf(span.name);
  const bool open =
      !layers->empty() && layers->back().layer == layer && layers->back().section == span.section;
  if (!open) layers->push_back({span.section, layer, {}});
  layers->back().change.Add(change);
}

// `compare` for every span that both states have in one type and shape; the others go to
// `different`. States of the same packs are not read.
Status VisitPairs(const lineage::Store& store, const Record& a, const Record& b, bool* same_packs,
                  std::vector<std::string>* different,
                  const std::function<Status(StateReader&, StateReader&, const Span&)>& compare) {
  *same_packs = SamePacks(a, b);
  if (*same_packs) return {};
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
      different->push_back(span.name + ": only in the first");
      continue;
    }
    const bool comparable =
        other->second->dtype == span.dtype && other->second->shape == span.shape;
    others.erase(other);
    if (!comparable) {
      different->push_back(span.name + ": another type or shape");
      continue;
    }
    STEMMA_RETURN_IF_ERROR(compare(*reader_a, *reader_b, span));
  }
  for (const auto& [name, span] : others) different->push_back(name + ": only in the second");
  return {};
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
  const auto compare = [&](StateReader& from, StateReader& to, const Span& span) -> Status {
    STEMMA_ASSIGN_OR_RETURN(const Change change,
                            CompareSpan(from, to, span, RanksOfBoth(a, b), eps));
    AddToLayer(span, change, &diff.layers);
    return {};
  };
  STEMMA_RETURN_IF_ERROR(VisitPairs(store, a, b, &diff.same_packs, &diff.different, compare));
  return diff;
}

Result<TensorBounds> BoundTensors(const lineage::Store& store, const Record& a, const Record& b,
                                  double eps) {
  TensorBounds bounds;
  const auto compare = [&](StateReader& from, StateReader& to, const Span& span) -> Status {
    const bool own = span.role == lineage::Role::kPerRank;
    const uint64_t bytes = 2 * static_cast<uint64_t>(span.bytes()) * (own ? RanksOfBoth(a, b) : 1);
    const bool halved = span.dtype == DType::kF32 && !own;
    bounds.bytes_whole += bytes;
    bounds.bytes_read += halved ? bytes / 2 : bytes;
    if (halved) {
      STEMMA_ASSIGN_OR_RETURN(const std::string high_a, from.ReadHigh(span.name));
      STEMMA_ASSIGN_OR_RETURN(const std::string high_b, to.ReadHigh(span.name));
      AddToLayer(span, BoundUpperHalves(high_a, high_b, eps), &bounds.layers);
      return {};
    }
    STEMMA_ASSIGN_OR_RETURN(const Change exact,
                            CompareSpan(from, to, span, RanksOfBoth(a, b), eps));
    AddToLayer(span, BoundsOf(span.dtype, exact), &bounds.layers);
    return {};
  };
  STEMMA_RETURN_IF_ERROR(VisitPairs(store, a, b, &bounds.same_packs, &bounds.different, compare));
  return bounds;
}

Result<std::vector<SettingChange>> DiffStoredSettings(const lineage::Store& store, const Record& a,
                                                      const Record& b) {
  if (a.settings == b.settings || a.settings.empty() || b.settings.empty()) {
    return std::vector<SettingChange>{};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string from, store.GetSettings(a.settings));
  STEMMA_ASSIGN_OR_RETURN(const std::string to, store.GetSettings(b.settings));
  return models::SettingChanges(from, to);
}

}  // namespace stemma::cli
