#include "ops/shard.h"

#include <algorithm>
#include <string>

#include "core/random.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::ops {
namespace {

using tests::HasCode;
using tests::IsOk;

OpsSettings Sharded() {
  OpsSettings settings;
  settings.bucket_mb = 0.3;
  settings.first_mb = settings.last_mb = 0.05;
  settings.shard = "optimizer";
  return settings;
}

std::vector<ParameterInfo> RandomModel(uint64_t seed) {
  Random draw(Key({seed}), "shard_test");
  std::vector<ParameterInfo> model;
  const uint64_t tensors = 1 + draw.Below(40);
  for (uint64_t i = 0; i < tensors; ++i) {
    const uint64_t largest = draw.Below(3) == 0 ? 90000 : 5000;
    const DType dtype = draw.Below(4) == 0 ? DType::kF64 : DType::kF32;
    model.push_back(
        {"p" + std::to_string(i), {static_cast<int64_t>(1 + draw.Below(largest))}, dtype});
  }
  return model;
}

TEST_CASE("part r of C chunks is [r C / N, (r + 1) C / N)") {
  const int64_t ends[] = {0, 2, 5, 7, 10};
  for (int r = 0; r < 4; ++r) {
    const Range range = ShardOfChunks(10, {r, 4});
    CHECK(range.begin == ends[r]);
    CHECK(range.end == ends[r + 1]);
  }
  CHECK(ShardOfChunks(1, {0, 3}).count() == 0);
  CHECK(ShardOfChunks(1, {2, 3}).count() == 1);
  CHECK(ShardOfChunks(int64_t{1} << 50, {6, 7}).end == int64_t{1} << 50);
}

TEST_CASE("parts are equal, disjoint, cover each bucket, and cut no chunk of a tensor") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto model = RandomModel(seed);
    for (int ranks = 2; ranks <= 5; ++ranks) {
      INFO("seed " << seed << ", " << ranks << " ranks");
      const auto plan = MakePlan(model, Sharded(), ranks);
      REQUIRE_THAT(plan.status(), IsOk());
      REQUIRE(plan->shards == ranks);
      for (const BucketInfo& bucket : plan->buckets) {
        int64_t at = bucket.offset;
        for (int rank = 0; rank < ranks; ++rank) {
          const Range part = ShardOf(bucket, {rank, ranks});
          REQUIRE(part.begin == at);
          REQUIRE(part.count() == bucket.count / ranks);
          REQUIRE(part.begin % kChunk == 0);
          REQUIRE(OwnerOf(bucket, part.begin, ranks) == rank);
          REQUIRE(OwnerOf(bucket, part.end - 1, ranks) == rank);
          at = part.end;
        }
        REQUIRE(at == bucket.offset + bucket.count);
        REQUIRE(at <= plan->segments[bucket.segment].count);
      }
      for (const Slot& slot : plan->slots) {
        int64_t at = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          const Range held = ShardOf(*plan, slot, {rank, ranks});
          if (held.count() == 0) continue;
          REQUIRE(held.begin == at);
          REQUIRE(held.begin % kChunk == 0);
          at = held.end;
        }
        REQUIRE(at == slot.count);
      }
    }
  }
}

TEST_CASE("state arrays have room for a rank's parts, and nothing else") {
  const auto plan = MakePlan(RandomModel(7), Sharded(), 3);
  REQUIRE_THAT(plan.status(), IsOk());
  const ShardArrays arrays = ArraysOf(*plan, {1, 3});
  std::vector<int64_t> filled(plan->segments.size(), 0);
  for (size_t b = 0; b < plan->buckets.size(); ++b) {
    const BucketInfo& bucket = plan->buckets[b];
    CHECK(arrays.begin[b] == filled[bucket.segment]);
    filled[bucket.segment] += bucket.count / 3;
  }
  CHECK(arrays.count == filled);
  const auto whole = MakePlan(RandomModel(7), Sharded(), 1);
  CHECK(ArraysOf(*whole, {}).count[0] == whole->segments[0].count);
  const ShardArrays same = ArraysOf(*whole, {});
  for (size_t b = 0; b < whole->buckets.size(); ++b) {
    CHECK(same.begin[b] == whole->buckets[b].offset);
  }
}

TEST_CASE("only the tail of a bucket depends on the number of ranks") {
  const auto two = MakePlan(RandomModel(3), Sharded(), 2),
             five = MakePlan(RandomModel(3), Sharded(), 5);
  REQUIRE(two->slots.size() == five->slots.size());
  for (size_t s = 0; s < two->slots.size(); ++s) {
    const auto within = [&](const Plan& plan) {
      return plan.slots[s].offset - plan.buckets[plan.slots[s].bucket].offset;
    };
    CHECK(within(*two) == within(*five));
    CHECK(two->slots[s].bucket == five->slots[s].bucket);
  }
  CHECK(two->digest != five->digest);
}

TEST_CASE("without shards, or alone, the plan is the one it always was") {
  OpsSettings none = Sharded();
  none.shard = "none";
  const std::string digest = MakePlan(RandomModel(5), none)->digest;
  CHECK(MakePlan(RandomModel(5), none, 4)->digest == digest);
  CHECK(MakePlan(RandomModel(5), Sharded(), 1)->digest == digest);
  CHECK(MakePlan(RandomModel(5), Sharded(), 4)->digest != digest);
  OpsSettings both = Sharded();
  both.compress = "bf16";
  CHECK_THAT(MakePlan(RandomModel(5), both).status(),
             HasCode(Code::kInvalidArgument, "ops.compress = bf16 is not made for"));
  none.shard = "gradients";
  CHECK_THAT(
      MakePlan(RandomModel(5), none).status(),
      HasCode(Code::kInvalidArgument, "ops.shard is 'gradients': expected none or optimizer"));
}

}  // namespace
}  // namespace stemma::ops
