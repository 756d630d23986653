// ResNet-50's tensors against the list made from its definition (torchvision's names and order).
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/resnet50/network.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

nlohmann::json Golden() {
  std::ifstream in("tests/golden/data/resnet50_tensors.json");
  REQUIRE(in.good());
  return nlohmann::json::parse(in);
}

std::vector<int64_t> ShapeOf(const nlohmann::json& row) {
  return row.at(1).get<std::vector<int64_t>>();
}

TEST_CASE("resnet50: every parameter and buffer is torchvision's, in its order") {
  const nlohmann::json golden = Golden();
  const ResNet50 network({}, 1);
  const auto& parameters = network.parameters();
  const auto& buffers = network.buffers();
  REQUIRE(parameters.size() == golden.at("parameters").size());
  REQUIRE(buffers.size() == golden.at("buffers").size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& row = golden["parameters"][i];
    CHECK(parameters[i].name == row.at(0));
    CHECK(parameters[i].tensor.sizes().vec() == ShapeOf(row));
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    const auto& row = golden["buffers"][i];
    CHECK(buffers[i].name == row.at(0));
    CHECK(buffers[i].tensor.sizes().vec() == ShapeOf(row));
  }
}

}  // namespace
}  // namespace stemma::models
