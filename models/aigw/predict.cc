#include "models/aigw/predict.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "models/aigw/targets.h"

namespace stemma::models {

namespace {

constexpr int64_t kReach = 254;            // samples that the receptive field goes to the left
constexpr int64_t kBatchSamples = 100000;  // of a forward pass, over its mergers

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Status Fill(lineage::StateReader& state, const std::string& span, const at::Tensor& tensor) {
  const auto found = state.layout().Find(span);
  if (!found.has_value()) {
    return {Code::kIncompatible, "the state has no tensor '" + span + "'"};
  }
  const lineage::Span& about = state.layout().spans()[*found].span;
  const std::vector<int64_t> wanted = tensor.sizes().vec();
  if (about.dtype != DType::kF32 || about.shape != wanted) {
    return {Code::kIncompatible, "tensor '" + span + "' is " + std::string(NameOf(about.dtype)) +
                                     " " + ShapeText(about.shape) +
                                     " in the state, and the network's " + "is f32 " +
                                     ShapeText(wanted)};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, state.Read(span));
  std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return {};
}

}  // namespace

Status LoadNetwork(lineage::StateReader& state, AigwWeights weights, AigwNetwork* network) {
  const std::string prefix = weights == AigwWeights::kAverage ? "optim/ema/" : "";
  for (const ops::Parameter& p : network->parameters()) {
    STEMMA_RETURN_IF_ERROR(Fill(state, prefix + p.name, p.tensor.detach()));
  }
  for (const ops::Buffer& b : network->buffers()) {
    STEMMA_RETURN_IF_ERROR(Fill(state, b.name, b.tensor));
  }
  return {};
}

Result<std::vector<Reading>> ReadMergers(AigwNetwork* network, const AigwSettings& settings,
                                         AigwSplit split, int64_t count) {
  AigwSettings as_many = settings;
  as_many.validation_size = as_many.train_size = count;  // a binary depends on its number alone
  STEMMA_ASSIGN_OR_RETURN(const auto data, AigwDataset::Make(as_many, split));
  const c10::NoGradGuard no_gradients;
  network->SetTraining(false);
  const int64_t samples = SamplesOf(settings), kept = std::min(samples, settings.last + kReach);
  const int64_t most = std::max<int64_t>(1, kBatchSamples / kept);
  std::vector<Reading> readings;
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t rows = std::min(most, count - begin);
    at::Tensor x = at::empty({rows, 1, samples}, at::kFloat);
    for (int64_t i = 0; i < rows; ++i) {
      float unused[5];
      const Cursor key = {static_cast<uint64_t>(settings.data_seed), 0,
                          static_cast<uint64_t>(begin + i)};
      STEMMA_RETURN_IF_ERROR(
          data->Read(begin + i, key, x.mutable_data_ptr<float>() + i * samples, unused));
    }
    const AigwOutput output = network->Forward(x.narrow(2, samples - kept, kept).contiguous());
    const at::Tensor y = at::cat({output.q, output.ap}, 1).contiguous();
    for (int64_t i = 0; i < rows; ++i) {
      const AigwValues values = ValuesFromTargets(settings, y.const_data_ptr<float>() + 5 * i);
      for (const double v : values) {
        if (!std::isfinite(v)) {
          return Status(Code::kNotFinite, "an output for merger " + std::to_string(begin + i) +
                                              " is not finite: the weights are no good");
        }
      }
      readings.push_back({data->BinaryOf(begin + i), values});
    }
  }
  return readings;
}

}  // namespace stemma::models
