// What a pickle of torch.save may name, and what calling it makes: values, not objects. Internal to
// weights/; pickle_machine.h runs the pickle and asks here.
//
// Values refer to each other by number, so one that holds itself does no harm and nothing is ever
// walked. Thread: one at a time. Failure: as pickle.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/status.h"
#include "lineage/weights/pickle.h"

namespace stemma::lineage {

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,  // its number is not kept: nobody asks
  kText,
  kTuple,
  kList,
  kDict,     // an OrderedDict too; items: key, value, key, value, ...
  kGlobal,   // number: a PickleGlobal, or kStorageTypes and a DType
  kStorage,  // number: in PickledTensors::storages
  kTensor,   // number: in PickledTensors::tensors
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t number = 0;
  std::string_view text = {};        // of the pickle
  std::vector<uint32_t> items = {};  // other values, by number
};
using PickleValues = std::vector<PickleValue>;

// Of all tensors together: a few bytes of a pickle make one of 64 dimensions once more.
constexpr uint64_t kPickleDimsMax = 8 << 20;
Status ManyDimensions();

enum PickleGlobal : int64_t {
  kOrderedDict,
  kRebuildTensor,
  kRebuildParameter,
  kStorageTypes = 256,
};

class TorchObjects {
 public:
  // Refuses, by name, all that is not known.
  static Result<PickleValue> Named(std::string_view module, std::string_view name);
  // `global` called with `arguments`, a tuple.
  Result<PickleValue> Call(const PickleValues& values, const PickleValue& global,
                           const PickleValue& arguments);
  // ("storage", type, key, device, elements)
  Result<PickleValue> Persistent(const PickleValues& values, const PickleValue& id);

  PickledTensors found;  // tensors without names, in the order in which they were made

 private:
  Result<PickleValue> MakeTensor(const PickleValues& values, const PickleValue& arguments);
  std::unordered_map<std::string, uint32_t> by_key_;  // storages
  uint64_t dims_ = 0;                                 // of all tensors
};

}  // namespace stemma::lineage
