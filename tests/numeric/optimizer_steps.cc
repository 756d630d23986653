// Runs an optimizer over gradients that another program made, so that it can be compared with
// optimizers of other languages (optimizer_peers_test.py). JSON in, JSON out:
//
//   {"settings": ["optim.name=lamb"], "dtype": "f64",
//    "tensors": [{"name": "w", "role": "weight", "shape": [2, 3], "values": [...]}],
//    "steps": [[[gradient of the first tensor], ...], ...]}
//   -> {"tensors": [[...], ...]}, after the last step
//
// A failure is one line on stderr and exit code 1.
#include <torch/types.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/train/fill_settings.h"
#include "optim/optimizer.h"

#include "tests/support/fake_reducer.h"

namespace stemma {
namespace {

using nlohmann::json;
using tests::FakeReducer;

at::Tensor TensorOf(const json& values, at::ScalarType type) {
  return torch::tensor(values.get<std::vector<double>>(), at::kDouble).to(type);
}

ops::ParameterRole RoleOf(const std::string& name) {
  if (name == "bias") return ops::ParameterRole::kBias;
  if (name == "norm_scale") return ops::ParameterRole::kNormScale;
  return ops::ParameterRole::kWeight;
}

Status Run(const json& in, json* out) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  for (const json& assignment : in["settings"]) {
    STEMMA_RETURN_IF_ERROR(list.Set(assignment.get<std::string>()));
  }
  STEMMA_RETURN_IF_ERROR(models::FillSettings(settings, &list));
  const at::ScalarType type = in["dtype"] == "f64" ? at::kDouble : at::kFloat;
  std::vector<ops::Parameter> parameters;
  for (const json& one : in["tensors"]) {
    parameters.push_back(
        {one["name"], RoleOf(one["role"]),
         TensorOf(one["values"], type).view(one["shape"].get<std::vector<int64_t>>())});
  }
  FakeReducer reducer(parameters);
  const auto steps = static_cast<int64_t>(in["steps"].size());
  STEMMA_ASSIGN_OR_RETURN(auto optimizer, optim::Make(settings.optim, steps, reducer));
  for (int64_t step = 0; step < steps; ++step) {
    const json& gradients = in["steps"][static_cast<size_t>(step)];
    for (size_t i = 0; i < parameters.size(); ++i) {
      reducer.gradient(i).flatten().copy_(TensorOf(gradients[i], type));
    }
    ops::NoFence fence;
    STEMMA_RETURN_IF_ERROR(optimizer->Step(step, fence));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor flat = reducer.parameter(i).to(at::kDouble).flatten().contiguous();
    const double* data = flat.data_ptr<double>();
    (*out)["tensors"].push_back(std::vector<double>(data, data + flat.numel()));
  }
  return {};
}

}  // namespace
}  // namespace stemma

int main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  nlohmann::json out;
  try {
    const stemma::Status status = stemma::Run(nlohmann::json::parse(text), &out);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.message().c_str());
      return 1;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::puts(out.dump().c_str());
  return 0;
}
