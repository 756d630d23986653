#include "ops/compress.h"

#include <utility>

#include "ops/guard.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

bool IsCompressed(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble;
}

// Waits for the reduced scratch and casts it back into the bucket.
class CastBack final : public comm::Work::Impl {
 public:
  CastBack(comm::Work reduced, at::Tensor scratch, at::Tensor gradients, double factor)
      : reduced_(std::move(reduced)),
        scratch_(std::move(scratch)),
        gradients_(std::move(gradients)),
        factor_(factor) {}
  Status Wait() override {
    STEMMA_RETURN_IF_ERROR(reduced_.Wait());
    return Guard("cast of a reduced bucket", [&]() -> Status {
      gradients_.copy_(scratch_);
      if (factor_ != 1) gradients_.mul_(factor_);
      return {};
    });
  }
  bool Done() const override { return reduced_.Done(); }

 private:
  comm::Work reduced_;
  const at::Tensor scratch_, gradients_;
  const double factor_;
};

class HalfWidth final : public BucketHook {
 public:
  HalfWidth(std::string name, DType wire, bool predivides)
      : name_(std::move(name)),
        wire_(wire),
        predivides_(predivides),
        plain_(MakeAllReduce(comm::Op::kSum)) {}

  std::string name() const override { return name_; }

  Status Prepare(comm::World& world, const std::vector<Bucket>& buckets) override {
    int64_t total = 0;
    for (const Bucket& b : buckets) total += IsCompressed(b.gradients) ? b.gradients.numel() : 0;
    scratch_.assign(buckets.size(), {});
    if (total == 0) return {};
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor flat,
                            AllocateFlat(world, total, wire_, "scratch of ops.compress"));
    int64_t offset = 0;
    for (const Bucket& b : buckets) {
      if (!IsCompressed(b.gradients)) continue;
      scratch_[b.index] = flat.narrow(0, offset, b.gradients.numel());
      offset += b.gradients.numel();
    }
    return {};
  }

  Result<comm::Work> Run(const Bucket& bucket, comm::Communicator& communicator) override {
    const at::Tensor& scratch = scratch_[bucket.index];
    if (!scratch.defined()) return plain_->Run(bucket, communicator);
    const double ranks = predivides_ ? communicator.ranks() : 1;
    if (ranks > 1) bucket.gradients.mul_(1 / ranks);
    scratch.copy_(bucket.gradients);
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, SpanOf(scratch, bucket.what));
    comm::CallOptions options = OptionsFor(bucket, comm::Op::kSum);
    options.scale = 1;
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, communicator.AllReduce(span, options));
    return comm::Work(std::make_unique<CastBack>(std::move(work), scratch, bucket.gradients,
                                                 bucket.scale * ranks));
  }

 private:
  const std::string name_;
  const DType wire_;
  const bool predivides_;
  const std::unique_ptr<BucketHook> plain_;  // for what is not compressed
  std::vector<at::Tensor> scratch_;          // per bucket; undefined: not compressed
};

}  // namespace

Result<std::unique_ptr<BucketHook>> MakeCompression(const std::string& name) {
  if (name == "none") return MakeAllReduce(comm::Op::kSum);
  std::unique_ptr<BucketHook> hook;
  if (name == "bf16") hook = std::make_unique<HalfWidth>(name, DType::kBF16, false);
  if (name == "fp16") hook = std::make_unique<HalfWidth>(name, DType::kF16, true);
  if (hook != nullptr) return hook;
  return Status(Code::kInvalidArgument,
                "ops.compress is '" + name + "': expected none, bf16 or fp16");
}

}  // namespace stemma::ops
