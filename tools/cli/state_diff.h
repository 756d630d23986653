// What differs between two states: settings, metrics, and the tensors both have, by layer. Reads
// the bytes through lineage, so every one of them is verified on the way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/settings.h"
#include "core/status.h"
#include "lineage/store.h"
#include "tools/cli/tensor_bounds.h"
#include "tools/cli/tensor_change.h"

namespace stemma::cli {

struct LayerChange {
  std::string section, layer;  // "params", "block3.gate"
  Change change;
};

struct TensorDiff {
  std::vector<LayerChange> layers;     // in the order of the network
  std::vector<std::string> different;  // tensors that only one side has, or with another shape
  bool same_packs = false;             // both states consist of the same packs: nothing was read
  bool identical() const;              // every bit of every tensor, the optimizer's too
};

struct LayerBounds {
  std::string section, layer;
  ChangeBounds change;
};

struct TensorBounds {
  std::vector<LayerBounds> layers;
  std::vector<std::string> different;
  bool same_packs = false;
  uint64_t bytes_read = 0, bytes_whole = 0;  // of the compared tensors, on both sides
};

// "block3.gate.weight" -> "block3.gate".
std::string LayerOf(const std::string& tensor);

// All sections. Tensors that every rank has one of are compared for the ranks that both states
// have.
Result<TensorDiff> DiffTensors(const lineage::Store& store, const lineage::Record& a,
                               const lineage::Record& b, double eps);

// The same from half of the bytes: f32 that is stored in planes by its upper 16 bits, all else
// whole.
Result<TensorBounds> BoundTensors(const lineage::Store& store, const lineage::Record& a,
                                  const lineage::Record& b, double eps);

// Nothing where one side was stored without settings.
Result<std::vector<SettingChange>> DiffStoredSettings(const lineage::Store& store,
                                                      const lineage::Record& a,
                                                      const lineage::Record& b);

}  // namespace stemma::cli
