#include "models/aigw/workload.h"

#include <ATen/ATen.h>

#include <utility>

namespace stemma::models {

namespace {

Result<at::Device> DeviceOf(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  if (name != "cuda") {
    return Status(Code::kInvalidArgument, "device.kind = " + name + ": expected cpu or cuda");
  }
  if (!at::hasCUDA()) {
    return Status(Code::kInvalidArgument,
                  "device.kind = cuda, but there is no GPU that LibTorch can use here; check the "
                  "driver and the build (--config=cuda), or set device.kind = cpu");
  }
  return at::Device(at::kCUDA);
}

}  // namespace

AigwShape ShapeOf(const AigwSettings& settings) { return {settings.last, settings.dropout}; }

Result<std::unique_ptr<Aigw>> Aigw::Make(const AigwSettings& settings, uint64_t seed,
                                         const std::string& device) {
  STEMMA_ASSIGN_OR_RETURN(const at::Device where, DeviceOf(device));
  STEMMA_ASSIGN_OR_RETURN(std::shared_ptr<const AigwDataset> data,
                          AigwDataset::Make(settings, AigwSplit::kTrain));
  return std::unique_ptr<Aigw>(new Aigw(settings, seed, where, std::move(data)));
}

Aigw::Aigw(const AigwSettings& settings, uint64_t seed, at::Device device,
           std::shared_ptr<const AigwDataset> data)
    : device_(device), network_(ShapeOf(settings), seed), data_(std::move(data)) {
  if (!device.is_cpu()) network_.To(device);
}

at::Tensor Aigw::Loss(const Batch& batch, LossParts* parts) {
  const AigwLoss loss = SumOfLosses(network_.Forward(batch.x.to(device_)), batch.y.to(device_));
  if (parts != nullptr) {
    *parts = {{"mse_q", loss.q.item<double>()}, {"mse_ap", loss.ap.item<double>()}};
  }
  return loss.total;
}

}  // namespace stemma::models
