#include "lineage/weights/pickle_torch.h"

#include <algorithm>
#include <utility>

#include "core/text.h"

namespace stemma::lineage {
namespace {

constexpr size_t kDimsRead = 64;  // torch's own limit
constexpr size_t kKeyMax = 100;   // bytes; torch's are decimal numbers

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr StorageType kStorageNames[] = {
    {"FloatStorage", DType::kF32}, {"DoubleStorage", DType::kF64},    {"HalfStorage", DType::kF16},
    {"LongStorage", DType::kI64},  {"BFloat16Storage", DType::kBF16}, {"IntStorage", DType::kI32},
    {"ShortStorage", DType::kI16}, {"CharStorage", DType::kI8},       {"ByteStorage", DType::kU8},
    {"BoolStorage", DType::kBool},
};

Status Corrupt(const std::string& what) { return {Code::kCorruption, "pickle: " + what}; }

PickleValue Make(PickleKind kind, int64_t number) {
  PickleValue value;
  value.kind = kind;
  value.number = number;
  return value;
}

// Kinds of a call's first arguments, compared as one.
bool AreKinds(const PickleValues& values, const PickleValue& tuple,
              std::initializer_list<PickleKind> kinds) {
  return tuple.kind == PickleKind::kTuple && tuple.items.size() >= kinds.size() &&
         std::equal(kinds.begin(), kinds.end(), tuple.items.begin(),
                    [&](PickleKind kind, uint32_t item) { return values[item].kind == kind; });
}

Result<std::vector<uint64_t>> Numbers(const PickleValues& values, const PickleValue& tuple,
                                      const char* what) {
  std::vector<uint64_t> numbers;
  if (tuple.items.size() > kDimsRead) return Corrupt("a tensor of more than 64 dimensions");
  for (const uint32_t item : tuple.items) {
    if (values[item].kind != PickleKind::kInt || values[item].number < 0) {
      return Corrupt(std::string("a tensor's ") + what + " is no list of numbers from 0 up");
    }
    numbers.push_back(static_cast<uint64_t>(values[item].number));
  }
  return numbers;
}

// Inside its storage, and not more than that has.
Status CheckView(const PickledTensor& tensor, const PickledStorage& storage) {
  const std::string where = "a tensor in storage '" + storage.key + "' ";
  uint64_t count = 1, last = tensor.first;
  for (const uint64_t dim : tensor.shape) {
    if (__builtin_mul_overflow(count, dim, &count)) return Corrupt(where + "overflows");
  }
  if (count == 0) {
    return tensor.first <= storage.count ? Status() : Corrupt(where + "lies outside of it");
  }
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    uint64_t step = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return Corrupt(where + "overflows");
    }
  }
  if (last >= storage.count) return Corrupt(where + "lies outside of it");
  if (count <= storage.count) return {};
  return {Code::kInvalidArgument, where + "has " + std::to_string(count) +
                                      " elements where that has " + std::to_string(storage.count) +
                                      ": a broadcast view; save it with .contiguous() instead"};
}

}  // namespace

std::string_view StorageNameOf(DType dtype) {
  for (const StorageType& type : kStorageNames) {
    if (type.dtype == dtype) return type.name;
  }
  return "?";
}

const DType* StorageTypeOf(std::string_view name) {
  for (const StorageType& type : kStorageNames) {
    if (type.name == name) return &type.dtype;
  }
  return nullptr;
}

uint64_t PickledTensor::count() const {
  uint64_t count = 1;
  for (const uint64_t dim : shape) count *= dim;
  return count;
}

bool PickledTensor::IsContiguous() const {
  uint64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return count() == 0;
    expected *= shape[i];
  }
  return true;
}

Status ManyDimensions() { return Corrupt("its tensors have more than eight million dimensions"); }

Result<PickleValue> TorchObjects::Named(std::string_view module, std::string_view name) {
  if (module == "collections" && name == "OrderedDict") {
    return Make(PickleKind::kGlobal, kOrderedDict);
  }
  if (module == "torch._utils" && name == "_rebuild_tensor_v2") {
    return Make(PickleKind::kGlobal, kRebuildTensor);
  }
  if (module == "torch._utils" && name == "_rebuild_parameter") {
    return Make(PickleKind::kGlobal, kRebuildParameter);
  }
  if (const DType* dtype = StorageTypeOf(name); dtype != nullptr && module == "torch") {
    return Make(PickleKind::kGlobal, kStorageTypes + static_cast<int64_t>(*dtype));
  }
  return Status(Code::kInvalidArgument,
                "it names " + Printable(module, 100) + "." + Printable(name, 100) +
                    ", and nothing but plain dicts of tensors is read, for nothing in a file is "
                    "ever run: in Python, torch.save(model.state_dict(), FILE), or only the part "
                    "of the checkpoint that holds the tensors");
}

