#include "ops/shard_collectives.h"

#include <numeric>
#include <string>
#include <utility>

#include "ops/guard.h"
#include "ops/shard.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

// Waits for all, whatever fails: their memory is in use until then.
Status WaitForAll(std::vector<comm::Work> works) {
  Status first;
  for (comm::Work& work : works) {
    Status status = work.Wait();
    if (first.ok()) first = std::move(status);
  }
  return first;
}

class ReduceScatter final : public BucketHook {
 public:
  explicit ReduceScatter(const Plan& plan) {
    for (const BucketInfo& bucket : plan.buckets)
      counts_.push_back(ShardCounts(bucket, plan.shards));
  }
  std::string name() const override { return "shards"; }
  Result<comm::Work> Run(const Bucket& bucket, comm::Communicator& communicator) override {
    const std::vector<int64_t>& counts = counts_[bucket.index];
    const auto rank = counts.begin() + communicator.rank();
    const int64_t before = std::accumulate(counts.begin(), rank, int64_t{0});
    STEMMA_ASSIGN_OR_RETURN(const comm::Span all, SpanOf(bucket.gradients, bucket.what));
    const auto skip = before * static_cast<int64_t>(SizeOf(all.dtype));
    const comm::Span mine = {static_cast<char*>(all.data) + skip, *rank, all.dtype};
    return communicator.ReduceScatter({all.data, all.count, all.dtype}, mine, counts,
                                      OptionsFor(bucket, comm::Op::kSum));
  }

 private:
  std::vector<std::vector<int64_t>> counts_;  // [bucket][rank]
};

Status GatherAll(comm::World& world, const FlatModel& model) {
  const Plan& plan = model.plan();
  const Shard shard = {world.rank(), world.ranks()};
  std::vector<comm::Work> works;
  for (size_t b = plan.buckets.size(); b-- > 0;) {
    const BucketInfo& bucket = plan.buckets[b];
    const at::Tensor& flat = model.spaces()[bucket.segment].parameters;
    const auto size = static_cast<int64_t>(SizeOf(bucket.dtype));
    auto* const data = static_cast<char*>(flat.data_ptr());
    const Range mine = ShardOf(bucket, shard);
    comm::CallOptions options;
    options.what = "parameters of bucket " + std::to_string(b);
    options.stream = StreamOf(flat.device());
    Result<comm::Work> work =
        world.data().AllGather({data + mine.begin * size, mine.count(), bucket.dtype},
                               {data + bucket.offset * size, bucket.count, bucket.dtype},
                               ShardCounts(bucket, shard.ranks), options);
    if (!work.ok()) {
      static_cast<void>(WaitForAll(std::move(works)));  // the first failure is the one to tell
      return work.status();
    }
    works.push_back(*std::move(work));
  }
  return WaitForAll(std::move(works));
}

}  // namespace

std::unique_ptr<BucketHook> MakeReduceScatter(const Plan& plan) {
  return std::make_unique<ReduceScatter>(plan);
}

Status GatherShards(comm::World& world, const FlatModel& model) {
  if (model.plan().shards == 1) return {};
  return Guard("GatherParameters", [&] { return GatherAll(world, model); });
}

Status GatherSums(comm::World& world, const at::Tensor& mine, const std::vector<int64_t>& counts,
                  const at::Tensor& all) {
  return Guard("GatherSums", [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(const comm::Span from, SpanOf(mine, "a shard's sums"));
    STEMMA_ASSIGN_OR_RETURN(const comm::Span to, SpanOf(all, "the sums of all shards"));
    comm::CallOptions options;
    options.what = "sums of a sharded optimizer";
    options.stream = StreamOf(all.device());
    STEMMA_ASSIGN_OR_RETURN(
        comm::Work work,
        world.data().AllGather({from.data, from.count, from.dtype}, to, counts, options));
    return work.Wait();
  });
}

Status ShardsUnused(const std::string& call) {
  return {Code::kInvalidArgument,
          call +
              ": with ops.shard = optimizer the step before left each rank its part of the reduced "
              "gradients, and no optimizer used it: call Step() of an optimizer made by "
              "optim::Make, or set ops.shard = none for any other optimizer"};
}

}  // namespace stemma::ops
