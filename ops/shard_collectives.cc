#include "ops/shard_collectives.h"

#include <string>
#include <utility>

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

}  // namespace

Status GatherShards(comm::World& world, const FlatModel& model) {
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

Status GatherSums(comm::World& world, const at::Tensor& mine, const std::vector<int64_t>& counts,
                  const at::Tensor& all) {
  STEMMA_ASSIGN_OR_RETURN(const comm::Span from, SpanOf(mine, "a shard's sums"));
  STEMMA_ASSIGN_OR_RETURN(const comm::Span to, SpanOf(all, "the sums of all shards"));
  comm::CallOptions options;
  options.what = "sums of a sharded optimizer";
  options.stream = StreamOf(all.device());
  STEMMA_ASSIGN_OR_RETURN(
      comm::Work work,
      world.data().AllGather({from.data, from.count, from.dtype}, to, counts, options));
  return work.Wait();
}

}  // namespace stemma::ops
