#include "models/sample/sample.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>
#include <memory>

#include "core/random.h"
#include "lineage/export.h"
#include "lineage/weights/tensor_file.h"
#include "lineage/weights/torch_writer.h"
#include "models/sample/sampled_network.h"

namespace stemma::models {
namespace {

constexpr uint64_t kKey = 13;

struct TypePair {
  DType dtype;
  at::ScalarType torch;
};
constexpr TypePair kTypes[] = {
    {DType::kF32, at::kFloat}, {DType::kF64, at::kDouble}, {DType::kI64, at::kLong}};

// A tensor's own stream of numbers, by its name; `draw` makes one of it.
template <typename Draw>
at::Tensor Keyed(const std::string& name, at::IntArrayRef shape, Draw draw) {
  at::Tensor tensor = at::empty(shape, at::kDouble);
  Random random(Key({kKey}), name);
  double* values = tensor.mutable_data_ptr<double>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(draw(random));  // the same numbers in both types
  }
  return tensor;
}

at::Tensor KeyedNormal(const std::string& name, at::IntArrayRef shape, double deviation) {
  return Keyed(name, shape, [&](Random& random) { return deviation * random.Normal(); });
}

at::Tensor KeyedScale(const std::string& name, at::IntArrayRef shape) {
  return Keyed(name, shape, [](Random& random) { return 0.5 + random.Uniform(); });
}

at::Tensor KeyedParameter(const ops::Parameter& parameter) {
  const at::IntArrayRef shape = parameter.tensor.sizes();
  switch (parameter.role) {
    case ops::ParameterRole::kNormScale:
      return KeyedScale(parameter.name, shape);
    case ops::ParameterRole::kBias:
    case ops::ParameterRole::kNormShift:
      return KeyedNormal(parameter.name, shape, 0.1);
    default: {
      const double fan_in = static_cast<double>(parameter.tensor.numel()) / shape[0];
      return KeyedNormal(parameter.name, shape, std::sqrt(2 / fan_in));
    }
  }
}

at::Tensor KeyedBuffer(const ops::Buffer& buffer) {
  if (!buffer.tensor.is_floating_point()) return at::zeros_like(buffer.tensor);
  const std::string suffix = "running_var";
  const bool is_variance =
      buffer.name.size() > suffix.size() &&
      buffer.name.compare(buffer.name.size() - suffix.size(), suffix.size(), suffix) == 0;
  const at::IntArrayRef shape = buffer.tensor.sizes();
  return is_variance ? KeyedScale(buffer.name, shape) : KeyedNormal(buffer.name, shape, 0.1);
}

// The tensors of a file, by name.
Result<std::map<std::string, at::Tensor>> ReadTensors(const std::string& path,
                                                      lineage::Storage& storage) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, lineage::OpenTensorFile(storage, path, ""));
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const lineage::FileTensor& about = file->tensors()[i];
    for (const TypePair& type : kTypes) {
      if (type.dtype != about.dtype) continue;
      const std::vector<int64_t> shape(about.shape.begin(), about.shape.end());
      at::Tensor tensor = at::empty(shape, type.torch);
      STEMMA_RETURN_IF_ERROR(
          file->Read(i, 0, tensor.nbytes(), static_cast<char*>(tensor.mutable_data_ptr())));
      tensors[about.name] = tensor;
    }
    if (tensors.count(about.name) == 0) {
      return Status(Code::kInvalidArgument, "tensor '" + about.name + "' is " +
                                                std::string(NameOf(about.dtype)) +
                                                ", and networks here are f32");
    }
  }
  return tensors;
}

int64_t SizeIn(const std::map<std::string, at::Tensor>& weights, const char* name, int64_t dim) {
  const auto found = weights.find(name);
  return found == weights.end() || found->second.dim() != 2 ? 0 : found->second.size(dim);
}

// Gives the network's tensor these values, and the network's type.
void Set(const at::Tensor& values, bool in_f64, at::Tensor tensor) {
  const auto type = !tensor.is_floating_point() ? tensor.scalar_type()
                    : in_f64                    ? at::kDouble
                                                : at::kFloat;
  at::Tensor data = at::empty(tensor.sizes(), tensor.options().dtype(type).requires_grad(false));
  data.copy_(values);
  tensor.set_data(data);
}

Status Load(const std::map<std::string, at::Tensor>& weights, const SampledNetwork& network,
            bool in_f64) {
  size_t taken = 0;
  const auto take = [&](const std::string& name, const at::Tensor& tensor) -> Status {
    const auto found = weights.find(name);
    if (found == weights.end()) return {Code::kInvalidArgument, "it has no tensor '" + name + "'"};
    if (found->second.sizes() != tensor.sizes()) {
      return {Code::kInvalidArgument, "tensor '" + name + "' has another shape"};
    }
    Set(found->second, in_f64, tensor);
    ++taken;
    return {};
  };
  for (const auto& parameter : network.parameters()) {
    STEMMA_RETURN_IF_ERROR(take(parameter.name, parameter.tensor));
  }
  for (const auto& buffer : network.buffers()) {
    STEMMA_RETURN_IF_ERROR(take(buffer.name, buffer.tensor));
  }
  if (taken == weights.size()) return {};
  return {Code::kInvalidArgument, "it has " + std::to_string(weights.size()) +
                                      " tensors where the network has " + std::to_string(taken)};
}

