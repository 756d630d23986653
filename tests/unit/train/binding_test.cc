#include <ATen/ATen.h>

#include <string>

#include "models/train/binding.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {
using tests::HasCode;
using tests::IsOk;

optim::NamedState Slot(const std::string& slot, const at::Tensor& tensor,
                       const std::string& parameter = "fc.weight") {
  optim::NamedState state;
  state.slot = slot;
  state.parameter = parameter;
  state.tensor = tensor;
  return state;
}

TEST_CASE("the small record survives a round trip and refuses garbage", "[binding]") {
  const SmallState small{1200, {7, 3, 99}, "optimizer bytes"};
  const std::string bytes = EncodeSmall(small);
  CHECK(bytes.size() == kSmallBytes);
  const auto back = DecodeSmall(bytes);
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->step == 1200);
  CHECK(back->cursor == small.cursor);
  CHECK(back->optimizer == small.optimizer);
  CHECK_FALSE(back->patience);
  SmallState counted = small;
  counted.patience = Patience{0.25, 3};
  const auto again = DecodeSmall(EncodeSmall(counted));
  REQUIRE_THAT(again.status(), IsOk());
  REQUIRE(again->patience);
  CHECK((again->patience->best == 0.25 && again->patience->waited == 3));
  CHECK_THAT(DecodeSmall(std::string(kSmallBytes, '\xff')).status(), HasCode(Code::kCorruption));
  CHECK_THAT(DecodeSmall(bytes.substr(0, 20)).status(), HasCode(Code::kCorruption));
}

