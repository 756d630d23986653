#include "models/aigw/workload.h"

#include <ATen/ATen.h>

#include <utility>

#include "models/aigw/waveform_file.h"

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

Result<std::unique_ptr<Aigw>> Aigw::Make(const AigwSettings& settings, uint64_t seed,
                                         const std::string& device) {
  STEMMA_ASSIGN_OR_RETURN(const at::Device where, DeviceOf(device));
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> data, AigwTrainData(settings));
  std::shared_ptr<const Dataset> validation;
  if (settings.validation_size > 0) {
    STEMMA_ASSIGN_OR_RETURN(validation, AigwDataset::Make(settings, AigwSplit::kValidation));
  }
  return std::unique_ptr<Aigw>(
      new Aigw(settings, seed, where, std::move(data), std::move(validation)));
}

Aigw::Aigw(const AigwSettings& settings, uint64_t seed, at::Device device,
           std::shared_ptr<const Dataset> data, std::shared_ptr<const Dataset> validation)
    : device_(device),
      network_({settings.last}, seed),
      data_(std::move(data)),
      validation_(std::move(validation)) {
  if (!device.is_cpu()) network_.To(device);
}

at::Tensor Aigw::Loss(const Batch& batch, LossParts* parts) {
  const AigwLoss loss = SumOfLosses(network_.Forward(batch.x.to(device_)), batch.y.to(device_));
  if (parts != nullptr) {
    *parts = {{"mse_q", loss.q.item<double>()}, {"mse_ap", loss.ap.item<double>()}};
  }
  return loss.total;
}

Evaluated Aigw::Evaluate(const Batch& batch) {
  Evaluated out;
  out.rows = static_cast<double>(batch.x.size(0));
  out.sums = {{"loss", 0},   {"mse_q", 0},  {"mse_ap", 0}, {"mae_q", 0},
              {"mae_s1", 0}, {"mae_s2", 0}, {"mae_chi", 0}};
  if (batch.x.size(0) == 0) return out;
  const at::Tensor y = batch.y.to(device_);
  const AigwOutput output = network_.Forward(batch.x.to(device_));
  const AigwLoss loss = SumOfLosses(output, y);
  const at::Tensor all = at::cat({output.q, output.ap}, 1).to(at::kFloat);  // in the order of y
  const at::Tensor errors = (all - y).abs().sum(0, false, at::kDouble).cpu();
  out.sums[0].second = loss.total.item<double>();
  out.sums[1].second = loss.q.item<double>();
  out.sums[2].second = loss.ap.item<double>();
  for (int64_t i = 0; i < 4; ++i) {
    out.sums[static_cast<size_t>(3 + i)].second = errors[i].item<double>();
  }
  return out;
}

}  // namespace stemma::models
