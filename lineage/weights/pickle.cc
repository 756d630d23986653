#include "lineage/weights/pickle.h"

#include <set>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "lineage/weights/pickle_machine.h"

namespace stemma::lineage {
namespace {

constexpr const char* kUsualKeys[] = {"state_dict", "model_state_dict", "model"};
constexpr size_t kKeysShown = 12;

bool IsTensor(const PickleValue& value) { return value.kind == PickleKind::kTensor; }
bool IsDict(const PickleValue& value) { return value.kind == PickleKind::kDict; }

// Whether one of the dict's own values is a tensor.
bool HoldsTensors(const PickleValues& values, const PickleValue& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2) {
    if (IsTensor(values[dict.items[i]])) return true;
  }
  return false;
}

// A name as people see it.
std::string Shown(std::string_view text) { return "'" + Printable(text, 60) + "'"; }

// The dicts with tensors inside of `root`, by key; of equal keys the last, as in Python. One may
// stand there under a million keys: it is looked at once.
std::vector<std::pair<std::string_view, uint32_t>> DictsIn(const PickleValues& values,
                                                           const PickleValue& root) {
  std::vector<std::pair<std::string_view, uint32_t>> dicts;
  std::unordered_map<uint32_t, bool> holds;
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& key = values[root.items[i]];
    const uint32_t number = root.items[i + 1];
    if (key.kind != PickleKind::kText || !IsDict(values[number])) continue;
    const auto [known, is_new] = holds.emplace(number, false);
    if (is_new) known->second = HoldsTensors(values, values[number]);
    if (known->second) dicts.emplace_back(key.text, number);
  }
  return dicts;
}

Result<uint32_t> ChooseDict(const PickleValues& values, uint32_t root, const std::string& key) {
  if (!IsDict(values[root])) {
    return Status(Code::kInvalidArgument,
                  "it holds no dict: in Python, torch.save(model.state_dict(), FILE)");
  }
  if (key.empty() && HoldsTensors(values, values[root])) return root;
  const auto dicts = DictsIn(values, values[root]);
  std::string there;
  for (size_t i = 0; i < dicts.size() && i < kKeysShown; ++i) {
    there += (i == 0 ? "" : ", ") + Shown(dicts[i].first);
  }
  for (size_t i = dicts.size(); !key.empty() && i-- > 0;) {
    if (dicts[i].first == key) return dicts[i].second;
  }
  if (dicts.empty()) return Status(Code::kInvalidArgument, "it holds no dict with tensors");
  if (!key.empty()) {
    return Status(Code::kNotFound,
                  "it has no dict of tensors under " + Shown(key) + "; there are: " + there);
  }
  if (dicts.size() == 1) return dicts[0].second;
  for (const char* usual : kUsualKeys) {
    for (size_t i = dicts.size(); i-- > 0;) {
      if (dicts[i].first == usual) return dicts[i].second;
    }
  }
  return Status(Code::kInvalidArgument,
                "it holds several dicts of tensors: say which one with "
                "--key: " +
                    there);
}

}  // namespace

Result<PickledTensors> ReadTensorPickle(std::string_view pickle, const std::string& key) {
  if (pickle.size() > kPickleMax) {
    return Status(Code::kInvalidArgument, "its pickle has more than 32 MiB");
  }
  PickleMachine machine(pickle);
  STEMMA_RETURN_IF_ERROR(machine.Run());
  const PickleValues& values = machine.values();
  STEMMA_ASSIGN_OR_RETURN(const uint32_t chosen, ChooseDict(values, machine.root(), key));
  PickledTensors all = machine.TakeFound(), found;
  std::set<std::string_view> names;
  uint64_t dims = 0;
  const std::vector<uint32_t>& items = values[chosen].items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const PickleValue& name = values[items[i]];
    const PickleValue& value = values[items[i + 1]];
    if (!IsTensor(value)) {
      ++found.others;
      continue;
    }
    if (name.kind != PickleKind::kText) {
      return Status(Code::kInvalidArgument, "it calls a tensor by what is no text");
    }
    if (!names.insert(name.text).second) {
      return Status(Code::kCorruption, "pickle: the key " + Shown(name.text) + " comes twice");
    }
    PickledTensor tensor = all.tensors[static_cast<size_t>(value.number)];
    dims += tensor.shape.size();
    if (dims > kPickleDimsMax) return ManyDimensions();
    tensor.name = std::string(name.text);
    found.tensors.push_back(std::move(tensor));
  }
  found.storages = std::move(all.storages);
  return found;
}

}  // namespace stemma::lineage