TEST_CASE("tensors that no state can hold are refused by name", "[binding]") {
  const at::Tensor images = at::zeros({2, 3, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto refused = [](const at::Tensor& tensor, const std::string& why) {
    const Status parameter = CheckBinding({{"w", ops::ParameterRole::kWeight, tensor}}, {});
    CHECK_THAT(parameter, HasCode(Code::kInvalidArgument, why));
    CHECK_THAT(CheckBinding({}, {{"w", tensor, false}}), HasCode(Code::kInvalidArgument, why));
  };
  refused(images, "w is not contiguous");
  refused(at::zeros({3}, at::kComplexFloat), "w: element type ComplexFloat");
  CHECK_THAT(CheckBinding({{"w", ops::ParameterRole::kWeight, images.contiguous()}}, {}), IsOk());
}

TEST_CASE("every tensor of the state is a span, and restoring one changes that one alone",
          "[binding]") {
  const at::Tensor weight = at::arange(6, at::kFloat).reshape({2, 3});
  const at::Tensor moment = at::full({2, 3}, 2.5, at::kFloat);
  const at::Tensor mean = at::ones({3}, at::kFloat);
  const at::Tensor batches = at::full({}, 4, at::kLong);
  Binding binding({{"fc.weight", ops::ParameterRole::kWeight, weight}},
                  {{"bn.mean", mean, true}, {"bn.batches", batches, false}},
                  {Slot("optim/m", moment)});
  std::vector<std::string> names;
  for (const auto& span : binding.spans()) names.push_back(span.section + ":" + span.name);
  CHECK(names == std::vector<std::string>{"params:fc.weight", "optim/m:optim/m/fc.weight",
                                          "buffers:bn.mean", "buffers:bn.batches", "small:train"});
  CHECK(binding.spans()[3].dtype == DType::kI64);
  CHECK(binding.spans()[3].bytes() == 8);
  CHECK(binding.spans()[2].eager);
  CHECK_FALSE(binding.spans()[0].eager);

  for (size_t span = 0; span < 4; ++span) {
    INFO(binding.spans()[span].name);
    std::string saved(static_cast<size_t>(binding.spans()[span].bytes()), '\0');
    REQUIRE_THAT(binding.Read(span, 0, saved.size(), saved.data()), IsOk());
    const std::string zeros(saved.size(), '\0');
    REQUIRE_THAT(binding.Write(span, 0, zeros), IsOk());
    CHECK((weight.count_nonzero().item<int64_t>() == (span == 0 ? 0 : 5)));
    CHECK((batches.item<int64_t>() == (span == 3 ? 0 : 4)));
    REQUIRE_THAT(binding.Write(span, 0, saved), IsOk());
  }
  CHECK(at::equal(weight, at::arange(6, at::kFloat).reshape({2, 3})));
  CHECK(at::equal(mean, at::ones({3}, at::kFloat)));

  binding.SetSmall({5, {1, 0, 64}, "x"});
  std::string record(kSmallBytes, '\0');
  REQUIRE_THAT(binding.Read(4, 0, kSmallBytes, record.data()), IsOk());
  CHECK(DecodeSmall(record)->cursor.sample == 64);
}

TEST_CASE("a tensor without a gradient is frozen until it needs one", "[binding]") {
  at::Tensor base = at::zeros({3}, at::kFloat);
  const at::Tensor head = at::zeros({2}, at::kFloat).requires_grad_(true);
  Binding binding({{"base.w", ops::ParameterRole::kWeight, base},
                   {"head.w", ops::ParameterRole::kWeight, head}},
                  {{"bn.mean", at::ones({3}, at::kFloat)}},
                  {Slot("optim/m", at::zeros({2}), "head.w")});
  const auto roles = [](const std::vector<lineage::Span>& spans) {
    std::vector<bool> frozen;
    for (const auto& span : spans) frozen.push_back(span.role == lineage::Role::kFrozen);
    return frozen;
  };
  // The third is base.w's slot, which the optimizer has not: a fork may thaw.
  CHECK(roles(binding.spans()) == std::vector<bool>{true, false, true, false, false, false});
  CHECK(binding.spans()[2].name == "optim/m/base.w");
  CHECK(binding.spans()[2].shape == std::vector<int64_t>{3});
  CHECK(binding.Thawed().empty());
  base.requires_grad_(true);
  head.detach_().requires_grad_(false);  // a GAN's other half, for a while
  CHECK(roles(binding.Thawed()) == std::vector<bool>{false, false, true, false, false, false});
  CHECK(binding.Thawed().empty());
}

TEST_CASE("a part of a sharded moment is read and written where it lies in the whole",
          "[binding]") {
  const at::Tensor weight = at::zeros({4, 3}, at::kFloat);
  optim::NamedState part = Slot("optim/m", at::arange(5, 10, at::kFloat));
  part.sharded = true;
  part.first = 5;
  part.whole = {4, 3};
  optim::NamedState nothing = part;  // a rank that holds none of the second moment
  nothing.slot = "optim/v";
  nothing.first = 12;
  nothing.tensor = at::empty({0}, at::kFloat);
  Binding binding({{"fc.weight", ops::ParameterRole::kWeight, weight}}, {}, {part, nothing});
  const lineage::Span& span = binding.spans()[1];
  CHECK(span.role == lineage::Role::kSharded);
  CHECK(span.shape == std::vector<int64_t>{4, 3});
  REQUIRE(span.held.size() == 1);
  CHECK(span.held[0].first == 5);
  CHECK(span.held[0].count == 5);
  CHECK(binding.spans()[2].held.empty());

  float values[2] = {};
  REQUIRE_THAT(binding.Read(1, 6 * sizeof(float), sizeof values, reinterpret_cast<char*>(values)),
               IsOk());
  CHECK(values[0] == 6);
  CHECK(values[1] == 7);
  const float changed[1] = {-1};
  REQUIRE_THAT(
      binding.Write(1, 9 * sizeof(float), {reinterpret_cast<const char*>(changed), sizeof changed}),
      IsOk());
  CHECK(part.tensor.sum().item<float>() == 5 + 6 + 7 + 8 - 1);
}

}  // namespace
}  // namespace stemma::models