Result<PickleValue> TorchObjects::Call(const PickleValues& values, const PickleValue& global,
                                       const PickleValue& arguments) {
  if (global.kind != PickleKind::kGlobal || arguments.kind != PickleKind::kTuple) {
    return Corrupt("it calls what is no function");
  }
  if (global.number == kOrderedDict) {
    if (!arguments.items.empty()) return Corrupt("an OrderedDict made of something");
    return Make(PickleKind::kDict, 0);
  }
  if (global.number == kRebuildParameter) {
    if (!AreKinds(values, arguments, {PickleKind::kTensor, PickleKind::kBool})) {
      return Corrupt("a parameter without a tensor");
    }
    return values[arguments.items[0]];
  }
  if (global.number == kRebuildTensor) return MakeTensor(values, arguments);
  return Corrupt("it calls a storage type");
}

Result<PickleValue> TorchObjects::MakeTensor(const PickleValues& values,
                                             const PickleValue& arguments) {
  if (!AreKinds(values, arguments,
                {PickleKind::kStorage, PickleKind::kInt, PickleKind::kTuple, PickleKind::kTuple,
                 PickleKind::kBool}) ||
      values[arguments.items[1]].number < 0) {
    return Corrupt("a tensor without storage, offset, size and stride");
  }
  if (arguments.items.size() > 6 && (values[arguments.items[6]].kind != PickleKind::kDict ||
                                     !values[arguments.items[6]].items.empty())) {
    return Status(Code::kInvalidArgument,
                  "a tensor is a conjugate or negative view: save it with .clone() instead");
  }
  PickledTensor tensor;
  tensor.storage = static_cast<uint32_t>(values[arguments.items[0]].number);
  tensor.first = static_cast<uint64_t>(values[arguments.items[1]].number);
  STEMMA_ASSIGN_OR_RETURN(tensor.shape, Numbers(values, values[arguments.items[2]], "size"));
  STEMMA_ASSIGN_OR_RETURN(tensor.strides, Numbers(values, values[arguments.items[3]], "stride"));
  if (tensor.shape.size() != tensor.strides.size()) {
    return Corrupt("a tensor with " + std::to_string(tensor.shape.size()) + " dimensions and " +
                   std::to_string(tensor.strides.size()) + " strides");
  }
  dims_ += tensor.shape.size();
  if (dims_ > kPickleDimsMax) return ManyDimensions();
  STEMMA_RETURN_IF_ERROR(CheckView(tensor, found.storages[tensor.storage]));
  found.tensors.push_back(std::move(tensor));
  return Make(PickleKind::kTensor, static_cast<int64_t>(found.tensors.size() - 1));
}

Result<PickleValue> TorchObjects::Persistent(const PickleValues& values, const PickleValue& id) {
  const bool typed = AreKinds(values, id,
                              {PickleKind::kText, PickleKind::kGlobal, PickleKind::kText,
                               PickleKind::kText, PickleKind::kInt}) &&
                     values[id.items[0]].text == "storage";
  if (!typed || values[id.items[1]].number < kStorageTypes || values[id.items[4]].number < 0) {
    return Corrupt("a persistent id that is no storage of a known type");
  }
  const std::string_view key = values[id.items[2]].text;
  if (key.size() > kKeyMax || Printable(key) != key) {
    return Corrupt("a storage called '" + Printable(key, kKeyMax) + "', which is no number");
  }
  PickledStorage storage;
  storage.key = std::string(key);
  storage.dtype = static_cast<DType>(values[id.items[1]].number - kStorageTypes);
  storage.count = static_cast<uint64_t>(values[id.items[4]].number);
  const auto [place, is_new] =
      by_key_.emplace(storage.key, static_cast<uint32_t>(found.storages.size()));
  if (is_new) {
    found.storages.push_back(std::move(storage));
  } else if (const PickledStorage& known = found.storages[place->second];
             known.dtype != storage.dtype || known.count != storage.count) {
    return Corrupt("storage '" + known.key + "' has two types or lengths");
  }
  return Make(PickleKind::kStorage, place->second);
}

}  // namespace stemma::lineage
