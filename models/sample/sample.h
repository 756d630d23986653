// What a network answers to an input that anybody can make again: for comparing it with the same
// network in another program. An exported state carries one for Python; the figure net_parity asks
// for gradients too.
//
//   SampleRequest request;
//   request.model = "resnet50";
//   STEMMA_ASSIGN_OR_RETURN(const NamedTensors sample, TakeSample(request));
//   WriteTensors(storage, "sample.pt", sample);          // torch.load reads it
//
// "input" and "output" (evaluation mode) are always there; AI-GW's two heads are one output [N, 5].
// With `gradients` also, from training mode after at::manual_seed(kDropoutSeed): "output.train";
// "cotangent", the vector that is multiplied with the output's Jacobian; "gradient/NAME" for each
// parameter and "gradient/input"; "after/NAME" for each buffer, as that forward pass left it.
//
// Weights come from a file (safetensors or torch.save's), where every tensor must be there with its
// type and shape, and no other; or, without one, are keyed by their names, of a scale that keeps
// every layer's output near one, and then are in the sample as "weight/NAME".
//
// Thread: one. Failure: kInvalidArgument for a model that is not known or a size that it cannot
// take; the file's own. LibTorch's exceptions leave TakeSample.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

constexpr uint64_t kDropoutSeed = 7;

struct SampleRequest {
  std::string model;    // of SampledModels()
  std::string weights;  // a file; "": keyed
  int64_t batch = 2;
  int64_t side = 0;  // of images, or points of a waveform; 0: the model's own
  bool in_f64 = false;
  bool gradients = false;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// "resnet50", "aides", "aigw".
std::vector<std::string> SampledModels();

// Weights are read from `storage`.
Result<NamedTensors> TakeSample(const SampleRequest& request, lineage::Storage& storage);

// As torch.load reads them (lineage/weights/torch_writer.h); replaces a file, whole or not at
// all.
Status WriteTensors(lineage::Storage& storage, const std::string& path,
                    const NamedTensors& tensors);

}  // namespace stemma::models
