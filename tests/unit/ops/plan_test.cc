#include "ops/plan.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "core/random.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::ops {
namespace {

using tests::HasCode;
using tests::IsOk;

OpsSettings Caps(double first, double middle, double last) {
  OpsSettings settings;
  settings.first_mb = first;
  settings.bucket_mb = middle;
  settings.last_mb = last;
  return settings;
}

std::vector<ParameterInfo> RandomModel(uint64_t seed) {
  Random draw(Key({seed}), "plan_test");
  const DType dtypes[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kF16};
  std::vector<ParameterInfo> model;
  const uint64_t tensors = 1 + draw.Below(60);
  for (uint64_t i = 0; i < tensors; ++i) {
    ParameterInfo p;
    p.name = "p" + std::to_string(i);
    const int64_t largest = draw.Below(3) == 0 ? 40000 : 300;
    p.shape = {static_cast<int64_t>(1 + draw.Below(static_cast<uint64_t>(largest))),
               static_cast<int64_t>(1 + draw.Below(3))};
    p.dtype = dtypes[draw.Below(3) == 0 ? draw.Below(4) : 0];
    p.trainable = i == 0 || draw.Below(8) != 0;
    model.push_back(p);
  }
  return model;
}

std::vector<ParameterInfo> ResNet50() {
  std::ifstream file(std::string(std::getenv("TEST_SRCDIR")) +
                     "/stemma/tests/golden/data/resnet50_tensors.json");
  const auto list = nlohmann::json::parse(file);
  std::vector<ParameterInfo> model;
  for (const auto& entry : list["parameters"]) model.push_back({entry[0], entry[1]});
  return model;
}

TEST_CASE("the layout of a small model is what the rules say, to the element") {
  const std::vector<ParameterInfo> model = {
      {"conv.weight", {64, 100}},  // 6400 elements: starts at a chunk
      {"conv.bias", {64}},        {"frozen", {7}, DType::kI64, false},
      {"norm.weight", {4000}},  // would straddle 4096 behind fc: moved to it
      {"fc.weight", {10, 20}},    {"fc.bias", {10}},
  };
  const auto plan = MakePlan(model, Caps(1, 4, 1));
  REQUIRE_THAT(plan.status(), IsOk());
  CHECK(plan->text ==
        "plan 1 chunk 4096 bucket_mb 4 first_mb 1 last_mb 1 unused zero compress none divisor "
        "samples lost_alias error\n"
        "segment f32 count 15360\n"
        "bucket 0 f32 offset 0 count 14592\n"
        "  0 #5 \"fc.bias\" f32[10]\n"
        "  16 #4 \"fc.weight\" f32[10,20]\n"
        "  4096 #3 \"norm.weight\" f32[4000]\n"
        "  8096 #1 \"conv.bias\" f32[64]\n"
        "  8192 #0 \"conv.weight\" f32[64,100]\n"
        "frozen #2 \"frozen\" i64[7] frozen\n");
  CHECK(plan->digest.size() == 32);
}

TEST_CASE("caps cut the first, the middle and the last buckets") {
  std::vector<ParameterInfo> model;
  const int64_t kb256 = 65536;  // f32 elements
  for (int i = 0; i < 24; ++i) model.push_back({"p" + std::to_string(i), {kb256}});
  const auto plan = MakePlan(model, Caps(0.5, 2, 1));
  REQUIRE_THAT(plan.status(), IsOk());
  std::vector<size_t> sizes;
  for (const BucketInfo& b : plan->buckets) sizes.push_back(b.slots.size());
  CHECK(sizes == std::vector<size_t>{2, 8, 8, 2, 4});  // 0.5 MiB, 2, 2, the rest, 1
  CHECK(plan->slots.front().parameter == 23);
  CHECK(plan->slots.back().parameter == 0);
}

TEST_CASE("a tensor larger than every cap has a bucket of its own") {
  const std::vector<ParameterInfo> model = {
      {"a", {8}}, {"large", {3000000}}, {"b", {8}}, {"c", {8}}, {"d", {2000000}}};
  const auto plan = MakePlan(model, Caps(1, 4, 1));
  REQUIRE_THAT(plan.status(), IsOk());
  REQUIRE(plan->buckets.size() == 4);
  CHECK(plan->buckets[0].slots.size() == 1);  // d
  CHECK(plan->buckets[1].slots.size() == 2);  // c, b
  CHECK(plan->buckets[2].slots.size() == 1);  // large
  CHECK(plan->buckets[3].slots.size() == 1);  // a
}

// What the optimizers' chunk tables and the communicator rely on, for any model.
void CheckLayout(const std::vector<ParameterInfo>& model, const OpsSettings& s, const Plan& plan) {
  std::vector<int64_t> used(plan.segments.size(), 0);
  std::set<size_t> seen;
  for (size_t b = 0; b < plan.buckets.size(); ++b) {
    const BucketInfo& bucket = plan.buckets[b];
    const auto size = static_cast<int64_t>(SizeOf(bucket.dtype));
    REQUIRE(plan.segments[bucket.segment].dtype == bucket.dtype);
    REQUIRE(bucket.offset * size % 4096 == 0);
    REQUIRE(bucket.offset >= used[bucket.segment]);
    double mib = 0;
    for (size_t index : bucket.slots) {
      const Slot& slot = plan.slots[index];
      REQUIRE(slot.bucket == b);
      REQUIRE(slot.count == model[slot.parameter].count());
      REQUIRE(model[slot.parameter].dtype == bucket.dtype);
      REQUIRE(seen.insert(slot.parameter).second);
      REQUIRE(slot.offset >= used[bucket.segment]);
      REQUIRE(slot.offset * size % 64 == 0);
      if (slot.count >= kChunk) REQUIRE(slot.offset % kChunk == 0);
      if (slot.count < kChunk) {
        REQUIRE(slot.offset / kChunk == (slot.offset + slot.count - 1) / kChunk);
      }
      used[bucket.segment] = slot.offset + slot.count;
      mib += static_cast<double>(slot.count * size) / (1 << 20);
    }
    REQUIRE(used[bucket.segment] <= bucket.offset + bucket.count);
    REQUIRE(bucket.offset + bucket.count <= plan.segments[bucket.segment].count);
    REQUIRE((bucket.slots.size() == 1 || mib <= std::max({s.first_mb, s.bucket_mb, s.last_mb})));
    used[bucket.segment] = bucket.offset + bucket.count;
  }
  const auto trainable = static_cast<size_t>(
      std::count_if(model.begin(), model.end(), [](const auto& p) { return p.trainable; }));
  REQUIRE(seen.size() == trainable);
}

TEST_CASE("no model breaks the chunk rule, the alignment or the caps") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    const std::vector<ParameterInfo> model = RandomModel(seed);
    const OpsSettings settings = Caps(0.05, 0.3, 0.05);
    const auto plan = MakePlan(model, settings);
    REQUIRE_THAT(plan.status(), IsOk());
    CheckLayout(model, settings, *plan);
  }
}

