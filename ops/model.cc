#include "ops/model.h"

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

std::string Quoted(const std::string& name) { return '"' + name + '"'; }

Status CheckTensor(const std::string& name, const at::Tensor& tensor, at::Device device) {
  STEMMA_RETURN_IF_ERROR(SpanOf(tensor, name).status());
  if (tensor.device() != device) {
    return {Code::kInvalidArgument, Quoted(name) + " is on " + tensor.device().str() +
                                        ", this world's tensors are on " + device.str() +
                                        ": call model->to(device) before Reducer::Create"};
  }
  if (tensor.requires_grad() && !tensor.is_leaf()) {
    return {Code::kInvalidArgument,
            Quoted(name) + " is computed from other tensors: pass the module's own parameter"};
  }
  return {};
}

Status CheckMemory(const std::string& name, const at::Tensor& tensor,
                   std::map<const void*, std::string>* owners) {
  if (tensor.numel() == 0) return {};
  const auto [owner, is_new] = owners->emplace(tensor.data_ptr(), name);
  if (is_new) return {};
  return {Code::kInvalidArgument, Quoted(name) + " and " + Quoted(owner->second) +
                                      " are two tensors over the same memory: tie weights by "
                                      "registering one tensor under both names"};
}

std::string StridesOf(const at::Tensor& tensor) {
  if (tensor.is_contiguous()) return "";
  std::string text;
  for (int64_t s : tensor.strides()) text += (text.empty() ? "" : ",") + std::to_string(s);
  return " strides[" + text + "]";
}

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

ParameterInfo InfoOf(const std::string& name, const at::Tensor& tensor) {
  return {name, tensor.sizes().vec(), *DTypeOf(tensor), tensor.requires_grad()};
}

}  // namespace

Result<Model> CheckModel(const comm::World& world, std::vector<Parameter> parameters,
                         std::vector<Buffer> buffers) {
  const at::Device device = DeviceOf(world);
  Model model;
  std::set<const void*> seen;
  std::set<std::string> names;
  std::map<const void*, std::string> owners;
  for (Parameter& p : parameters) {
    STEMMA_RETURN_IF_ERROR(CheckTensor(p.name, p.tensor, device));
    names.insert(p.name);  // MakePlan refuses what is there twice
    if (!seen.insert(p.tensor.unsafeGetTensorImpl()).second) continue;
    STEMMA_RETURN_IF_ERROR(CheckMemory(p.name, p.tensor, &owners));
    model.parameters.push_back(std::move(p));
  }
  for (Buffer& b : buffers) {
    STEMMA_RETURN_IF_ERROR(CheckTensor(b.name, b.tensor, device));
    if (!names.insert(b.name).second) {
      return Status(Code::kInvalidArgument,
                    "buffer " + Quoted(b.name) + " has the name of another tensor");
    }
    if (!seen.insert(b.tensor.unsafeGetTensorImpl()).second) continue;
    STEMMA_RETURN_IF_ERROR(CheckMemory(b.name, b.tensor, &owners));
    b.averaged = b.averaged && IsFloat(*DTypeOf(b.tensor)) && b.tensor.numel() > 0;
    model.buffers.push_back(std::move(b));
  }
  return model;
}

std::vector<ParameterInfo> InfosOf(const std::vector<Parameter>& parameters) {
  std::vector<ParameterInfo> infos;
  for (const Parameter& p : parameters) infos.push_back(InfoOf(p.name, p.tensor));
  return infos;
}

ModelDescription DescriptionOf(const OpsSettings& settings, const Model& model) {
  ModelDescription description;
  auto& entries = description.entries;
  entries.emplace_back("ops.bucket_mb", Number(settings.bucket_mb));
  entries.emplace_back("ops.first_mb", Number(settings.first_mb));
  entries.emplace_back("ops.last_mb", Number(settings.last_mb));
  entries.emplace_back("ops.unused", settings.unused);
  entries.emplace_back("ops.shard", settings.shard);
  entries.emplace_back("ops.compress", settings.compress);
  entries.emplace_back("ops.divisor", settings.divisor);
  entries.emplace_back("ops.lost_alias", settings.lost_alias);
  for (const Parameter& p : model.parameters) {
    entries.emplace_back(p.name, InfoOf(p.name, p.tensor).Describe() + StridesOf(p.tensor));
  }
  for (const Buffer& b : model.buffers) {
    ParameterInfo info = InfoOf(b.name, b.tensor);
    info.trainable = true;  // a buffer is not called frozen
    entries.emplace_back(b.name, info.Describe() + StridesOf(b.tensor) +
                                     (b.averaged ? " averaged buffer" : " buffer"));
  }
  return description;
}

}  // namespace stemma::ops
