#include "tools/pytorch/loader.h"

#include <algorithm>
#include <cstdio>

namespace stemma::pytorch {
namespace {

// The Python files, each as one string literal that the build makes of it.
constexpr char kResNet50[] =
#include "tools/pytorch/resnet50.py.inc"
    ;
constexpr char kAides[] =
#include "tools/pytorch/aides.py.inc"
    ;
constexpr char kAigw[] =
#include "tools/pytorch/aigw.py.inc"
    ;
constexpr char kCheck[] =
#include "tools/pytorch/check_sample.py.inc"
    ;

struct Model {
  const char* name;
  const char* python;
  std::vector<const char*> tensors;  // that it has and no other
};

const std::vector<Model>& Models() {
  static const std::vector<Model> models = {
      {"resnet50", kResNet50, {"conv1.weight", "layer3.5.conv3.weight", "fc.weight"}},
      {"aides", kAides, {"block11.rep.8.running_var", "conv4.pointwise.weight", "head.fc3.weight"}},
      {"aigw", kAigw, {"block15.gate.weight", "head.conv2.weight", "ap.fc2.weight"}},
  };
  return models;
}

// A text in Python, whatever a file may be called.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(c) & 0xffu);
    const bool control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    quoted += control ? escaped : (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
  }
  return quoted + "\"";
}

}  // namespace

std::string ModelWithTensors(const std::vector<std::string>& names) {
  for (const Model& model : Models()) {
    const bool has_all =
        std::all_of(model.tensors.begin(), model.tensors.end(), [&](const char* name) {
          return std::find(names.begin(), names.end(), name) != names.end();
        });
    if (has_all) return model.name;
  }
  return "";
}

std::string LoaderFor(const std::string& model, const std::string& weights) {
  std::string python = "#!/usr/bin/env python3\n";
  for (const Model& one : Models()) {
    if (one.name == model) python += one.python;
  }
  return python + "\n\n# Made by `stemma export`. python3 load_in_pytorch.py checks the weights; " +
         "load() gives them.\nWEIGHTS = " + Quoted(weights) + "\n" + kCheck;
}

}  // namespace stemma::pytorch