TEST_CASE("buckets of several dtypes are launched in the order in which they fill up") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto plan = MakePlan(RandomModel(seed), Caps(0.05, 0.3, 0.05));
    REQUIRE_THAT(plan.status(), IsOk());
    size_t last = SIZE_MAX;
    for (const BucketInfo& bucket : plan->buckets) {
      const size_t complete = plan->slots[bucket.slots.back()].parameter;
      REQUIRE(complete < last);
      last = complete;
    }
  }
}

TEST_CASE("ResNet-50 fits with less than one per cent of padding") {
  const std::vector<ParameterInfo> model = ResNet50();
  REQUIRE(model.size() == 161);
  int64_t elements = 0;
  for (const ParameterInfo& p : model) elements += p.count();
  CHECK(elements == 25557032);
  const auto plan = MakePlan(model, OpsSettings());
  REQUIRE_THAT(plan.status(), IsOk());
  CHECK(plan->slots.size() == 161);
  REQUIRE(plan->segments.size() == 1);
  CHECK(plan->segments[0].count > elements);
  CHECK(static_cast<double>(plan->segments[0].count - elements) < 0.01 * 25557032);
  CHECK(model[plan->slots[0].parameter].name == "fc.bias");
  CheckLayout(model, OpsSettings(), *plan);
}

TEST_CASE("the digest changes with everything that the plan depends on") {
  const std::vector<ParameterInfo> model = {
      {"a", {3, 4}}, {"b", {5}}, {"c", {6}, DType::kF32, false}};
  std::set<std::string> digests = {MakePlan(model, OpsSettings())->digest};
  const auto is_new = [&](std::vector<ParameterInfo> m, const OpsSettings& s) {
    const auto plan = MakePlan(m, s);
    return plan.ok() && digests.insert(plan->digest).second;
  };
  auto changed = model;
  changed[0].name = "A";
  CHECK(is_new(changed, {}));
  changed = model;
  changed[0].shape = {4, 3};
  CHECK(is_new(changed, {}));
  changed = model;
  changed[1].dtype = DType::kF64;
  CHECK(is_new(changed, {}));
  changed = model;
  changed[1].trainable = false;
  CHECK(is_new(changed, {}));
  changed = model;
  changed[2].shape = {7};
  CHECK(is_new(changed, {}));
  changed = model;
  std::swap(changed[0], changed[1]);
  CHECK(is_new(changed, {}));
  CHECK(is_new(model, Caps(1.0000001, 4, 1)));
  CHECK(is_new(model, Caps(1, 4.0000001, 1)));
  CHECK(is_new(model, Caps(1, 4, 1.0000001)));
  OpsSettings unused;
  unused.unused = "error";
  CHECK(is_new(model, unused));
  CHECK_FALSE(is_new(model, OpsSettings()));
}

TEST_CASE("what cannot be planned is refused by name") {
  const auto refused = [](std::vector<ParameterInfo> model, OpsSettings s, const char* text) {
    const auto plan = MakePlan(model, s);
    CHECK_THAT(plan.status(), HasCode(Code::kInvalidArgument, text));
  };
  refused({{"w", {2}}, {"w", {3}}}, {}, "two parameters are called \"w\"");
  refused({{"w", {2}}, {"", {3}}}, {}, "parameter 1 has no name");
  refused({{"w", {2}, DType::kI64}}, {}, "\"w\" is i64");
  refused({{"w", {2, 0}}}, {}, "\"w\" f32[2,0] has no elements");
  refused({{"w", {2}, DType::kF32, false}}, {}, "none of 1 parameters is trainable");
  refused({}, {}, "none of 0 parameters");
  refused({{"w", {2}}}, Caps(0, 4, 1), "ops.first_mb");
  refused({{"w", {2}}}, Caps(1, -4, 1), "ops.bucket_mb");
  refused({{"w", {2}}}, Caps(1, 4, std::numeric_limits<double>::quiet_NaN()), "ops.last_mb");
  OpsSettings unused;
  unused.unused = "maybe";
  refused({{"w", {2}}}, unused, "expected zero, keep_none or error");
}

TEST_CASE("a scalar is one element") { CHECK(ParameterInfo{"s", {}}.count() == 1); }

}  // namespace
}  // namespace stemma::ops
