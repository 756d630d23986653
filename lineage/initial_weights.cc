#include "lineage/initial_weights.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "lineage/export.h"
#include "lineage/graph.h"
#include "lineage/import_plan.h"
#include "lineage/layout.h"
#include "lineage/names.h"
#include "lineage/weights/name_map.h"
#include "lineage/weights/tensor_file.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kMapMax = 16 << 20;  // bytes of a map of names
constexpr size_t kLeftShown = 6;        // names in the summary

// Each name to skip as a map that leaves out what it fits, and counts that.
Result<std::vector<NameMap>> SkipMaps(const std::vector<std::string>& names) {
  std::vector<NameMap> maps;
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_of(" \t\r\n#") != std::string::npos) {
      return Status(Code::kInvalidArgument, "'" + name + "' to skip is no name of a tensor");
    }
    auto map = NameMap::Parse(name + " -\n");
    if (!map.ok()) return Status(map.status()).Within("'" + name + "' to skip");
    maps.push_back(*std::move(map));
  }
  return maps;
}

// Asks all, so that each counts.
bool Skips(std::vector<NameMap>* maps, const std::string& name) {
  bool skips = false;
  for (NameMap& map : *maps) skips = map.Apply(name).empty() || skips;
  return skips;
}

Result<ImportPlan> PlanOf(Storage& storage, const WeightsSource& source, const TensorFile& file) {
  if (source.map.empty()) return PlanImport(file.tensors(), nullptr);
  STEMMA_ASSIGN_OR_RETURN(const std::string rules, storage.ReadBounded(source.map, kMapMax));
  auto map = NameMap::Parse(rules);
  if (!map.ok()) return Status(map.status()).Within(source.map);
  return PlanImport(file.tensors(), &*map);
}

}  // namespace

InitialWeights::InitialWeights() = default;
InitialWeights::~InitialWeights() = default;

Result<std::unique_ptr<InitialWeights>> InitialWeights::Open(Storage& storage,
                                                             const WeightsSource& source,
                                                             const std::vector<Span>& model) {
  std::unique_ptr<InitialWeights> weights(new InitialWeights);
  const auto fill = [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(weights->file_, OpenTensorFile(storage, source.path, source.key));
    STEMMA_RETURN_IF_ERROR(weights->Fit(storage, source, model));
    return weights->Describe(source);
  };
  const Status filled = fill();
  if (!filled.ok()) return Status(filled).Within(source.path);
  return weights;
}

Status InitialWeights::Fit(Storage& storage, const WeightsSource& source,
                           const std::vector<Span>& model) {
  STEMMA_ASSIGN_OR_RETURN(std::vector<NameMap> skip, SkipMaps(source.skip));
  STEMMA_ASSIGN_OR_RETURN(const ImportPlan whole, PlanOf(storage, source, *file_));
  ImportPlan plan;
  for (size_t i = 0; i < whole.spans.size(); ++i) {
    if (Skips(&skip, whole.spans[i].name)) continue;
    plan.spans.push_back(whole.spans[i]);
    plan.tensors.push_back(whole.tensors[i]);
    plan.axes.push_back(whole.axes[i]);
  }
  std::vector<Span> wanted;
  for (size_t i = 0; i < model.size(); ++i) {
    if (!IsInPart(model[i], ExportPart::kModel)) continue;
    if (Skips(&skip, model[i].name)) {
      left_.push_back(model[i].name);
    } else {
      wanted.push_back(model[i]);
      spans_.push_back(i);
    }
  }
  for (size_t i = 0; i < skip.size(); ++i) {
    if (skip[i].Unused().empty()) continue;
    return {Code::kInvalidArgument,
            "'" + source.skip[i] + "' to skip is in neither the file nor the network"};
  }
  if (wanted.empty()) {
    return {Code::kInvalidArgument, "nothing is left to take: all of the network is skipped"};
  }
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Of(wanted));
  FitTo(layout, &plan);
  if (!plan.fit.exact()) {
    return {Code::kInvalidArgument,
            "it does not fit the network: " + FitInWords(plan.fit) + "; " +
                std::to_string(plan.spans.size()) + " of " + std::to_string(wanted.size()) +
                " tensors fit. --init-skip=NAME,NAME leaves tensors out, which stay as they begin; "
                "--init-map gives names"};
  }
  plan_ = std::make_unique<ImportPlan>(std::move(plan));  // the layout's order is `wanted`'s
  reader_ = std::make_unique<PlanReader>(*file_, *plan_);
  return {};
}

Status InitialWeights::Describe(const WeightsSource& source) {
  STEMMA_ASSIGN_OR_RETURN(const std::string sha256, file_->Sha256());
  attributes_[kImportFile] = BaseOf(source.path);
  attributes_["import.sha256"] = Hex(sha256);
  attributes_["import.bytes"] = static_cast<int64_t>(file_->bytes());
  summary_ = BaseOf(source.path) + " (sha256 " + Hex(sha256).substr(0, 8) +
             "): " + std::to_string(spans_.size()) + " tensors taken";
  for (size_t i = 0; i < std::min(left_.size(), kLeftShown); ++i) {
    summary_ += (i == 0 ? "; as they began: " : ", ") + left_[i];
  }
  if (left_.size() > kLeftShown) {
    summary_ += " and " + std::to_string(left_.size() - kLeftShown) + " more";
  }
  return {};
}

Status InitialWeights::Read(size_t i, uint64_t offset, uint64_t bytes, char* out) {
  return reader_->Read(i, offset, bytes, out);
}

}  // namespace stemma::lineage
