#include "ops/bucket_hook.h"

#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

class PlainAllReduce final : public BucketHook {
 public:
  explicit PlainAllReduce(comm::Op op) : op_(op) {}
  std::string name() const override { return op_ == comm::Op::kSum ? "none" : "plain"; }
  Result<comm::Work> Run(const Bucket& bucket, comm::Communicator& communicator) override {
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, SpanOf(bucket.gradients, bucket.what));
    return communicator.AllReduce(span, OptionsFor(bucket, op_));
  }

 private:
  const comm::Op op_;
};

}  // namespace

Status BucketHook::Prepare(comm::World&, const std::vector<Bucket>&) { return {}; }

comm::CallOptions OptionsFor(const Bucket& bucket, comm::Op op) {
  comm::CallOptions options;
  options.op = op;
  options.scale = op == comm::Op::kSum ? bucket.scale : 1;
  options.what = bucket.what;
  options.stream = bucket.stream;
  return options;
}

std::unique_ptr<BucketHook> MakeAllReduce(comm::Op op) {
  return std::make_unique<PlainAllReduce>(op);
}

}  // namespace stemma::ops
