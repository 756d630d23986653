// The Python that loads an exported state into the same network in PyTorch and proves that it is
// the same: one file, with the network's definition in it.
//
//   const std::string model = ModelWithTensors(names);          // "resnet50"; "": none that we
//   know const std::string python = LoaderFor(model, "model.pt");    // load_in_pytorch.py
//
// The file expects the weights beside it under the given name, and `sample.pt` (models/sample), an
// input with the network's output. It loads strictly, runs one forward pass, compares, and leaves
// with 0 when the outputs are within 1e-5 of each other. It needs torch alone, and takes
// torchvision's ResNet-50 where that is installed.
//
// The definitions are resnet50.py, aides.py and aigw.py of this folder, which the figure net_parity
// compares with ours too, gradients included.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

namespace stemma::pytorch {

// By the names of a state's tensors.
std::string ModelWithTensors(const std::vector<std::string>& names);

// REQUIRES: `model` is what ModelWithTensors returned, not empty; `weights` is a plain file name.
std::string LoaderFor(const std::string& model, const std::string& weights);

}  // namespace stemma::pytorch
