// The tensors that a pickle of torch.save speaks of, found by a machine that knows just what a
// state_dict consists of and executes nothing: dict, OrderedDict, list, tuple, text, numbers,
// booleans, None, `torch._utils._rebuild_tensor_v2`, `_rebuild_parameter` and torch's storage
// types. Any other class or function is refused by its name, as the message of a file of code would
// be.
//
//   STEMMA_ASSIGN_OR_RETURN(const PickledTensors found, ReadTensorPickle(bytes, ""));
//   for (const PickledTensor& tensor : found.tensors) ...   // "conv1.weight", f32, [64, 3, 7, 7]
//
// Which dict: the outermost one where it holds tensors itself. Where it holds dicts (a checkpoint:
// "epoch", "state_dict", "optimizer"), the one under `key`, or without a key the only one with
// tensors, or the one called state_dict, model_state_dict or model. Values that are no tensors are
// counted and left out.
//
// Protocols 2 to 5. A tensor is a view of a storage: its offset and strides are checked against the
// storage's length here, so that whoever follows them stays inside. A view with more elements than
// its storage (a broadcast) is refused: it would make a small file a large state.
//
// Memory: the pickle has 32 MiB, two million values and eight million dimensions at most, which
// take less than a GiB at the very worst (measured: 0.7). No recursion: containers may hold
// themselves, and none is looked through twice.
//
// Pure function; any thread. Failure: kCorruption for what is no pickle; kInvalidArgument, with the
// way out, for what it may not hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"

namespace stemma::lineage {

constexpr uint64_t kPickleMax = 32 << 20;

struct PickledStorage {
  std::string key;  // "0": the archive's member data/0
  DType dtype = DType::kF32;
  uint64_t count = 0;  // elements
};

struct PickledTensor {
  std::string name;
  uint32_t storage = 0;                  // in PickledTensors::storages
  std::vector<uint64_t> shape, strides;  // in elements, equally many
  uint64_t first = 0;                    // element of the storage
  uint64_t count() const;
  bool IsContiguous() const;
};

struct PickledTensors {
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;  // in the order of the dict
  uint64_t others = 0;                 // values of the dict that are no tensors
};

Result<PickledTensors> ReadTensorPickle(std::string_view pickle, const std::string& key);

// "FloatStorage" for f32, as torch calls it; and back, nullptr for a name that is none.
std::string_view StorageNameOf(DType dtype);
const DType* StorageTypeOf(std::string_view name);

}  // namespace stemma::lineage
