#include "ops/step_facts.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

template <typename T>
at::Tensor Over(std::vector<T>& values, at::ScalarType type) {
  return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, type);
}

}  // namespace

Status StepFacts::Allocate(const OpsSettings& settings, comm::World& world, size_t slots) {
  rank_ = world.rank();
  use_ = share_ = at::Tensor();
  used_.clear();
  contributions_.clear();
  max_ = MakeAllReduce(comm::Op::kMax);
  sum_ = MakeAllReduce(comm::Op::kSum);
  if (settings.unused == "keep_none") {
    used_.assign(slots, 0);
    STEMMA_ASSIGN_OR_RETURN(
        use_, AllocateFlat(world, static_cast<int64_t>(slots), DType::kU8, "used parameters"));
  }
  if (settings.divisor == "counted" || settings.divisor == "active") {
    contributions_.assign(static_cast<size_t>(world.ranks()), 0);
    STEMMA_ASSIGN_OR_RETURN(
        share_, AllocateFlat(world, world.ranks(), DType::kF64, "contributions of the ranks"));
  }
  return {};
}

void StepFacts::AddCalls(std::vector<Call>* calls) {
  const auto add = [&](const at::Tensor& tensor, const char* what, BucketHook* hook) {
    Bucket bucket;
    bucket.gradients = tensor;
    bucket.what = what;
    if (tensor.defined()) calls->push_back({std::move(bucket), hook});
  };
  add(use_, "used parameters", max_.get());
  add(share_, "contributions of the ranks", sum_.get());
}

void StepFacts::Write(const std::vector<uint8_t>& used, double contribution) {
  if (use_.defined()) {
    used_ = used;
    use_.copy_(Over(used_, at::kByte));
  }
  if (share_.defined()) {
    std::fill(contributions_.begin(), contributions_.end(), 0);
    contributions_[static_cast<size_t>(rank_)] = contribution;
    share_.copy_(Over(contributions_, at::kDouble));
  }
}

void StepFacts::Read() {
  if (use_.defined()) Over(used_, at::kByte).copy_(use_);
  if (share_.defined()) Over(contributions_, at::kDouble).copy_(share_);
}

}  // namespace stemma::ops
