#include "optim/sum_exchange.h"

#include <ATen/Functions.h>

#include "core/check.h"

namespace stemma::optim {
namespace {

at::Tensor Indices(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

SumExchange::SumExchange(ops::Reducer& reducer, const Space& space) : reducer_(reducer) {
  STEMMA_CHECK(!space.of_ranks.empty(), "sums of a space that is not sharded");
  std::vector<int64_t> order;
  for (const std::vector<int64_t>& chunks : space.of_ranks) {
    counts_.push_back(static_cast<int64_t>(chunks.size()));
    order.insert(order.end(), chunks.begin(), chunks.end());
  }
  mine_ = Indices(space.mine, space.parameters.device());
  order_ = Indices(order, space.parameters.device());
}

Status SumExchange::Complete(const at::Tensor& sums) {
  const int64_t columns = sums.size(1);
  std::vector<int64_t> counts;
  for (int64_t count : counts_) counts.push_back(count * columns);
  const at::Tensor mine = sums.index_select(0, mine_);
  const at::Tensor all = at::empty({order_.numel(), columns}, sums.options());
  STEMMA_RETURN_IF_ERROR(reducer_.GatherSums(mine, counts, all));
  at::Tensor(sums).index_copy_(0, order_, all);
  return {};
}

}  // namespace stemma::optim