// Copies: the network's own go on to change.
void Keep(const std::string& name, const at::Tensor& tensor, NamedTensors* sample) {
  sample->emplace_back(name, tensor.detach().clone(at::MemoryFormat::Contiguous));
}

void KeepGradients(SampledNetwork& network, at::Tensor input, NamedTensors* sample) {
  network.SetTraining(true);
  at::manual_seed(kDropoutSeed);
  input.set_requires_grad(true);
  const at::Tensor output = network.Forward(input);
  const at::Tensor cotangent = KeyedNormal("cotangent", output.sizes(), 1).to(output.scalar_type());
  Keep("output.train", output, sample);
  Keep("cotangent", cotangent, sample);
  torch::autograd::backward({output}, {cotangent});
  Keep("gradient/input", input.grad(), sample);
  for (const auto& parameter : network.parameters()) {
    Keep("gradient/" + parameter.name, parameter.tensor.grad(), sample);
  }
  for (const auto& buffer : network.buffers()) Keep("after/" + buffer.name, buffer.tensor, sample);
}

}  // namespace

std::vector<std::string> SampledModels() { return {"resnet50", "aides", "aigw"}; }

Result<NamedTensors> TakeSample(const SampleRequest& request, lineage::Storage& storage) {
  std::map<std::string, at::Tensor> weights;
  if (!request.weights.empty()) {
    auto read = ReadTensors(request.weights, storage);
    if (!read.ok()) return Status(read.status()).Within(request.weights);
    weights = *std::move(read);
  }
  const std::unique_ptr<SampledNetwork> network = MakeSampled(
      request.model, SizeIn(weights, "q.fc1.weight", 1), SizeIn(weights, "fc.weight", 0));
  if (network == nullptr) {
    return Status(Code::kInvalidArgument, "no network is called '" + request.model +
                                              "': there are resnet50, aides and aigw");
  }
  std::vector<int64_t> shape = network->InputShape(request.side);
  if (shape.empty() || request.batch < 1) {
    return Status(Code::kInvalidArgument, request.model + " takes no input of side " +
                                              std::to_string(request.side) + " in batches of " +
                                              std::to_string(request.batch));
  }
  NamedTensors sample;
  if (request.weights.empty()) {
    for (const auto& parameter : network->parameters()) {
      Set(KeyedParameter(parameter), request.in_f64, parameter.tensor);
      Keep("weight/" + parameter.name, parameter.tensor, &sample);
    }
    for (const auto& buffer : network->buffers()) {
      Set(KeyedBuffer(buffer), request.in_f64, buffer.tensor);
      Keep("weight/" + buffer.name, buffer.tensor, &sample);
    }
  } else if (Status loaded = Load(weights, *network, request.in_f64); !loaded.ok()) {
    return std::move(loaded).Within(request.weights);
  }
  shape.insert(shape.begin(), request.batch);
  const at::Tensor input =
      KeyedNormal("input", shape, 1).to(request.in_f64 ? at::kDouble : at::kFloat);
  Keep("input", input, &sample);
  network->SetTraining(false);
  {
    const c10::NoGradGuard no_gradients;
    Keep("output", network->Forward(input), &sample);
  }
  if (request.gradients) KeepGradients(*network, input, &sample);
  return sample;
}

Status WriteTensors(lineage::Storage& storage, const std::string& path,
                    const NamedTensors& tensors) {
  std::vector<lineage::TorchTensor> list;
  for (const auto& [name, tensor] : tensors) {
    for (const TypePair& type : kTypes) {
      if (type.torch == tensor.scalar_type()) {
        list.push_back({name, type.dtype, tensor.sizes().vec()});
      }
    }
  }
  if (list.size() != tensors.size()) {
    return {Code::kInternal, "a sample has f32, f64 and i64 tensors alone"};
  }
  return lineage::WritePublished(
      storage, path, 0, /*replace=*/true, [&](lineage::WritableFile& file) -> Status {
        lineage::TorchWriter writer(file, list);
        STEMMA_RETURN_IF_ERROR(writer.Begin());
        for (const auto& [name, tensor] : tensors) {
          const char* bytes = static_cast<const char*>(tensor.const_data_ptr());
          STEMMA_RETURN_IF_ERROR(writer.Append({bytes, tensor.nbytes()}));
        }
        return writer.Finish();
      });
}

}  // namespace stemma::models
